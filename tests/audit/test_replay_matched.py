"""`audit replay` of what the `cloverwatch match` process itself told, from an export of a broker."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import pytest_asyncio

from agents.audit.exporting import FOR_REPLAY, OF_THE_LOG, export
from agents.audit.verifying.exported import partitions_of, records
from agents.cli import main
from agents.policy_watch import read_policy
from agents.publisher import partition_of
from agents.settings import load
from agents.tables import geo_table, legal_table
from agents.watching import wall_clock
from demo.broker import EmbeddedBroker
from schemas.coverage import InForce, Judged, Started, hash_of
from schemas.entry import ABOUT, LOGGED, Entry
from tests.audit.making import KEY, write_log
from tests.brokers import embedded
from tests.conftest import require
from tests.matching.stream import PARTITIONS, MatchRun, now
from tests.matching.world import access, decision

ANN = partition_of("ann", PARTITIONS)

ACCESSES: dict[str, dict[str, Any]] = {
    "fine": {"decision_id": "d-1"},
    "fine-unnamed": {},
    "stolen": {"decision_id": "d-2"},
    "invented": {"decision_id": "d-nobody"},
    "bypass": {"dataset_id": "vault-mail"},
    "wide": {"decision_id": "d-1", "action": "export"},
    "elsewhere": {"decision_id": "d-1", "session_id": "s-9"},
    "far": {"decision_id": "d-1", "device_country": "IN"},
    "too often": {"decision_id": "d-1"},
    "open": {"dataset_id": "vault-stats"},
}
TOLD = 7


def log_of(folder: Path, policy: Path, accesses: int) -> Path:
    """The log over an export: an entry for each record, and a worker that judged all and found nothing."""
    content, parsed = read_policy(policy)
    settings = load({}, None)
    at = wall_clock()
    entries = [Entry(kind="opened", at=at, about={"version": "0.1.0", "topics": {}})]
    for topic, kind in LOGGED.items():
        for partition in partitions_of(folder, topic):
            for each in records(folder, topic, partition):
                raw = each.raw or b""
                whole = orjson.loads(raw)
                about = whole if kind == "coverage" else {name: whole[name] for name in ABOUT[kind] if name in whole}
                entries.append(
                    Entry(
                        kind=kind, topic=topic, partition=partition, offset=each.offset, at=each.timestamp,
                        sha256=sha256(raw).hexdigest(), about=about,
                    )
                )  # fmt: skip
    where: dict[str, Any] = {
        "topic": "access.events", "partition": ANN, "policy": parsed.version, "worker": "w", "at": at,
    }  # fmt: skip
    said = (
        InForce(
            policy=parsed.version, sha256=sha256(content).hexdigest(), legal_table=legal_table(settings).digest,
            geo_table=geo_table(settings).digest, worker="w", at=at,
        ),
        Started(offset=0, version="0.1.0", **where),
        Judged(first=0, last=accesses - 1, records=accesses, alerts_hash=hash_of([]), directories="d", **where),
    )  # fmt: skip
    for offset, record in enumerate(said):
        raw = msgspec.json.encode(record)
        entries.append(
            Entry(
                kind="coverage", topic="monitor.coverage", offset=offset, at=at, sha256=sha256(raw).hexdigest(),
                about=orjson.loads(raw),
            )
        )  # fmt: skip
    return write_log(folder.parent / "log", entries)


@pytest_asyncio.fixture
async def exported(tmp_path: Path) -> tuple[Path, Path, int]:
    """What the process told of one partition: export, policy, how many accesses."""
    require(embedded.missing())
    with EmbeddedBroker() as broker:
        run = MatchRun(broker.bootstrap, tmp_path)
        await run.prepare()
        try:
            run.start()
            await run.ready()
            at = now()
            await run.decide(decision("d-1", decided_at=at))
            await run.decide(decision("d-2", decided_at=at, person="bob"))
            for name, fields in ACCESSES.items():
                await run.access(access(name, occurred_at=now(), **fields))
            # One that comes before its decision, within the wait.
            await run.access(access("early", occurred_at=now(), decision_id="d-3", session_id="s-3"))
            await run.decide(decision("d-3", decided_at=now(), session_id="s-3"))
            await run.read(len(ACCESSES) + 1)
            await run.told("stolen", "invented", "bypass", "wide", "elsewhere", "far", "too often")
            topics = (*OF_THE_LOG, *FOR_REPLAY)
            await export(run.settings, tmp_path / "export", topics, wall_clock(), lambda _: None)
        finally:
            await run.end()
    return tmp_path / "export", tmp_path / "policy.toml", len(ACCESSES) + 1


@pytest.mark.broker
async def test_what_the_process_told_comes_out_again(
    exported: tuple[Path, Path, int], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, policy, accesses = exported
    log = log_of(folder, policy, accesses)
    arguments = [
        "audit", "replay", str(log), "--key", KEY, "--policy", str(policy), "--events", str(folder),
        "--partition", str(ANN), "--first", "0", "--last", str(accesses - 1), "--json",
    ]  # fmt: skip
    capfd.readouterr()
    await asyncio.to_thread(main, arguments)
    said = json.loads(capfd.readouterr().out)
    counts = said["families"]["gateway"]
    assert [each for each in said["differ"] if "gateway." in each] == []
    assert counts == {"equal": TOLD, "different": 0, "missing": 0, "extra": 0, "not_judged": {}}
