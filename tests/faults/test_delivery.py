"""A thousand alerts through kills of the receiver and of what delivers: each is there, by id, and has a receipt."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.broker import EmbeddedBroker, free_port
from schemas.alert import Alert
from schemas.receipt import Receipt
from tests.conftest import require
from tests.delivering.world import World, an_alert
from tests.faults.harness import ROOT, Process, until
from tests.receivers.alertmanager import AlertmanagerReceiver
from tests.receivers.base import Receiver
from tests.receivers.collector import CollectorHec, CollectorOtlp, CollectorSyslog
from tests.receivers.file import Folder
from tests.receivers.hec import HecReceiver
from tests.receivers.kafka import KafkaTopic
from tests.receivers.opensearch import OpenSearchReceiver
from tests.receivers.pagerduty import PagerDutyReceiver
from tests.receivers.rsyslog import Rsyslog
from tests.receivers.webhook import WebhookReceiver

pytestmark = pytest.mark.faults

ALERTS = 1_000
KEYS = 50
"""Incidents that the alerts are of."""

CHUNKS = 10
WITHIN_S = 150.0
"""Until everything is there: Alertmanager, which forgets when it is killed, is told again once a minute."""

POLICY = """\
version = 1
[perimeter]
countries = ["EEA"]
{destination}
"""

RECEIVERS: Sequence[type[Receiver]] = (
    AlertmanagerReceiver,
    PagerDutyReceiver,
    WebhookReceiver,
    OpenSearchReceiver,
    HecReceiver,
    CollectorHec,
    CollectorSyslog,
    Rsyslog,
    CollectorOtlp,
    KafkaTopic,
    Folder,
)

GROUPED = (AlertmanagerReceiver, PagerDutyReceiver, WebhookReceiver)
"""Told of incidents: a group's next notice comes after its interval, which is minutes where a policy says nothing."""


class Delivery:
    """A `cloverwatch deliver` to one destination, and the alerts that it is to hand on."""

    def __init__(self, world: World, receiver: Receiver, folder: Path) -> None:
        self.world, self.receiver, self.folder = world, receiver, folder
        self.policy = folder / "policy.toml"
        section = receiver.policy("there")
        if type(receiver) in GROUPED:
            section += 'group_interval = "2s"\nrate_limit = "none"\n'
        self.policy.write_text(POLICY.format(destination=section))
        self.port = free_port()
        self.process: Process | None = None
        self.alerts = [an_alert(f"alert-{at:04}", key=f"{at % KEYS:032x}") for at in range(ALERTS)]

    def start(self) -> None:
        settings = self.world.settings
        environment = {
            **os.environ,
            **self.receiver.environment(),
            "CLOVERWATCH_BROKER": settings.broker,
            "CLOVERWATCH_PARTITIONS": str(settings.partitions),
            "CLOVERWATCH_REPLICATION_FACTOR": "1",
            "CLOVERWATCH_SESSION_TIMEOUT_S": "6",
            "CLOVERWATCH_POLICY": str(self.policy),
            "CLOVERWATCH_DELIVER_PORT": str(self.port),
        }
        command = [sys.executable, "-c", "import sys; from agents.cli import main; sys.exit(main(['deliver']))"]
        log = self.folder / "deliver.log"
        with log.open("ab") as out:
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, cwd=ROOT
            )
        self.process = Process(popen, log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.end()

    async def settled(self) -> bool:
        receipts = await self.world.receipts()
        return len(receipts) == ALERTS and all(each.state in {"delivered", "grouped"} for each in receipts.values())

    def missing(self, receipts: dict[str, Receipt]) -> list[str]:
        """Alerts that are not there, nor listed in a notice of which another alert is there."""
        there = self.receiver.received()
        notices = {receipts[each].notice for each in there if each in receipts}
        return [
            alert.alert_id
            for alert in self.alerts
            if alert.alert_id not in there and receipts[alert.alert_id].notice not in notices
        ]


async def publish(world: World, alerts: Sequence[Alert]) -> None:
    await world.publish(*alerts)
    await asyncio.sleep(0.3)  # the alerts of a chunk come together, those of the next later


@pytest.mark.parametrize("kind", RECEIVERS, ids=lambda kind: kind.__name__)
async def test_a_thousand_alerts_through_kills(kind: type[Receiver], tmp_path: Path) -> None:
    require(kind.missing())
    receiver = kind(tmp_path / "receiver")
    with EmbeddedBroker() as broker:
        world = World(broker.bootstrap, tmp_path)
        await world.prepare()
        delivery = Delivery(world, receiver, tmp_path)
        receiver.start()
        delivery.start()
        size = ALERTS // CHUNKS
        try:
            for chunk in range(CHUNKS):
                await publish(world, delivery.alerts[chunk * size : (chunk + 1) * size])
                await _fault(chunk, delivery, world)
            await until(f"receipts of all; the log: {tmp_path}", delivery.settled, WITHIN_S)
            receipts = await world.receipts()

            async def there() -> bool:
                return not await asyncio.to_thread(delivery.missing, receipts)

            await until("all are there", there, WITHIN_S)
            received = receiver.received()
            assert set(received) <= {alert.alert_id for alert in delivery.alerts}
            if receiver.exact:
                assert set(received.values()) == {1}
            assert not world.failures
        finally:
            delivery.kill()
            receiver.stop()
            await world.producer.stop()


async def _fault(chunk: int, delivery: Delivery, world: World) -> None:
    """Kill the receiver, the process that delivers, and the receiver again, each in the middle of a stream."""

    async def some() -> bool:
        return bool(await world.receipts())

    if chunk == 2:
        await until(f"the first receipts; the log: {delivery.folder}", some)
        delivery.receiver.kill()
    elif chunk == 4:
        await asyncio.to_thread(delivery.receiver.start)
    elif chunk == 5:
        delivery.kill()
        delivery.start()
    elif chunk == 7:
        delivery.receiver.kill()
        await asyncio.to_thread(delivery.receiver.start)
