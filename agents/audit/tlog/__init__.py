"""A transparency log in the formats of C2SP: written, read, proven, cosigned. It knows no Kafka and no Faust.

Written with `Log`, read and checked with `LogReader`; keys are `NoteSigner` (private) and `VKey` (public), `vkey` reads
one. docs/audit-log.md says what is where and why.
"""

from agents.audit.tlog.checkpoint import Checkpoint, Policy
from agents.audit.tlog.errors import (
    BadLogError,
    BadNoteError,
    BadProofError,
    InconsistentLogError,
    LogBrokenError,
    LogBusyError,
)
from agents.audit.tlog.log import Log
from agents.audit.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from agents.audit.tlog.notes import NoteSigner, VKey, vkey
from agents.audit.tlog.proof import TlogProof
from agents.audit.tlog.reader import LogReader
from agents.audit.tlog.store import Folder, Storage
from agents.audit.tlog.tree import Tree
from agents.audit.tlog.witnessing import Told, WitnessClient, Witnesses

__all__ = [
    "BadLogError",
    "BadNoteError",
    "BadProofError",
    "Checkpoint",
    "Folder",
    "InconsistentLogError",
    "Log",
    "LogBrokenError",
    "LogBusyError",
    "LogReader",
    "NoteSigner",
    "Policy",
    "Storage",
    "TlogProof",
    "Told",
    "Tree",
    "VKey",
    "WitnessClient",
    "Witnesses",
    "leaf_hash",
    "verify_consistency",
    "verify_inclusion",
    "vkey",
]
