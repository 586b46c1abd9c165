"""The process that writes the audit log, killed again and again: every record of every topic once, and in order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from agents.audit.tlog import BadNoteError, LogReader, NoteSigner, Policy
from agents.audit.tlog.notes import COSIGNATURE
from agents.audit.tlog.store import Folder
from agents.audit.tlog.witness import Witness
from agents.clients import consumer_of, producer_of, with_admin
from agents.settings import Settings
from agents.topic_admin import create
from demo.broker import EmbeddedBroker, free_port
from demo.processes import environment
from schemas.entry import LOGGED, Entry, decode
from tests.conftest import Broker
from tests.faults.harness import Process, until

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]

PARTITIONS = 3
RUN = """
import os, sys
from agents.cli.audit_parts import log
from agents.settings import load
from schemas.errors import CloverwatchError
try:
    sys.exit(log.run(None, load(os.environ)))
except CloverwatchError as error:
    sys.exit(str(error))
"""


class Audit:
    """A broker's topics and the processes that write the log."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(broker=bootstrap, partitions=PARTITIONS, replication_factor=1)
        self.signer = NoteSigner.new("log.example/audit")
        key = folder / "audit.key"
        key.touch(0o600)
        key.write_text(self.signer.private())
        self.log = folder / "log"
        self.processes: list[Process] = []
        self.more: dict[str, str] = {}
        """Further settings of the processes."""
        self.sent: dict[tuple[str, int], list[tuple[int, bytes]]] = defaultdict(list)

    async def prepare(self) -> None:
        await with_admin(self.settings, lambda admin: create(admin, self.settings))

    def start(self) -> Process:
        log = self.folder / f"writer-{len(self.processes)}.log"
        given = environment(self.settings) | {
            "CLOVERWATCH_AUDIT_LOG": str(self.log),
            "CLOVERWATCH_AUDIT_KEY": str(self.folder / "audit.key"),
            "CLOVERWATCH_AUDIT_INTERVAL_S": "0.02",
            "CLOVERWATCH_AUDIT_PORT": str(free_port()),
        }
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-c", RUN],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **given, **self.more},
            )
        self.processes.append(Process(popen, log))
        return self.processes[-1]

    def end(self) -> None:
        for process in self.processes:
            process.end()

    async def produce(self, count: int, seed: int) -> None:
        """Write so many records to every topic, in random order, as they might be."""
        rng = random.Random(seed)
        producer = producer_of(self.settings)
        await producer.start()
        try:
            for number in range(count):
                for topic in LOGGED:
                    value = json.dumps({"alert_id": f"a-{seed}-{number}", "revision": number, "by": "anna"}).encode()
                    there = sorted(await producer.partitions_for(topic))
                    # Compacted topics take no record without a key; each has its own, so that nothing is compacted.
                    done = await producer.send_and_wait(
                        topic, key=b"%d-%d" % (seed, number), value=value, partition=rng.choice(there)
                    )
                    self.sent[topic, done.partition].append((done.offset, value))
        finally:
            await producer.stop()

    def entries(self) -> list[Entry]:
        """Every entry of the log as it is now, checked against its signed root."""
        reader = LogReader(self.log)
        reader.checkpoint([self.signer.public])
        return [decode.decode(each) for each in reader.entries()]

    def logged(self) -> int:
        try:
            return sum(of_a_record(each) for each in self.entries())
        except Exception:  # noqa: BLE001 - there is none yet, or it is being written
            return 0

    async def has(self, at_least: int) -> None:
        async def there() -> bool:
            return self.logged() >= at_least

        await until(f"{at_least} entries; {self.processes[-1].log}", there)


@pytest.fixture
def own_embedded() -> Iterator[Broker]:
    with EmbeddedBroker() as server:
        yield Broker("embedded", server.bootstrap, server)


@pytest.fixture(params=["own_embedded", "own_kafka"])
def audit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Audit]:
    broker: Broker = request.getfixturevalue(request.param)
    made = Audit(broker.bootstrap, tmp_path)
    yield made
    made.end()


def of_a_record(entry: Entry) -> bool:
    """Whether it is the entry of a record that a test sent: the process itself says that it lives."""
    return entry.kind not in {"opened", "hole"} and entry.about.get("type") != "process"


def check(audit: Audit, entries: list[Entry]) -> None:
    """Every record that was sent is in the log once, in the order of its partition, with its hash."""
    found: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
    for each in entries:
        if of_a_record(each):
            assert each.kind == LOGGED[each.topic]
            found[each.topic, each.partition].append((each.offset, each.sha256))
    assert found == {
        tp: [(offset, sha256(value).hexdigest()) for offset, value in sent] for tp, sent in audit.sent.items()
    }


