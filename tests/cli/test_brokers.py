"""Commands that talk to brokers: topics, send, alerts, dead letters; and what they say where nobody answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from agents.clients import consumer_of, producer_of, with_admin
from agents.publisher import Publisher, partition_of
from agents.settings import Settings
from demo.broker import free_port
from rules.shadow import as_shadow
from schemas.codec import ALERT, DIRECTORY, row_key
from schemas.errors import BadRecordError
from schemas.topics import ACCESS_EVENTS, ALERTS, BY_NAME, TOPICS
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.cli.conftest import Run, Said, write
from tests.conftest import Broker, require
from tests.rules.streams import access
from tests.schemas.records import ALERT_RECORD

PARTITIONS = 4


@pytest.mark.parametrize(
    "command",
    [["topics"], ["topics", "--create"], ["alerts"], ["dead-letters"], ["send", "FILE"], ["worker"]],
    ids=" ".join,
)
def test_where_no_broker_answers_every_command_says_so_and_ends(
    run: Run, command: list[str], events: Path, policy: Path
) -> None:
    """Within `start_timeout_s`, 10 s unless told otherwise, with exit 1, and in one line."""
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    said = run(*(str(events) if part == "FILE" else part for part in command),
               broker=address, start_timeout_s=0.1, policy=policy, web_port=0, identities="clear")  # fmt: skip
    assert time.monotonic() - began < 3
    assert (said.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert f"no broker answers at {address} within 0.1 s" in line
    assert "CLOVERWATCH_BROKER" in line


@pytest.fixture(params=["embedded", "kafka"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of its own for each test: these commands know our topics by their names."""
    if request.param == "kafka":
        yield request.getfixturevalue("own_kafka")
        return
    require(missing())
    with EmbeddedBroker() as server:
        yield Broker("embedded", server.bootstrap, server)


class Tool:
    """The command line against one broker."""

    def __init__(self, run: Run, broker: Broker) -> None:
        self._run = run
        self.settings = Settings(broker=broker.bootstrap, partitions=PARTITIONS, replication_factor=1)

    def __call__(self, *arguments: str | Path, **settings: Any) -> Said:
        given = {"broker": self.settings.broker, "partitions": PARTITIONS, "replication_factor": 1, **settings}
        given.setdefault("identities", "clear")  # no keys are needed to be refused by a broker
        return self._run(*arguments, **given)

    def content(self, topic: str) -> list[Any]:
        """Everything in a topic, in the order of partition and offset."""

        async def read() -> list[Any]:
            consumer = consumer_of(self.settings)
            await consumer.start()
            try:
                number = BY_NAME[topic].partitions or PARTITIONS
                consumer.assign([TopicPartition(topic, partition) for partition in range(number)])
                found: list[Any] = []
                idle = 0
                while idle < 3:
                    batches = await consumer.getmany(timeout_ms=200)
                    idle = 0 if batches else idle + 1
                    for records in batches.values():
                        found += records
                return sorted(found, key=lambda record: (record.partition, record.offset))
            finally:
                await consumer.stop()

        return asyncio.run(read())

    def publish(self, use: Any) -> None:
        """Let `use` send with a publisher."""

        async def send() -> None:
            producer = producer_of(self.settings)
            await producer.start()
            try:
                await use(Publisher(producer, PARTITIONS))
            finally:
                await producer.stop()

        asyncio.run(send())


@pytest.fixture
def tool(run: Run, fresh: Broker) -> Tool:
    """The command line against a fresh broker."""
    return Tool(run, fresh)


@pytest.mark.broker
def test_topics_are_created_once_and_verified(tool: Tool, policy: Path) -> None:
    said = tool("topics")
    assert said.code == 2
    for topic in TOPICS:
        assert f"{topic.name}: missing, or without a leader; create it with `cloverwatch topics --create`" in said.out
    for command in (["alerts"], ["dead-letters"]):
        refused = tool(*command)
        assert refused.code == 2
        assert "is not there" in refused.err
        assert "`cloverwatch topics --create`" in refused.err
    refused = tool("worker", policy=policy, web_port=0)
    assert refused.code == 2
    assert "topics missing: access.events" in refused.err
    said = tool("topics", "--create")
    assert said.code == 0, said.err
    assert f"created: {', '.join(topic.name for topic in TOPICS)}" in said.out
    assert "all topics are as they should be" in said.out
    assert "created: nothing, all topics are there" in tool("topics", "--create").out
    assert tool("topics", "--verify").code == 0


