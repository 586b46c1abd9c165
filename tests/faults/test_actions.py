"""What a person does on the command line reaches the pager and Alertmanager, and the receipts say where an alert is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.broker import EmbeddedBroker, free_port
from tests.conftest import require
from tests.delivering.world import World, an_alert
from tests.faults.harness import ROOT, Process, until
from tests.receivers.alertmanager import AlertmanagerReceiver
from tests.receivers.pagerduty import PagerDutyReceiver

pytestmark = pytest.mark.faults

MAIN = "import sys; from agents.cli import main; sys.exit(main())"


class Tool:
    """The command line, as processes of their own with the settings of one cluster."""

    def __init__(self, world: World, folder: Path, policy: str, secrets: dict[str, str]) -> None:
        self.folder = folder
        (folder / "policy.toml").write_text(policy)
        settings = world.settings
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CLOVERWATCH_")},
            **secrets,
            "CLOVERWATCH_BROKER": settings.broker,
            "CLOVERWATCH_PARTITIONS": str(settings.partitions),
            "CLOVERWATCH_REPLICATION_FACTOR": "1",
            "CLOVERWATCH_SESSION_TIMEOUT_S": "6",
            "CLOVERWATCH_POLICY": str(folder / "policy.toml"),
            "CLOVERWATCH_DELIVER_PORT": str(free_port()),
        }

    def start(self, *arguments: str) -> Process:
        log = self.folder / f"{arguments[0]}.log"
        with log.open("ab") as out:
            command = [sys.executable, "-c", MAIN, *arguments]
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment, cwd=ROOT
            )
        return Process(popen, log)

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", MAIN, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr


async def test_what_people_do_reaches_pager_and_alertmanager(tmp_path: Path) -> None:
    require(AlertmanagerReceiver.missing())
    pager, manager = PagerDutyReceiver(tmp_path / "pager"), AlertmanagerReceiver(tmp_path / "manager")
    with EmbeddedBroker() as broker:
        world = World(broker.bootstrap, tmp_path)
        await world.prepare()
        policy = 'version = 1\n[perimeter]\ncountries = ["EEA"]\n' + pager.policy("pager") + manager.policy("manager")
        tool = Tool(world, tmp_path, policy, pager.environment() | manager.environment())
        code, said = await tool("keys", "new", "anna", "--out", str(tmp_path / "anna.key"))
        assert code == 0, said
        (tmp_path / "policy.toml").write_text(f'{policy}{said}roles = ["analyst"]\n')
        pager.start()
        manager.start()
        delivering = tool.start("deliver")
        try:
            await world.publish(an_alert("alert-1", key="incident-1"))

            async def told() -> bool:
                return len(pager.incidents()) == 1 and len(manager.held()) == 1

            await until(f"both have it; the log: {delivering.log}", told)

            code, said = await tool("alerts", "ack", "alert-1", "--by", "anna", "--key", str(tmp_path / "anna.key"))
            assert code == 0, said

            async def acknowledged() -> bool:
                (incident,) = pager.incidents()
                (held,) = manager.held()
                return incident.state == "acknowledged" and held["annotations"].get("acknowledged_by") == "anna"

            await until("it is acknowledged in both", acknowledged)
            text = "the badge was lent"
            code, said = await tool(
                "alerts", "close", "alert-1", "--by", "anna", "--key", str(tmp_path / "anna.key"), "--text", text
            )
            assert code == 0, said

            async def over() -> bool:
                (incident,) = pager.incidents()
                return incident.state == "resolved" and manager.held() == []

            await until("it is over in both", over)
            code, said = await tool("receipts", "alert-1")
            assert code == 0, said
            assert said.count("delivered") == 2
            assert "incident-1" in said, "PagerDuty's answer names its key"
            code, said = await tool("receipts", "--undelivered")
            assert code == 0, said
            code, said = await tool("alerts", "close", "alert-1", "--by", "ben", "--key", str(tmp_path / "anna.key"))
            assert code == 2, said
        finally:
            delivering.end()
            pager.stop()
            manager.stop()
            await world.producer.stop()


async def test_a_marked_test_alert_is_opened_and_closed(tmp_path: Path) -> None:
    pager = PagerDutyReceiver(tmp_path / "pager")
    with EmbeddedBroker() as broker:
        world = World(broker.bootstrap, tmp_path)
        policy = 'version = 1\n[perimeter]\ncountries = ["EEA"]\n' + pager.policy("pager")
        tool = Tool(world, tmp_path, policy, pager.environment())
        code, said = await tool("deliver", "--test", "pager")
        assert code == 1, "nobody listens"
        assert "Connection refused" in said
        pager.start()
        try:
            code, said = await tool("deliver", "--test", "pager")
            assert code == 0, said
            (incident,) = pager.incidents()
            assert incident.state == "resolved"
            assert incident.events[0]["payload"]["summary"].startswith("TEST")
        finally:
            pager.stop()
