"""Receivers in processes of their own: Alertmanager from Debian, ours for PagerDuty and webhooks; some are killed."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts import alertmanager, pagerduty, webhook
from alerts.destination import Kind
from alerts.notice import Delivered, Failed, Notice
from tests.alerts.told import ACKED, CONTEXT, alert, notice
from tests.conftest import require
from tests.receivers.alertmanager import AlertmanagerReceiver
from tests.receivers.base import Receiver
from tests.receivers.pagerduty import PagerDutyReceiver
from tests.receivers.webhook import WebhookEachReceiver, WebhookReceiver

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (alertmanager.KIND, pagerduty.KIND, webhook.KIND, webhook.EACH)
}  # fmt: skip
PATIENCE_S = 60.0
"""For what takes one or two seconds on an idle machine."""


async def until(said: Callable[[], bool], what: str) -> None:
    for _ in range(int(PATIENCE_S / 0.1)):
        if said():
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not within {PATIENCE_S:g} s: {what}")


@asynccontextmanager
async def destination(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> AsyncIterator[Any]:
    """Made from the receiver's own part of a policy."""
    for name, value in receiver.environment().items():
        monkeypatch.setenv(name, value)
    keys = tomllib.loads(receiver.policy("it"))["destinations"]["it"]
    kind = KINDS[keys.pop("kind")]
    change(keys)
    config = msgspec.convert(keys, kind.config)
    assert kind.check(config) is None
    made = kind.make(config, CONTEXT)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
def am(tmp_path: Path) -> Iterator[AlertmanagerReceiver]:
    require(AlertmanagerReceiver.missing())
    receiver = AlertmanagerReceiver(tmp_path / "am")
    receiver.start()
    yield receiver
    receiver.stop()


async def told(it: Any, given: Notice) -> dict[str, str]:
    (outcome,) = await it.send([given])
    assert isinstance(outcome, Delivered), outcome
    answer: dict[str, str] = outcome.answer
    return answer


def active(am: AlertmanagerReceiver, key: str = "d1") -> list[str]:
    return [each["labels"]["severity"] for each in am.held() if each["labels"]["dedup_key"] == key]


@pytest.mark.slow
async def test_what_fires_is_there_changes_its_labels_and_ends(
    am: AlertmanagerReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with destination(am, monkeypatch) as it:
        before = await told(it, notice(alert("a1", severity="medium")))
        await until(lambda: [each["status"] for each in am.notified()] == ["firing"], "one notification")
        before = await told(it, notice(alert("a1", severity="medium"), again=True, before=before))
        assert active(am) == ["medium"], "a repetition is the same alert"

        before = await told(it, notice(alert("a2", severity="critical"), before=before))
        await until(lambda: active(am) == ["critical"], "one set of labels for the key")
        await until(
            lambda: (
                {(each["status"], each["labels"]["severity"]) for each in am.notified()}
                >= {("resolved", "medium"), ("firing", "critical")}
            ),
            "the old labels were resolved and the new ones fire",
        )

        before = await told(it, notice(alert("a2", handled=ACKED), state="acknowledged", before=before))
        assert [each["annotations"]["acknowledged_by"] for each in am.held()] == ["o.berg"]
        assert active(am) == ["critical"]

        await told(it, notice(alert("a2", status="resolved"), state="resolved", before=before))
        await until(lambda: active(am) == [], "nothing fires")
        await until(
            lambda: (
                ("resolved", "critical") in {(each["status"], each["labels"]["severity"]) for each in am.notified()}
            ),
            "a notification of the resolution",
        )
    assert am.received() == Counter({"a1": 1, "a2": 1})


@pytest.mark.slow
async def test_what_fires_again_after_its_resolution_is_there(
    am: AlertmanagerReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with destination(am, monkeypatch) as it:
        before = await told(it, notice(alert("a1")))
        before = await told(it, notice(alert("a1", status="resolved"), state="resolved", before=before))
        await until(lambda: active(am) == [], "nothing fires")
        await told(it, notice(alert("a2"), before=before))
        await until(lambda: active(am) == ["critical"], "it fires again")


@pytest.mark.slow
async def test_awkward_text_is_taken_by_the_real_one(am: AlertmanagerReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = 'quotes " \\ \n new line, é ☃ \N{PILE OF POO} {{ .Labels }} <b>'
    given = notice(
        alert("a1", explanation=odd, sensitivity=odd[:60], rule_id="r" * 256), title=odd, key="k" * 256, started_at=0
    )
    async with destination(am, monkeypatch, lambda keys: keys.update(labels={"environment": odd})) as it:
        before = await told(it, given)
        await told(it, notice(alert("a1", severity="low"), key="k" * 256, before=before))
        await until(lambda: active(am, "k" * 256) == ["low"], "one set of labels")


@pytest.mark.faults
async def test_of_two_replicas_one_is_dead(
    am: AlertmanagerReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AlertmanagerReceiver(tmp_path / "other")
    other.start()
    try:

        def both(keys: dict[str, Any]) -> None:
            keys["urls"].append(f"http://127.0.0.1:{other.port}")

        async with destination(am, monkeypatch, both) as it:
            before = await told(it, notice())
            assert before["replicas"] == "2 of 2"
            other.kill()
            before = await told(it, notice(again=True, before=before))
            assert before["replicas"] == "1 of 2"
            assert f"127.0.0.1:{other.port}: " in before["missed"]
            other.start()
            assert other.held() == [], "Alertmanager forgets what it fired"
            await told(it, notice(again=True, before=before))
            assert active(other) == ["critical"], "and knows it by the next repetition"
    finally:
        other.stop()


@pytest.mark.faults
async def test_an_alertmanager_that_is_killed_is_told_again(
    am: AlertmanagerReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with destination(am, monkeypatch) as it:
        await told(it, notice())
        await until(lambda: bool(am.notified()), "it was sent on")
        am.kill()
        (outcome,) = await it.send([notice(alert("a2"))])
        assert isinstance(outcome, Failed)
        am.start()
        await told(it, notice(alert("a2")))
    assert am.received() == Counter({"a1": 1, "a2": 1})


NOTICES = 300
KILLS = (60, 150, 240)


@pytest.mark.faults
@pytest.mark.parametrize("kind", [PagerDutyReceiver, WebhookReceiver, WebhookEachReceiver])
async def test_a_receiver_that_is_killed_in_the_middle_has_each_alert_once(
    kind: type[Receiver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages are sent again until they are taken; a kill may come between taking one and saying so."""
    receiver = kind(tmp_path / "it")
    receiver.start()
    sent = asyncio.Event()
    done = 0

    async def kills() -> None:
        for at in KILLS:
            while done < at:
                sent.clear()
                await sent.wait()
            await asyncio.to_thread(receiver.kill)
            await asyncio.to_thread(receiver.start)

    failures = 0
    killing = asyncio.create_task(kills())
    try:
        async with destination(receiver, monkeypatch) as it:
            for at in range(NOTICES):
                given = notice(alert(f"a{at}"), key=f"d{at % 7}" if kind is WebhookEachReceiver else f"d{at}")
                for _ in range(1000):
                    (outcome,) = await it.send([given])
                    if isinstance(outcome, Delivered):
                        break
                    failures += 1
                    await asyncio.sleep(0.05)
                else:
                    pytest.fail(f"never taken: {outcome}")
                done += 1
                sent.set()
            await killing
    finally:
        killing.cancel()
        receiver.stop()
    assert failures > 0, "no message met a receiver that was away"
    assert receiver.received() == Counter({f"a{at}": 1 for at in range(NOTICES)})