@pytest.mark.broker
def test_another_number_of_partitions_is_refused_everywhere(
    tool: Tool, policy: Path, tmp_path: Path, events: Path
) -> None:
    assert tool("topics", "--create").code == 0
    said = tool("topics", partitions=8)
    assert said.code == 2
    assert "access.events: 4 partitions, 8 expected; the number is fixed at creation: set CLOVERWATCH_PARTITIONS=4" in (
        said.out
    )
    for command in (["send", str(events)], ["worker"]):
        refused = tool(*command, partitions=8, policy=policy, web_port=0)
        assert refused.code == 2
        assert "access.events has 4 partitions, the settings say 8" in refused.err
        assert "Set CLOVERWATCH_PARTITIONS=4 if the topic is right" in refused.err
    assert tool.content(ACCESS_EVENTS) == []


@pytest.mark.broker
def test_settings_that_differ_are_told_with_the_remedy(tool: Tool, fresh: Broker) -> None:
    wanted = [NewTopic("alerts", 1, 1, topic_configs={"cleanup.policy": "delete"})]
    asyncio.run(with_admin(tool.settings, lambda admin: admin.create_topics(wanted)))
    assert tool("topics", "--create").code == 2, "what is there is not changed"
    said = tool("topics")
    assert "alerts: 1 partitions, 4 expected" in said.out
    if fresh.kind == "kafka":
        assert "alerts: cleanup.policy is delete, compact,delete expected; set it with kafka-configs.sh" in said.out


@pytest.mark.broker
def test_send_keys_and_partitions_as_readers_expect(tool: Tool, people: Path, tmp_path: Path) -> None:
    assert tool("topics", "--create").code == 0
    who = [f"e-{number}" for number in range(40)]
    lines = [access(event_id=f"ev-{name}", employee_id=name) for name in who]
    machine = access(principal_type="workload", principal_id="proxy", employee_id=None)
    events = write(tmp_path / "events.jsonl", *lines, machine, b"not json", access(event_id=""))
    said = tool("send", events, people / "employees.jsonl")
    assert said.code == 1, "two lines were refused"
    assert f"{events}:42: not_json" in said.err
    assert f"{events}:43: wrong_type" in said.err
    assert "2 refused" in said.err
    assert "access.events: 41 sent and acknowledged" in said.err
    assert "directory.employees: 2 sent and acknowledged" in said.err
    records = tool.content(ACCESS_EVENTS)
    assert {record.key.decode() for record in records} == {*who, "proxy"}
    for record in records:
        assert record.partition == partition_of(record.key.decode(), PARTITIONS)
    sent = {orjson.loads(record.value)["event_id"]: record.value for record in records}
    assert sent["ev-e-7"] == events.read_bytes().splitlines()[7], "byte for byte"


@pytest.mark.broker
def test_rows_are_sent_under_their_own_keys_and_twice_changes_nothing(tool: Tool, tmp_path: Path) -> None:
    assert tool("topics", "--create").code == 0
    rows: list[dict[str, Any]] = [
        {"employee_id": "e-1", "status": "active", "valid_from": "2026-03-02T10:00:00Z"},
        {"employee_id": "e|2", "status": "active", "valid_from": 5, "recorded_at": 7, "note": "kept"},
    ]
    path = write(tmp_path / "employees.jsonl", *rows, b'{"employee_id": "e-3", "status": "active", "valid_from": 9} ')
    for _ in range(2):
        said = tool("send", path)
        assert said.code == 0, said.err
    records = tool.content("directory.employees")
    keys = [record.key for record in records]
    assert keys == [b"e-1||1772445600000|1772445600000", b"e|2||5|7", b"e-3||9|9"] * 2
    codec = DIRECTORY["directory.employees"]
    for record in records:
        assert row_key(codec.decode(record.value)) == record.key
    assert b'"note":"kept"' in records[1].value


