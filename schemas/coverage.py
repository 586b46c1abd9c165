"""What the monitor says of its own work: which offsets were judged, what they gave, which processes ran and when.

Records of `monitor.coverage`, key `topic|partition` or the process. What a worker judged is stored before the offsets
are committed.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from schemas.fields import Count, Id, Text, Time

ALIVE_EVERY_S: Final = 60.0
"""How often a process says that it runs: so exactly is it known until when one ran that was killed. A record of 200
bytes a minute for each."""

Pass = Literal["judge", "match"]
"""Who went over the offsets: `judge`, the workers with every rule; `match`, `cloverwatch match` with the decisions of
the gateways. Each goes over all of `access.events` for itself. Records from before there was `match` are `judge`."""

HELD_EVERY_S: Final = 60.0
"""How often a worker says what it holds, also when nothing comes: so exactly is it known until when one lived that was
killed. A record a worker and minute, some 20 bytes a partition."""


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets in which nothing was to be judged, or could be."""

    first: Count
    last: Count
    why: Literal["control_or_aborted", "unexplained", "lost_by_retention"]


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag="judged"):
    """Offsets [`first`, `last`] of one partition, everything that came of them stored."""

    topic: Id
    partition: Count
    first: Count
    last: Count
    records: Count
    holes: tuple[Hole, ...] = ()
    verdicts: dict[str, int] = {}
    """Findings by rule id; of alerts that were published."""
    dead_letters: Count = 0
    duplicates: Count = 0
    moved: Count = 0
    """Records put into the partition that is their person's."""
    alerts: Count = 0
    """Alert revisions that came of it."""
    alerts_hash: Annotated[str, Meta(min_length=64, max_length=64)]
    """`hash_of` of those."""
    alerts_of: tuple[str, ...] = ()
    """Which those are, each `alert_id|revision`, sorted: with it whoever has the log's alert entries finds exactly the
    ones that the hash is over. A range with very many alerts is cut into several (an entry of the log is bounded)."""
    policy: Text
    directories: Text
    """Hash of the offsets to which the directories were known at the end."""
    worker: Id
    """A random id of the process."""
    at: Time
    by: Pass = "judge"


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """A worker got a partition and begins at `offset`: what lies behind it and was judged already is judged again."""

    topic: Id
    partition: Count
    offset: Count
    policy: Text
    version: Text
    worker: Id
    at: Time
    by: Pass = "judge"


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag="stopped"):
    """A worker gave a partition up in order; `offset` comes next."""

    topic: Id
    partition: Count
    offset: Count
    worker: Id
    at: Time
    by: Pass = "judge"


class Place(NamedTuple):
    """How far a partition is that a worker holds."""

    partition: Count
    next: Count
    """The first offset of which the worker has not said that it was judged."""
    end: Count
    """Of the partition's log, as the broker told it last."""


class Holding(msgspec.Struct, frozen=True, kw_only=True, tag="holding"):
    """A worker lives and holds these partitions; one that holds very many says so in several records.

    Whoever leaves out what a worker says of a partition last cannot make it look idle: a worker that holds it and says
    neither this nor that it stopped is missed.
    """

    held: dict[Id, tuple[Place, ...]]
    """By topic."""
    worker: Id
    at: Time


class InForce(msgspec.Struct, frozen=True, kw_only=True, tag="in_force"):
    """A worker judges by this policy from now on."""

    policy: Text
    """Its version."""
    sha256: Text
    """Of the file's bytes, hex."""
    legal_table: Text
    geo_table: Text
    destinations: tuple[Text, ...] | None = None
    """Names of the policy's destinations, sorted: each owes a receipt for every alert, also for one that no route leads
    to it. None of versions that did not say it."""
    worker: Id
    at: Time
    by: Pass = "judge"


ProcessKind = Literal["worker", "gateway", "match", "deliver", "audit_log"]
"""The commands that run until they are told to stop and reach the brokers."""

Step = Literal["started", "running", "stopped"]


class Process(msgspec.Struct, frozen=True, kw_only=True, tag="process"):
    """A process started, still runs, or stopped in order: `stopped` is not said by one that failed or was killed."""

    kind: ProcessKind
    process: Id
    """A random id of this run. It says nothing of the machine."""
    step: Step
    version: Text
    """Of the program."""
    policy: Text = ""
    """SHA-256 of the policy file's bytes, hex; empty where it goes by none."""
    program: Text = ""
    """SHA-256 over the program's files (`agents/program.py`), hex; empty of versions that did not say it."""
    at: Time
    """The process' clock."""


Coverage = Judged | Started | Stopped | Holding | InForce | Process
decode: msgspec.json.Decoder[Coverage] = msgspec.json.Decoder(Coverage)


def hash_of(alerts: list[tuple[str, int, str]]) -> str:
    """Return the hash of alert revisions, hex.

    Args:
        alerts: (alert id, revision, SHA-256 of the record's value in hex), in any order; sorted here.
    """
    from hashlib import sha256

    return sha256(
        "".join(f"{alert}|{revision}|{value}\n" for alert, revision, value in sorted(alerts)).encode()
    ).hexdigest()
