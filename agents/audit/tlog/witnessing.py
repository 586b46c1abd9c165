"""The log's side of witnesses: asking them all, at once, and what each said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.audit.tlog.checkpoint import Checkpoint, Policy
from agents.audit.tlog.notes import Signature
from agents.audit.tlog.tree import Tree


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Told:
    """What asking one witness came to."""

    witness: str
    cosigned: bool
    what: str = ""
    """Where it did not: why."""
    forked: bool = False
    """It has seen another history than the log's, or a longer one."""


class Witnesses:
    """Placeholder until the client is there."""

    clients: Sequence[object] = ()
    policy = Policy()

    def ask(self, checkpoint: Checkpoint, tree: Tree, now: float) -> tuple[list[Told], list[Signature]]:
        """Ask."""
        raise NotImplementedError
