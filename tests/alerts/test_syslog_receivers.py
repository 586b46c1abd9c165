"""Syslog against real receivers: rsyslog over mutual TLS, killed and brought back in the middle."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.notice import Delivered, Failed
from alerts.syslog import KIND, Syslog, SyslogConfig
from tests.alerts.stream_alerts import CONTEXT, alert, deliver_all, notice, until
from tests.conftest import require
from tests.receivers.rsyslog import Rsyslog


def destination(policy: str, **more: Any) -> Syslog:
    table: dict[str, Any] = tomllib.loads(policy)["destinations"]["siem"] | more
    assert table.pop("kind") == "syslog"
    config = msgspec.convert(table, SyslogConfig)
    assert KIND.check(config) is None
    made = KIND.make(config, CONTEXT)
    assert isinstance(made, Syslog)
    return made


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    require(Rsyslog.missing())
    receiver = Rsyslog(tmp_path / "rsyslog")
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


@pytest.mark.slow
async def test_rsyslog_has_every_field(rsyslog: Rsyslog) -> None:
    sender = destination(rsyslog.policy("siem"))
    await sender.start()
    try:
        told = alert(7, explanation='She said "no" \\ [maybe] — été, 東京')
        (outcome,) = await sender.send([notice(told)])
        assert isinstance(outcome, Delivered), outcome
        await until(lambda: len(rsyslog.messages()) == 1, 20)
    finally:
        await sender.stop()
    (got,) = rsyslog.messages()
    assert got["pri"] == "107"
    assert got["timestamp"] == "2026-09-21T14:13:20.000Z", "of the revision, not of its sending"
    assert (got["host"], got["app"], got["msgid"]) == ("monitor-1.example", "cloverwatch", "place.outside")
    assert got["sd"].startswith(f'[cloverwatch@32473 alertId="{told.alert_id}" revision="0" status="open"')
    assert got["msg"].lstrip("\ufeff") == f"{told.title}: {told.explanation}"


@pytest.mark.faults
@pytest.mark.parametrize("message", ["text", "cef"])
async def test_a_thousand_alerts_through_sigkill_are_all_there(rsyslog: Rsyslog, message: str) -> None:
    """Killed twice while it is handed alerts: what it had read and not written is sent again."""
    sender = destination(rsyslog.policy("siem", message))
    notices = [notice(alert(number)) for number in range(1000)]
    kills = iter((300, 600))
    after = next(kills)
    restarted: asyncio.Task[None] | None = None

    async def back() -> None:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(rsyslog.start)

    async def between(done: int) -> None:
        nonlocal after, restarted
        if done >= after:
            after = next(kills, 10_000)
            rsyslog.kill()
            restarted = asyncio.create_task(back())

    await sender.start()
    try:
        failures = await deliver_all(sender, notices, batch=25, within=120, between=between)
        expected = {each.alerts[0].alert_id for each in notices}
        await until(
            lambda: set(rsyslog.received()) >= expected, 60, lambda: f"{len(expected - set(rsyslog.received()))} lost"
        )
    finally:
        if restarted is not None:
            await restarted
        await sender.stop()
    assert failures > 0
    assert sender.resent > 0
    assert set(rsyslog.received()) == expected


@pytest.mark.faults
async def test_what_was_acknowledged_last_is_sent_again_also_when_nothing_follows(rsyslog: Rsyslog) -> None:
    sender = destination(rsyslog.policy("siem"))
    await sender.start()
    try:
        outcomes = await sender.send([notice(alert(number)) for number in range(50)])
        assert all(isinstance(each, Delivered) for each in outcomes)
        rsyslog.kill()
        rsyslog.received_file.unlink(missing_ok=True)  # as if it had written nothing of what it had read
        rsyslog.start()
        await until(lambda: len(rsyslog.received()) == 50, 60)
    finally:
        await sender.stop()
    assert sender.resent >= 50


@pytest.mark.slow
async def test_a_receiver_that_does_not_accept_our_certificate_has_nothing_delivered(tmp_path: Path) -> None:
    require(Rsyslog.missing())
    receiver, other = Rsyslog(tmp_path / "one"), Rsyslog(tmp_path / "other")
    receiver.start()
    ours, theirs = receiver.certificates, other.certificates
    try:
        tls = {"ca": str(ours.ca), "cert": str(theirs.client), "key": str(theirs.client_key)}
        stranger = destination(receiver.policy("siem"), tls=tls)
        await stranger.start()
        for _ in range(3):
            (outcome,) = await stranger.send([notice(alert(1))])
            assert isinstance(outcome, Failed), outcome
        await stranger.stop()
        anonymous = destination(receiver.policy("siem"), tls={"ca": str(ours.ca)})
        await anonymous.start()
        (outcome,) = await anonymous.send([notice(alert(1))])
        assert isinstance(outcome, Failed), outcome
        await anonymous.stop()
        misled = destination(receiver.policy("siem"), tls={"ca": str(theirs.ca)})
        await misled.start()
        (outcome,) = await misled.send([notice(alert(1))])
        assert isinstance(outcome, Failed)
        assert "certificate is not accepted" in outcome.reason
        await misled.stop()
        elsewhere = destination(receiver.policy("siem"), server_name="siem.example")
        await elsewhere.start()
        (outcome,) = await elsewhere.send([notice(alert(1))])
        assert isinstance(outcome, Failed)
        assert "certificate is not accepted" in outcome.reason
        await elsewhere.stop()
    finally:
        receiver.stop()
    assert receiver.messages() == []
