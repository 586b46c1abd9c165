"""What can be wrong with a transparency log, by what a person does about it."""

from __future__ import annotations

from schemas.errors import CloverwatchError


class BadLogError(CloverwatchError):
    """What was read is not what the signed checkpoint commits to, or is malformed: the copy is not to be trusted.

    `where` is the file of the log (`tile/0/000`), or what it is about.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class BadNoteError(BadLogError):
    """A checkpoint, key or proof that is malformed or not signed by whom it must be."""


class BadProofError(BadLogError):
    """A Merkle proof that does not lead to the root."""


class InconsistentLogError(BadLogError):
    """The log must not go on: to sign would mean two histories. Says what was remembered, and what is there."""


class LogBusyError(CloverwatchError):
    """Another process writes the log: there may be one."""


class LogBrokenError(CloverwatchError):
    """An append failed where it cannot be told whether it counts: open the log again, which finds out."""