async def test_killed_at_any_moment_it_logs_every_record_once_and_in_order(audit: Audit) -> None:
    await audit.prepare()
    rng = random.Random(6)
    sending = asyncio.create_task(audit.produce(150, seed=1))
    kills = 0
    while not sending.done() or kills < 5:
        process = audit.start()
        await audit.has(audit.logged() + (0 if sending.done() else 5))
        await asyncio.sleep(rng.uniform(0, 0.3))  # anywhere in an append
        process.signal(signal.SIGKILL)
        assert await process.exit_code() == -signal.SIGKILL, process.output()[-3000:]
        kills += 1
    await sending
    last = audit.start()
    await audit.produce(2, seed=9)
    await audit.has(sum(map(len, audit.sent.values())))
    last.signal(signal.SIGTERM)
    assert await last.exit_code() == 0, last.output()[-3000:]
    entries = audit.entries()
    check(audit, entries)
    assert sum(each.kind == "opened" for each in entries) > 1
    assert not [each for each in entries if each.kind == "hole"]
    assert all(
        set(each.about) <= {"version", "run", "part", "parts", "topics"} for each in entries if each.kind == "opened"
    )


async def test_without_its_index_it_goes_on_from_the_log_itself(audit: Audit) -> None:
    await audit.prepare()
    await audit.produce(10, seed=2)
    for number in range(2):
        process = audit.start()
        await audit.has(sum(map(len, audit.sent.values())))
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0, process.output()[-3000:]
        index = audit.log / ".state" / "positions.json"
        if number == 0:
            assert index.exists()
            index.unlink()
        else:
            index.write_text('{"size":3,"root":"00","positions":[["alerts",0,999]]}')
        await audit.produce(3, seed=3 + number)
    last = audit.start()
    await audit.has(sum(map(len, audit.sent.values())))
    busy = audit.start()
    assert await busy.exit_code() == 1, "another process writes the log"
    last.signal(signal.SIGTERM)
    assert await last.exit_code() == 0, last.output()[-3000:]
    check(audit, audit.entries())


async def test_what_is_gone_is_said_with_its_reason(tmp_path: Path, own_kafka: Broker) -> None:
    audit = Audit(own_kafka.bootstrap, tmp_path)
    try:
        await audit.prepare()
        await audit.produce(20, seed=4)
        tp = TopicPartition("alerts.actions", 1)
        gone = audit.sent["alerts.actions", 1]
        deletion: dict[TopicPartition, Any] = {tp: RecordsToDelete(before_offset=gone[4][0])}
        await with_admin(audit.settings, lambda admin: admin.delete_records(deletion))
        consumer = consumer_of(audit.settings)
        await consumer.start()
        try:

            async def deleted() -> bool:
                return bool((await consumer.beginning_offsets([tp]))[tp] == gone[4][0])

            await until("deleted", deleted)
        finally:
            await consumer.stop()
        del gone[:4]
        process = audit.start()
        await audit.has(sum(map(len, audit.sent.values())))
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0, process.output()[-3000:]
        entries = audit.entries()
        check(audit, entries)
        (hole,) = [each for each in entries if each.kind == "hole"]
        assert (hole.topic, hole.partition) == ("alerts.actions", 1)
        assert hole.about == {"first": 0, "last": gone[0][0] - 1, "why": "lost_by_retention"}
    finally:
        audit.end()


class _Witnessing(ThreadingHTTPServer):
    """A witness over HTTP, in this process."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.witness = witness


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, _Witnessing)
        answer = self.server.witness.add_checkpoint(body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_witnesses_cosign_and_who_has_seen_more_ends_the_process(tmp_path: Path, own_embedded: Broker) -> None:
    audit = Audit(own_embedded.bootstrap, tmp_path)
    signer = NoteSigner.new("witness.example", COSIGNATURE)
    witness = Witness(signer, {audit.signer.public.name: [audit.signer.public]}, Folder(tmp_path / "w"), time.time)
    server = _Witnessing(witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "witnesses").write_text(f"{signer.public} http://127.0.0.1:{server.server_port}\n")
    audit.more = {
        "CLOVERWATCH_AUDIT_WITNESSES": str(tmp_path / "witnesses"),
        "CLOVERWATCH_AUDIT_WITNESS_INTERVAL_S": "0.1",
    }
    policy = Policy((signer.public,), 1)
    try:
        await audit.prepare()
        await audit.produce(3, seed=1)
        first = audit.start()
        await audit.has(24)

        async def cosigned() -> bool:
            try:
                return LogReader(audit.log).checkpoint([audit.signer.public], policy).size > 24
            except BadNoteError:
                return False

        await until("cosigned", cosigned)
        shutil.copytree(audit.log, tmp_path / "earlier")
        await audit.produce(3, seed=2)
        await audit.has(48)
        size = audit.logged()

        async def all_cosigned() -> bool:
            return LogReader(audit.log).checkpoint([audit.signer.public], policy).size > size

        await until("all is cosigned", all_cosigned)
        first.signal(signal.SIGTERM)
        assert await first.exit_code() == 0, first.output()[-3000:]
        # The log and what it remembers are put back together: only the witness knows.
        shutil.rmtree(audit.log)
        (tmp_path / "earlier").rename(audit.log)
        second = audit.start()
        assert await second.exit_code() == 1
        assert "witness witness.example has cosigned" in second.output()
    finally:
        audit.end()
        server.shutdown()
        server.server_close()
        thread.join()
