"""From a worker's alert to an erasure: hidden, sealed, opened by two, looked at, copied, linked to nobody any more."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.clients import consumer_of, producer_of, started
from agents.privacy import Privacy
from agents.pseudonym_keys import read_keys
from agents.settings import Settings
from alerts.people import officers_of, read_people
from alerts.sealing import Sealer
from schemas.alert import Alert
from schemas.codec import ALERT, encode
from schemas.toml_file import TomlFile
from schemas.topics import ALERTS, PRIVACY_IDENTITIES, PRIVACY_KEYS, PRIVACY_REQUESTS
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.cli.conftest import Run
from tests.cli.test_brokers import PARTITIONS, Tool
from tests.cli.test_reveal import Desk
from tests.conftest import Broker, require
from tests.schemas.records import ALERT_RECORD

WHO = "emp-secret-7"


async def published(settings: Settings, sealer: Sealer, alert: Alert) -> Alert:
    """Publish an alert as a worker does: its person has a key, is sealed, and is hidden."""
    async with started(settings, producer_of(settings)) as producer:
        consumer = consumer_of(settings, PRIVACY_KEYS, PRIVACY_IDENTITIES)
        privacy = Privacy(consumer, producer, read_keys(settings), sealer)
        await privacy.start()
        try:
            ((hidden, _),) = await privacy.hidden([alert])
            await producer.send_and_wait(ALERTS, key=hidden.alert_id.encode(), value=encode(hidden))
        finally:
            await privacy.stop()
    return hidden


@pytest.mark.broker
def test_from_an_alert_to_an_erasure(run: Run, tmp_path: Path) -> None:
    require(missing())
    with EmbeddedBroker() as server:
        tool = Tool(run, Broker("embedded", server.bootstrap, server))
        assert tool("topics", "--create").code == 0
        desk = Desk(tool, tmp_path)
        ring, policy = tmp_path / "ring.json", tmp_path / "behaviour.toml"
        policy.write_text(desk.policy.read_text() + "[behaviour]\n")
        assert tool("privacy", "keys", "--new", ring).code == 0
        file = TomlFile(policy.read_text(), "policy")
        settings = Settings(broker=server.bootstrap, partitions=PARTITIONS, replication_factor=1, pseudonym_keys=ring)
        record = {**ALERT_RECORD, "person": WHO, "explanation": f"Employee {WHO} read users."}
        sealer = Sealer(officers_of(read_people(file, file.data)))
        hidden = asyncio.run(published(settings, sealer, ALERT.decode(orjson.dumps(record))))
        token = str(hidden.person)
        assert WHO not in encode(hidden).decode()

        asked = desk("request", "--alert", hidden.alert_id, "--reason", "r", by="anna")
        assert asked.code == 0, asked.err
        request = asked.out.split(":")[0]
        assert desk("approve", request, by="cleo").code == 0
        assert desk("open", request, by="anna").out == f"{token} is {WHO}\n"

        # A look is recorded under the pseudonym where this machine has the keys, else sealed.
        hiding: dict[str, Any] = {"identities": "pseudonyms", "policy": policy}
        for keys, subject in (({"pseudonym_keys": ring}, token), ({}, "look:")):
            dora: list[str | Path] = ["--reason", "r", "--by", "dora", "--key", desk.folder / "dora.key"]
            assert "nothing is known" in tool("person", WHO, *dora, **hiding, **keys).err
            assert json.loads(tool.content(PRIVACY_REQUESTS)[-1].value)["subject"].startswith(subject)

        given: list[str | Path] = ["--person", WHO, "--reason", "r", "--by", "anna", "--key", desk.folder / "anna.key"]
        more = {**hiding, "pseudonym_keys": ring}
        assert "workers' keys are" in tool("privacy", "erase", *given, **hiding).err
        said = tool("privacy", "export", "--out", tmp_path / "before", *given, **more)
        assert said.code == 0, said.err
        assert token in (tmp_path / "before" / "alerts.jsonl").read_text()
        said = tool("privacy", "erase", *given, **more)
        assert said.code == 0, said.err
        assert "sealed under 1 pseudonyms: is destroyed" in said.out
        said = tool("privacy", "export", "--out", tmp_path / "after", *given, **more)
        assert said.code == 0, said.err
        assert not (tmp_path / "after" / "alerts.jsonl").exists(), "nothing links the alert to them"
        assert "its person was erased" in desk("request", "--token", token, "--reason", "r", by="anna").err
        for topic in (PRIVACY_REQUESTS, ALERTS, PRIVACY_KEYS, PRIVACY_IDENTITIES):
            for each in tool.content(topic):
                assert WHO.encode() not in (each.key or b"") + (each.value or b""), topic
