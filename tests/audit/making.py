"""A monitor that never was: topics with coverage, alerts, receipts, decisions, and the log over them, from a seed.

The records have the shapes that the program writes; the log is written by the program's own log. Nothing here knows
the verifier.
"""

from __future__ import annotations

import gzip
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson

from agents.audit.tlog import Log, NoteSigner
from schemas.coverage import (
    HELD_EVERY_S,
    Coverage,
    Holding,
    Hole,
    InForce,
    Judged,
    Place,
    Process,
    ProcessKind,
    Started,
    Step,
    Stopped,
    hash_of,
)
from schemas.entry import ABOUT, LOGGED, Entry, encode

ORIGIN = "audit.example/cloverwatch"
T = 1_772_409_600_000
"""2 March 2026."""

POLICY = "0123456789abcdef"
EVENTS = "access.events"
RULES = ("place.third_country", "role.missing", "class.closed", "ticket.missing")
SEVERITIES = ("low", "medium", "high", "critical")


@dataclass
class Stored:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str
    value: bytes | None

    @property
    def line(self) -> bytes:
        """The line of an export."""
        names = ("topic", "partition", "offset", "timestamp", "key")
        made: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.value is not None:
            made["value"] = self.value.decode()
        return orjson.dumps(made)


@dataclass
class World:
    """What the topics hold, in the order in which it was stored, and the entries of the log over it."""

    seed: int = 1
    partitions: int = 2
    destinations: tuple[str, ...] = ("pager", "siem")
    named: bool = True
    """Whether workers say which destinations there are."""
    now: int = T
    stored: list[Stored] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    judged: dict[int, int] = field(default_factory=dict)
    reached: list[tuple[int, int, int]] = field(default_factory=list)
    """(time, partition, offset) of accesses: what lay below was there then."""
    held_at: int = 0
    """When a worker last said what it holds."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.worker = f"{self.rng.getrandbits(64):016x}"
        self.entries.append(Entry(kind="opened", at=self.now, about={"version": "0.1.0", "topics": {}}))

    def store(self, topic: str, partition: int, key: str, value: bytes | None, **more: Any) -> Stored:
        """Append a record to a topic, and its entry to the log."""
        self.now += self.rng.randrange(1, 2_000)
        offset = self.ends[topic, partition]
        self.ends[topic, partition] += 1
        record = Stored(topic, partition, offset, self.now, key, value)
        self.stored.append(record)
        if topic in LOGGED:
            kind = LOGGED[topic]
            about: dict[str, Any] = orjson.loads(value) if value is not None else {}
            if kind != "coverage":
                about = {name: (about | more)[name] for name in ABOUT[kind] if name in about | more}
            digest = "" if value is None else sha256(value).hexdigest()
            self.entries.append(
                Entry(
                    kind=kind, topic=topic, partition=partition, offset=offset, at=self.now, sha256=digest, about=about
                )
            )
        return record

    def cover(self, record: Coverage) -> None:
        """Store a record of coverage."""
        match record:
            case InForce(worker=key) | Holding(worker=key) | Process(process=key):
                pass
            case _:
                key = f"{record.topic}|{record.partition}"
        self.store("monitor.coverage", 0, key, msgspec.json.encode(record))

    def say(self, kind: ProcessKind, process: str, step: Step, policy: str = "", program: str = "") -> None:
        """A process says how it lives."""
        self.cover(
            Process(
                kind=kind, process=process, step=step, version="0.1.0", policy=policy, program=program, at=self.now
            )
        )  # fmt: skip

    def in_force(self, policy: str = POLICY, content: bytes = b"policy") -> None:
        """A policy comes into force."""
        digest = sha256(content).hexdigest()
        self.cover(
            InForce(
                policy=policy,
                sha256=digest,
                legal_table="legal-1",
                geo_table="geo-1",
                worker=self.worker,
                destinations=self.destinations if self.named else None,
                at=self.now,
            )
        )

    def start(self, partition: int, offset: int | None = None, policy: str = POLICY) -> None:
        """The worker gets a partition."""
        at = self.judged.get(partition, 0) if offset is None else offset
        self.judged[partition] = at
        self.cover(
            Started(
                topic=EVENTS, partition=partition, offset=at, policy=policy, version="0.1.0", worker=self.worker,
                at=self.now,
            )
        )  # fmt: skip

    def stop(self, partition: int) -> None:
        """The worker gives a partition up."""
        self.cover(
            Stopped(topic=EVENTS, partition=partition, offset=self.judged[partition], worker=self.worker, at=self.now)
        )

    def hold(self, **ends: int) -> None:
        """The worker says what it holds; `ends`: by partition (`p0`) where its log ends, if not where it judged to."""
        places = [Place(number, at, ends.get(f"p{number}", at)) for number, at in sorted(self.judged.items())]
        self.cover(Holding(held={EVENTS: tuple(places)}, worker=self.worker, at=self.now))
        self.held_at = self.now

    def wait(self, minutes: float, *, hold: bool = True) -> None:
        """Let time pass in which nothing comes; the worker says what it holds meanwhile, or nothing does."""
        end = self.now + int(minutes * 60_000)
        while hold and self.now + 60_000 < end:
            self.now += 60_000
            self.hold()
        self.now = max(self.now, end)

    def take_over(self, worker: str, *partitions: int) -> None:
        """Another worker begins with partitions, whatever became of the one before it."""
        self.worker = worker
        self.in_force()
        for partition in partitions:
            self.start(partition)

    def alert(self, revision: int = 0, alert_id: str | None = None, family: str = "access") -> tuple[str, int, bytes]:
        """An alert is stored; return id, revision, value."""
        alert_id = f"{self.rng.getrandbits(128):032x}" if alert_id is None else alert_id
        rules = self.rng.sample(RULES, self.rng.randrange(1, 3))
        severity = self.rng.choice(SEVERITIES)
        value = orjson.dumps(
            {
                "alert_id": alert_id, "family": family, "revision": revision, "status": "open", "rule_id": rules[0],
                "severity": severity, "dedup_key": f"d-{alert_id[:8]}", "detected_at": self.now,
                "reasons": [{"rule_id": rule, "rule_version": 1, "severity": severity} for rule in rules],
            }
        )  # fmt: skip
        self.store("alerts", self.partition_of(alert_id), alert_id, value)
        return alert_id, revision, value

    def partition_of(self, alert_id: str) -> int:
        """Where an alert is."""
        return int(alert_id[0], 16) % self.partitions

    def receipts(self, alert_id: str, revision: int, state: str = "delivered") -> None:
        """Every destination answers for the last record of an alert."""
        last = next(each for each in reversed(self.stored) if each.topic == "alerts" and each.key == alert_id)
        for destination in self.destinations:
            value = orjson.dumps(
                {
                    "destination": destination, "alert_id": alert_id, "revision": revision, "state": state,
                    "at": self.now, "partition": last.partition, "offset": last.offset,
                }
            )  # fmt: skip
            self.store("alerts.receipts", last.partition, f"{destination}|{alert_id}", value)

    def judge(
        self, partition: int, alerts: int = 0, records: int | None = None, holes: Sequence[Hole] = (), *,
        deliver: bool = True, policy: str = POLICY,
    ) -> list[str]:  # fmt: skip
        """A range is judged, with its alerts; return their ids."""
        first = self.judged[partition]
        absent = sum(hole.last - hole.first + 1 for hole in holes)
        count = self.rng.randrange(50, 500) if records is None else records
        made = [self.alert() for _ in range(alerts)]
        verdicts: dict[str, int] = {}
        for _, _, value in made:
            for reason in orjson.loads(value)["reasons"]:
                verdicts[reason["rule_id"]] = verdicts.get(reason["rule_id"], 0) + 1
        marks = [(alert_id, revision, sha256(value).hexdigest()) for alert_id, revision, value in made]
        self.cover(
            Judged(
                topic=EVENTS, partition=partition, first=first, last=first + count + absent - 1, records=count,
                holes=tuple(holes), verdicts=verdicts, alerts=len(made), alerts_hash=hash_of(marks),
                alerts_of=tuple(sorted(f"{alert_id}|{revision}" for alert_id, revision, _ in marks)),
                policy=policy, directories="d", worker=self.worker, at=self.now,
            )
        )  # fmt: skip
        self.judged[partition] = first + count + absent
        self.reached.append((self.now, partition, self.judged[partition]))
        if deliver:
            for alert_id, revision, _ in made:
                self.receipts(alert_id, revision)
        return [alert_id for alert_id, _, _ in made]

    def decide(self, effect: str = "allow", approval_id: str = "", **more: Any) -> None:
        """A gateway was answered."""
        name = more.pop("decision_id", f"{self.rng.getrandbits(64):016x}")
        value = orjson.dumps(
            {
                "decision_id": name, "gateway_id": "gw-1", "effect": effect, "decided_at": self.now,
                "expires_at": self.now + 60_000, "approval_id": approval_id, "break_glass": False, "policy": POLICY,
                **more,
            }
        )  # fmt: skip
        self.store("gateway.decisions", self.rng.randrange(self.partitions), "somebody", value)

    def approve(self, approval_id: str, state: str = "approved", **more: Any) -> None:
        """An approval is given."""
        value = orjson.dumps({"approval_id": approval_id, "until": self.now + 3_600_000, "break_glass": False, **more})
        self.store("gateway.approvals", 0, approval_id, value, state=state, since=more.get("since", self.now))

    def act(self, alert_id: str, kind: str = "ack") -> None:
        """An analyst acts."""
        name = f"{self.rng.getrandbits(64):016x}"
        value = orjson.dumps({"action_id": name, "alert_id": alert_id, "kind": kind, "by": "dora", "at": self.now})
        self.store("alerts.actions", self.partition_of(alert_id), alert_id, value)

    def adopt(self, content: bytes, policy: str, before: bytes = b"policy") -> None:
        """A change of the policy is adopted."""
        digest = sha256(content).hexdigest()
        value = orjson.dumps(
            {
                "sha256": digest, "before": sha256(before).hexdigest(), "version": policy,
                "changes": ["rule ticket.missing: severity medium, was high"], "adopted_at": self.now,
            }
        )  # fmt: skip
        self.store("policy.changes", 0, digest, value)

    def live(self, rounds: int) -> None:
        """Let time pass: ranges, alerts, decisions, hand-overs; everything in order."""
        if not self.judged:
            self.in_force()
            for partition in range(self.partitions):
                self.start(partition)
        for _ in range(rounds):
            if self.now - self.held_at >= 1000 * HELD_EVERY_S:
                self.hold()
            kind = self.rng.random()
            partition = self.rng.randrange(self.partitions)
            if kind < 0.6:
                found = self.judge(partition, alerts=self.rng.choice((0, 0, 1, 2)))
                if found and self.rng.random() < 0.3:
                    self.act(found[0])
            elif kind < 0.9:
                self.decide(self.rng.choice(("allow", "allow", "deny")))
            elif kind < 0.95:
                name = f"ap-{self.rng.getrandbits(32):08x}"
                self.approve(name)
                self.decide(approval_id=name)
            else:
                self.stop(partition)
                self.start(partition)

    # --- onto disk

    def export(self, folder: Path) -> Path:
        """Write the topics as files."""
        reached: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for at, partition, end in self.reached:
            reached[str(partition)].append((at, end))
        write_export(folder, self.stored, self.now, {EVENTS: dict(reached)})
        return folder


def write_export(folder: Path, stored: Iterable[Stored], now: int, judged: dict[str, Any] | None = None) -> None:
    """Write topics as `cloverwatch audit export` does."""
    lines: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    spans: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for record in stored:
        lines[record.topic, record.partition].append(record.line)
        span = spans[record.topic].setdefault(str(record.partition), {"first": record.offset, "following": 0})
        span["following"] = record.offset + 1
    for (topic, partition), written in lines.items():
        (folder / topic).mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / topic / f"{partition}.jsonl.gz", "wb", compresslevel=1) as file:
            file.writelines(line + b"\n" for line in written)
    (folder / "export.json").write_bytes(orjson.dumps({"at": now, "topics": spans, "judged": judged or {}}))


SIGNER = NoteSigner(ORIGIN, b"operator's key, 32 bytes long ..")
"""The operator's key of these tests."""

KEY = str(SIGNER.public)


def write_log(folder: Path, entries: Sequence[Entry | bytes], *, kept: Path | None = None, steps: int = 1) -> Path:
    """Write a log in so many steps; after each its checkpoint is copied to `kept`, named by its size."""
    raw = [each if isinstance(each, bytes) else encode(each) for each in entries]
    with Log(folder, SIGNER, lambda: T / 1000) as log:
        size = max(1, -(-len(raw) // steps))
        for begin in range(0, len(raw), size):
            log.append(raw[begin : begin + size])
            if kept is not None:
                kept.mkdir(exist_ok=True)
                (kept / f"checkpoint.{log.size}").write_bytes((folder / "checkpoint").read_bytes())
    return folder
