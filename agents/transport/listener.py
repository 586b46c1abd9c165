"""What the transport tells others about itself; metrics are bound here, by someone else."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from agents.ledger import TP, Hole

__all__ = ["BeforeCommit", "TransportListener", "TransportObserver"]


class TransportListener(Protocol):
    """Called on the event loop, once for what each name says. Must neither block nor raise."""

    def on_assigned(self, tps: AbstractSet[TP], generation: int) -> None:
        """The group gave this worker these partitions (all of them, also those it had before)."""

    def on_revoked(self, tps: AbstractSet[TP]) -> None:
        """These partitions are taken away; what could be committed has been."""

    def on_positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Reading begins at `offset`; `committed` is what the group had committed, None for a new group."""

    def on_batch(self, tp: TP, first: int, last: int, records: int) -> None:
        """A run of `records` records with offsets first..last was handed to the stream."""

    def on_hole(self, hole: Hole) -> None:
        """Offsets that were not and will not be delivered, with the reason."""

    def on_rewind(self, tp: TP, expected: int, first: int) -> None:
        """The log went back (topic created anew, unclean election): `first` came for `expected`."""

    def on_commit(self, tp: TP, offset: int, at: float) -> None:
        """The broker accepted `offset` as this group's next one, `at` seconds on the monotonic clock."""

    def on_commit_refused(self, offsets: Mapping[TP, int], reason: str) -> None:
        """The broker did not take a commit; it is tried again, or the partitions' next owner reads again."""


class TransportObserver:
    """A listener that does nothing: a base for one that cares about a few of the calls."""

    def on_assigned(self, tps: AbstractSet[TP], generation: int) -> None:
        """See `TransportListener`."""

    def on_revoked(self, tps: AbstractSet[TP]) -> None:
        """See `TransportListener`."""

    def on_positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """See `TransportListener`."""

    def on_batch(self, tp: TP, first: int, last: int, records: int) -> None:
        """See `TransportListener`."""

    def on_hole(self, hole: Hole) -> None:
        """See `TransportListener`."""

    def on_rewind(self, tp: TP, expected: int, first: int) -> None:
        """See `TransportListener`."""

    def on_commit(self, tp: TP, offset: int, at: float) -> None:
        """See `TransportListener`."""

    def on_commit_refused(self, offsets: Mapping[TP, int], reason: str) -> None:
        """See `TransportListener`."""


class BeforeCommit(Protocol):
    """What must be safe before offsets are: behaviour state, for one."""

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Return when everything below `offsets` is stored. An exception ends the process, uncommitted."""
