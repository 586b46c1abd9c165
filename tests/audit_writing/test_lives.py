"""Processes say that they started, run and stopped; one that fails or is killed says no stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import pytest_asyncio
from aiokafka.errors import KafkaConnectionError

from agents import life
from agents.audit.tlog import LogReader, NoteSigner
from agents.audit.writing.entries import about
from agents.clients import with_admin
from agents.life import Life, hash_of_policy
from agents.program import program
from agents.settings import Settings
from agents.topic_admin import create
from agents.topic_reading import read_topic
from demo.broker import EmbeddedBroker, free_port
from demo.processes import environment
from schemas import entry
from schemas.coverage import Process, ProcessKind, Step, decode
from schemas.gateway_topics import COVERAGE
from tests.faults.harness import Process as Running
from tests.faults.harness import until
from tests.matching.world import POLICY
from tests.receivers.file import Folder


class Kept:
    """In place of the brokers; away where told so."""

    def __init__(self) -> None:
        self.records: list[Process] = []
        self.away = False
        self.asked = 0

    async def store(self, record: Process) -> None:
        self.asked += 1
        if self.away:
            raise KafkaConnectionError("no broker")
        self.records.append(record)

    @property
    def steps(self) -> list[Step]:
        return [each.step for each in self.records]


def living(kept: Kept, *, failed: bool = False, policy: Callable[[], str] = str) -> Life:
    return Life("gateway", kept.store, policy=policy, failed=lambda: failed, every_s=0.01)


async def some(kept: Kept, count: int) -> None:
    async def there() -> bool:
        return len(kept.records) >= count

    await until(f"{count} records", there)


async def test_a_process_says_that_it_started_runs_and_stopped() -> None:
    kept, policies = Kept(), ["one"]
    made = living(kept, policy=lambda: policies[-1])
    await made.start()
    await some(kept, 3)
    policies.append("two")
    await made.stop()
    first, *between, last = kept.records
    assert (first.step, last.step) == ("started", "stopped")
    assert {each.step for each in between} == {"running"}
    assert (first.policy, last.policy) == ("one", "two")
    assert len({each.process for each in kept.records}) == 1
    assert first.version
    assert living(kept).process != made.process


async def test_a_process_that_failed_says_no_stop() -> None:
    kept = Kept()
    made = living(kept, failed=True)
    await made.start()
    await some(kept, 1)
    await made.stop()
    assert "stopped" not in kept.steps


async def test_brokers_that_are_away_hold_up_nothing_and_are_told_the_start_when_they_are_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(life, "RETRY_S", 0.01)
    kept = Kept()
    kept.away = True
    made = living(kept)
    await made.start()

    async def asked() -> bool:
        return kept.asked > 2

    await until("it tries again", asked)
    kept.away = False
    await some(kept, 2)
    await made.stop()
    assert kept.steps[:2] == ["started", "running"]
    assert kept.steps.count("started") == 1
    assert {each.program for each in kept.records} == {program().sha256}


async def test_a_stop_while_brokers_are_away_is_a_stop() -> None:
    kept = Kept()
    kept.away = True
    made = living(kept)
    await made.start()
    await made.stop()
    assert kept.records == []


def test_the_log_repeats_all_of_it() -> None:
    record = Process(kind="match", process="a1", step="started", version="1", policy="p", at=7)
    value = msgspec.json.encode(record)
    assert msgspec.convert(about("coverage", value), Process, strict=True) == record


# Each command, as it is started by an operator.


class House:
    """A broker and the settings of all processes."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.folder = folder
        policy = folder / "policy.toml"
        self.policy = POLICY + Folder(folder / "receiver").policy("there")
        policy.write_text(self.policy)
        key = folder / "audit.key"
        key.touch(0o600)
        self.signer = NoteSigner.new("log.example/audit")
        key.write_text(self.signer.private())
        tokens = folder / "tokens.toml"
        tokens.touch(0o600)
        self.settings = Settings(
            broker=bootstrap,
            policy=policy,
            partitions=1,
            replication_factor=1,
            session_timeout_s=6.0,
            data_dir=folder / "data",
            identities="clear",
            audit_log=folder / "log",
            audit_key=key,
            gateway_tokens=tokens,
            web_port=free_port(),
            deliver_port=free_port(),
            match_port=free_port(),
            gateway_port=free_port(),
            gateway_web_port=free_port(),
            audit_port=free_port(),
        )

    def start(self, command: str) -> Running:
        log = self.folder / f"{command.replace(' ', '-')}.log"
        with log.open("ab") as out:
            popen = subprocess.Popen(
                [sys.executable, "-c", MAIN, *command.split()],
                env={**os.environ, **environment(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return Running(popen, log)

    async def said(self) -> dict[ProcessKind, list[Process]]:
        found: dict[ProcessKind, list[Process]] = defaultdict(list)

        def take(message: Any) -> None:
            record = decode.decode(message.value)
            if isinstance(record, Process):
                found[record.kind].append(record)

        await read_topic(self.settings, COVERAGE, take)
        return found

    async def until_started(self, times: int, running: list[Running]) -> None:
        async def there() -> bool:
            for each in running:
                assert each.popen.poll() is None, each.output()[-3000:]
            starts = Counter(
                kind for kind, said in (await self.said()).items() for each in said if each.step == "started"
            )
            return all(starts[kind] >= times for kind in COMMANDS.values())

        await until(f"all started; logs in {self.folder}", there)


MAIN = "import sys; from agents.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with EmbeddedBroker() as broker:
        made = House(broker.bootstrap, tmp_path)
        await with_admin(made.settings, lambda admin: create(admin, made.settings))
        yield made


COMMANDS: dict[str, ProcessKind] = {
    "worker": "worker",
    "gateway": "gateway",
    "match": "match",
    "deliver": "deliver",
    "audit log": "audit_log",
}


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.faults
async def test_a_command_that_is_killed_says_no_stop_and_one_that_is_told_to_stop_does(house: House) -> None:
    """All at once: most of the time is that of five interpreters that start."""
    assert set(COMMANDS.values()) == set(get_args(ProcessKind))
    running: list[Running] = []
    try:
        killed = [house.start(command) for command in COMMANDS]
        running += killed
        await house.until_started(1, killed)
        for each in killed:
            each.signal(signal.SIGKILL)
            assert await each.exit_code() == -signal.SIGKILL
        told = [house.start(command) for command in COMMANDS]
        running += told
        await house.until_started(2, told)
        for each in told:
            each.signal(signal.SIGTERM)
        for each in told:
            assert await each.exit_code() == 0, each.output()[-3000:]
    finally:
        for each in running:
            each.end()
    for kind, records in (await house.said()).items():
        first, *rest = records
        assert first.step == "started"
        assert [each.step for each in rest if each.process != first.process] == ["started", "stopped"], kind
        assert {each.step for each in rest if each.process == first.process} <= {"running"}, kind
        goes_by = "" if kind == "audit_log" else hash_of_policy(house.policy.encode())
        assert {each.policy for each in records} == {goes_by}, kind
    reader = LogReader(house.folder / "log")
    reader.checkpoint([house.signer.public])
    opened = [each.about["run"] for each in map(entry.decode.decode, reader.entries()) if each.kind == "opened"]
    assert len(opened) == len(set(opened)) == 2, "each writer opens the log once"
