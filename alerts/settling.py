"""What a group book hands out: messages that are due, and what became of each alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from alerts.notice import Notice
from schemas.alert import Alert
from schemas.receipt import ReceiptState

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Generic[T]):
    """The fate of one revision of an alert at one destination: what its receipt says.

    `group`, `notice`, `silence` and `answer` belong into the receipt as they are: `Book.restore` reads them there.
    """

    alert: Alert
    """The revision that `ref` was taken with."""
    ref: T
    state: ReceiptState
    group: str
    """Key of the notice that it was in; of what is parked, the key that `Book.unpark` takes."""
    notice: str = ""
    silence: str = ""
    answer: Mapping[str, str] = field(default_factory=dict)
    """What the destination answered; `note` says why nothing was sent, `reason` why it is parked, `told` names the
    last notice that told of an earlier revision which this receipt replaces."""
    first: bool = True
    """False: this ref was settled before (`silenced`, or before a restart): a further receipt, nothing to commit."""
    repeated: bool = False
    """True: read twice; its receipt is there already."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Due(Generic[T]):
    """A notice that is to be sent, with the refs that wait for its outcome."""

    notice: Notice
    refs: tuple[T, ...]
    """Of all alerts in it and of the revisions that they superseded; empty for a repetition."""
