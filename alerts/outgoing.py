"""What passes between whoever sends and whoever decides what is sent: notices with handles, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from alerts.notice import Notice
from schemas.receipt import ReceiptState


class Outgoing(NamedTuple):
    """A notice, and the handles of the revisions that it tells of."""

    notice: Notice
    refs: tuple[Any, ...]


class Settled(NamedTuple):
    """What became of one revision."""

    ref: Any
    state: ReceiptState
    group: str
    """The key under which it was told, or waits parked."""
    notice: str
    answer: Mapping[str, str]
    """Why, where no destination answered."""