@pytest.mark.broker
def test_alerts_are_followed_readably_and_as_they_are(tool: Tool) -> None:
    assert tool("topics", "--create").code == 0
    severities = ("low", "critical", "medium")
    alerts = [
        ALERT.decode(orjson.dumps({**ALERT_RECORD, "alert_id": level, "severity": level})) for level in severities
    ]

    async def publish(publisher: Publisher) -> None:
        for alert in alerts:
            await (await publisher.alert(alert))
        await (await publisher._send(ALERTS, key=b"x", value=b"\x1b[2Jnothing"))

    tool.publish(publish)
    given = ["alerts", "--from-beginning", "--until-idle", "0.8"]
    said = tool(*given, "--json")
    assert said.code == 0
    assert {each["alert_id"] for each in said.records} == set(severities)
    assert "alerts/" in said.err
    assert "no alert of ours: not_json" in said.err
    said = tool(*given, "--severity", "medium")
    assert sorted(line.split()[1] for line in said.out.splitlines()) == ["critical", "medium"]
    assert "place.third_country: Employee é read users." in said.out
    assert "\x1b" not in said.out + said.err
    assert tool("alerts", "--until-idle", "0.5").out == "", "from now on"


@pytest.mark.broker
def test_what_the_shadow_found_is_read_from_a_topic_of_its_own(tool: Tool) -> None:
    assert tool("topics", "--create").code == 0
    live, unlit = (ALERT.decode(orjson.dumps({**ALERT_RECORD, "alert_id": name})) for name in ("live", "unlit"))

    async def publish(publisher: Publisher) -> None:
        await (await publisher.alert(live))
        await (await publisher.shadow(as_shadow(unlit)))

    tool.publish(publish)
    given = ["alerts", "--from-beginning", "--until-idle", "0.8", "--json"]
    assert [each["alert_id"] for each in tool(*given).records] == ["live"]
    (found,) = tool(*given, "--shadow").records
    assert found["alert_id"] == as_shadow(unlit).alert_id != "unlit"
    assert found["facts"]["shadow"] is True


class _Message:
    """A record that could not be used."""

    def __init__(self, offset: int, value: bytes | None, topic: str = ACCESS_EVENTS) -> None:
        self.topic, self.partition, self.offset, self.timestamp = topic, 1, offset, 1_772_445_600_000
        self.key, self.value = b"k%d" % offset, value
        self.headers = (("own", b"header"),)


@pytest.mark.broker
def test_dead_letters_are_listed_and_sent_again_once(tool: Tool) -> None:
    assert tool("topics", "--create").code == 0
    first, second = _Message(5, b"\x1bnot json"), _Message(6, b'{"event_id":7}')
    row = _Message(9, b"a row", "directory.employees")

    async def publish(publisher: Publisher) -> None:
        for message, reason in ((first, "not_json"), (second, "wrong_type"), (row, "not_json"), (row, "not_json")):
            await (await publisher.dead_letter(message, BadRecordError(reason, "a detail")))
        await (await publisher._send("dead-letters", key=None, value=b"somebody else's"))

    tool.publish(publish)
    said = tool("dead-letters")
    assert said.code == 0
    assert "2026-03-02T10:00:00.000Z access.events/1/5: not_json: a detail" in said.out
    assert "       2 not_json: not a JSON document" in said.out, "a row that two workers told of is one"
    assert "3 dead letters" in said.out
    assert "no header 'reason'" in said.out
    assert "not json" not in said.out, "records may hold personal data"
    said = tool("dead-letters", "--raw", "--reason", "wrong_type")
    assert r"""b'k6': b'{"event_id":7}'""" in said.out
    assert "1 dead letters" in said.out
    assert "\x1b" not in tool("dead-letters", "--raw").out

    said = tool("dead-letters", "--resend", "--dry-run")
    assert "3 to send again" in said.out
    assert tool.content(ACCESS_EVENTS) == []
    said = tool("dead-letters", "--resend", "--reason", "wrong_type")
    assert "1 sent again" in said.out
    assert "2 sent again" in tool("dead-letters", "--resend").out
    for _ in range(2):
        assert "0 sent again" in tool("dead-letters", "--resend").out
    records = tool.content(ACCESS_EVENTS)
    assert {(record.key, record.value) for record in records} == {(b"k5", b"\x1bnot json"), (b"k6", b'{"event_id":7}')}
    assert len(records) == 2
    assert all(record.headers == (("own", b"header"),) for record in records), "as they were"
    assert [record.value for record in tool.content("directory.employees")] == [b"a row"]
    assert "3 dead letters" in tool("dead-letters").out, "what is sent again stays listed"
