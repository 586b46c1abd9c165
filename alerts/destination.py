"""What a destination is: a kind that is registered, its part of the policy, and a `send`.

One file a kind. A destination knows nothing of Kafka, offsets, retries, budgets, grouping or silences: it is handed
notices in order, says for each what came of it, and may be called again with the same ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from alerts.notice import Notice, Outcome

SEND_TIMEOUT_S = 10.0
"""Within which a receiver must answer one request, unless its own documentation asks for more."""


class Destination(Protocol):
    """A receiver, from `start` to `stop`."""

    async def start(self) -> None:
        """Open what is needed; must not fail because the receiver is away."""

    async def stop(self) -> None:
        """Close everything."""

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Hand notices on, in their order; return what came of each, in the same order.

        Never raises for what a receiver or a network does: that is an outcome. May be called again with notices whose
        outcome was `Failed`, and after a crash with any. Notices of one key are in order; where one of them is
        `Failed`, whoever calls sends it and all later ones of its key again.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a destination is given beside its own part of the policy."""

    name: str
    """Its name in the policy."""
    host: str
    """The name of this machine, for syslog and the like."""
    version: str
    """Of the program."""
    kafka: Callable[[msgspec.Struct], Any] | None = None
    """Makes a producer of another cluster, from the Kafka destination's configuration: only `agents` knows Kafka."""
    sleep: Callable[[float], Awaitable[None]] | None = None
    """In place of `asyncio.sleep`, for tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of destination, as it is registered in `alerts/__init__.py`."""

    name: str
    """What `kind = ` in the policy says."""
    title: str
    config: type[msgspec.Struct]
    """Its own keys in `[destinations.NAME]`: frozen, `forbid_unknown_fields`, a docstring each for the reference."""
    make: Callable[[Any, Context], Destination]
    grouped: bool
    """True: notices tell of groups (a pager). False: one alert a notice, every revision (a SIEM)."""
    again_every_s: float | None = None
    """How often what fires is repeated; None: never."""
    batch_max: int = 1
    """Notices in one `send`."""
    promise: str
    """For `docs/destinations.md`: what counts as delivered, and which duplicates the receiver recognises."""
    check: Callable[[Any], str | None] = lambda _: None
    """What is wrong with a configuration that types cannot say, as in `url: names no host`: the key comes first, so
    that its line is named. None where nothing is."""
    alone: str | None = None
    """Its key, of a path, that no two destinations of this kind may have alike."""
