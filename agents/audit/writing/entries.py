"""Entries from records: what a record was by its hash, and the few of its fields that name nobody who is watched.

An entry says what the record's schema says and no more: a field is taken only where it has the type that it should, so
that nothing else gets into a log that nobody can delete from.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from schemas import approval, coverage, entry, policy_change
from schemas.action import Action
from schemas.alert import Alert
from schemas.decision import Decision
from schemas.entry import ABOUT, ENTRY_MAX, LOGGED, Entry, EntryKind
from schemas.fields import ID_MAX
from schemas.receipt import Receipt
from schemas.request import Step

TP = tuple[str, int]

PARTITIONS_MAX: Final = 1_500
"""Partitions of one `opened` entry, at most 40 bytes each: the entry stays below the 65,535 bytes of any. A log of more
partitions is opened with several entries."""

UNREADABLE: Final = {"unreadable": True}
"""`about` of a record that is not what its topic holds: somebody else wrote it. Its hash stands."""

CUT: Final = {"cut": True}
"""`about` of a record that would make an entry longer than any may be. Its hash stands."""

_SCHEMAS: Final[dict[EntryKind, type[msgspec.Struct]]] = {
    "alert": Alert,
    "receipt": Receipt,
    "action": Action,
    "decision": Decision,
    "request": Step,
}

_WHOLE: Final[dict[EntryKind, Callable[[bytes], Any]]] = {
    "approval": approval.decode.decode,
    "policy": policy_change.decode.decode,
}
"""Records of which an entry says what is no field of theirs, and is made from all of them."""


def _part(kind: EntryKind, schema: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """Return what reads the fields of `ABOUT`, each of its type, and nothing else."""
    hints = get_type_hints(schema, include_extras=True)
    # mypy takes types that are computed for values.
    fields: list[Any] = [(name, hints[name] | UnsetType, UNSET) for name in ABOUT[kind]]
    return msgspec.json.Decoder(msgspec.defstruct(f"{schema.__name__}About", fields, frozen=True)).decode


_PARTS: Final = _WHOLE | {kind: _part(kind, schema) for kind, schema in _SCHEMAS.items()}


def about(kind: EntryKind, value: bytes, *, clear: bool = False) -> dict[str, Any]:
    """Return what an entry repeats of a record.

    Args:
        kind: of the entry.
        value: the record.
        clear: whether alerts name people in clear; `dedup_key` is made from a name then.
    """
    try:
        if kind == "coverage":
            coverage.decode.decode(value)
            found: dict[str, Any] = msgspec.json.decode(value)
            return found
        part: Any = _PARTS[kind](value)
    except (msgspec.MsgspecError, ValueError):
        return dict(UNREADABLE)
    said = {name: getattr(part, name) for name in ABOUT[kind] if not (clear and name == "dedup_key")}
    return {
        name: list(each) if isinstance(each, tuple) else each
        for name, each in said.items()
        if each is not UNSET and (name != "approvals" or each)
    }


def _gone(kind: EntryKind, record: Any) -> dict[str, Any]:
    """Return what the entry of a tombstone says: of an approval which, since steps of it may be gone with it."""
    if kind != "approval":
        return {}
    approval_id = approval.approval_of(record.key)
    if not 0 < len(approval_id) <= ID_MAX:
        return {}
    try:
        step = approval.step_of(record.key, approval_id)
    except ValueError:
        return {}  # a key that is no text
    return {"approval_id": approval_id} | ({} if step is None else {"step": step})


def entry_of(topic: str, record: Any, *, clear: bool = False) -> tuple[Entry, bytes]:
    """Return the entry of a record of a topic of `LOGGED`, and its bytes."""
    kind = LOGGED[topic]
    value: bytes | None = record.value
    made = Entry(
        kind=kind,
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp,
        sha256="" if value is None else sha256(value).hexdigest(),
        about=_gone(kind, record) if value is None else about(kind, value, clear=clear),
    )
    encoded = entry.encode(made)
    if len(encoded) > ENTRY_MAX:
        made = msgspec.structs.replace(made, about=dict(CUT))
        encoded = entry.encode(made)
    return made, encoded


def hole(tp: TP, first: int, last: int, why: str, at: int) -> tuple[Entry, bytes]:
    """Return the entry of offsets that were gone; `at` is the append time of the record behind them."""
    made = Entry(
        kind="hole", topic=tp[0], partition=tp[1], offset=first, at=at, about={"first": first, "last": last, "why": why}
    )
    return made, entry.encode(made)


def opened(
    version: str, positions: Mapping[TP, int], at: int, continues: Mapping[str, str | int] | None = None
) -> Iterator[tuple[Entry, bytes]]:
    """Yield the entries that say that a process goes on here: one, or more where there are very many partitions.

    `about`: version, a random `run`, `part` of `parts`, and by topic the next offset of each partition; in the first
    part of a log that goes on from another one, of which tree: `continues`.
    """
    ordered = sorted(positions.items())
    run = secrets.token_hex(8)
    parts = max(1, -(-len(ordered) // PARTITIONS_MAX))
    for part in range(parts):
        topics: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in ordered[part * PARTITIONS_MAX : (part + 1) * PARTITIONS_MAX]:
            topics.setdefault(topic, {})[str(partition)] = offset
        said: dict[str, Any] = {"version": version, "run": run, "part": part + 1, "parts": parts, "topics": topics}
        if continues is not None and part == 0:
            said["continues"] = dict(continues)
        made = Entry(kind="opened", at=at, about=said)
        yield made, entry.encode(made)
