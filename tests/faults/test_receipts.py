"""The command line shows where alerts are, and sends once more what a destination refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.broker import EmbeddedBroker
from tests.delivering.world import World, an_alert
from tests.faults.harness import until
from tests.faults.test_actions import Tool
from tests.receivers.pagerduty import PagerDutyReceiver

pytestmark = pytest.mark.faults

VARIABLE = "TEST_PAGERDUTY_KEY"


async def test_what_is_refused_is_shown_and_sent_once_more(tmp_path: Path) -> None:
    pager, key = PagerDutyReceiver(tmp_path / "pager"), tmp_path / "pager.key"
    right = pager.environment()[VARIABLE]
    key.write_text("x" * len(right))
    with EmbeddedBroker() as broker:
        world = World(broker.bootstrap, tmp_path)
        await world.prepare()
        told = pager.policy("pager").replace(f'{{ env = "{VARIABLE}" }}', f'{{ file = "{key}" }}')
        assert str(key) in told
        tool = Tool(world, tmp_path, 'version = 1\n[perimeter]\ncountries = ["EEA"]\n' + told, {})
        pager.start()
        delivering = tool.start("deliver")
        try:
            await world.publish(an_alert("alert-1", key="incident-1"), an_alert("alert-2", key="incident-2"))

            async def parked() -> bool:
                return len(await world.parked()) == 2

            await until(f"both are parked; the log: {delivering.log}", parked)
            await _shows_what_is_parked(tool)
            key.write_text(right)
            code, said = await tool("deliver", "--replay", "pager")
            assert code == 0, said
            assert "pager: 2 sent, 0 parked" in said
            assert sorted(each.dedup_key for each in pager.incidents()) == ["incident-1", "incident-2"]
            code, said = await tool("receipts", "--undelivered")
            assert code == 0, said
            code, said = await tool("receipts", "--json", "--state", "delivered")
            receipts = [json.loads(line) for line in said.splitlines()]
            assert sorted((each["alert_id"], each["answer"]["dedup_key"]) for each in receipts) == [
                ("alert-1", "incident-1"),
                ("alert-2", "incident-2"),
            ]
            code, said = await tool("deliver", "--replay", "pager")
            assert (code, "nothing is parked" in said) == (0, True), said
        finally:
            delivering.end()
            pager.stop()
            await world.producer.stop()
        code, said = await tool("deliver", "--replay", "nobody")
        assert code == 2
        assert "nobody" in said


async def _shows_what_is_parked(tool: Tool) -> None:
    code, said = await tool("receipts", "alert-1")
    assert code == 0, said
    assert "parked" in said
    assert "answered 400, about routing_key" in said
    code, said = await tool("receipts", "--state", "parked", "--destination", "pager")
    assert code == 0, said
    assert "alert-1" in said
    assert "alert-2" in said
    code, said = await tool("receipts", "--state", "over", "--json")
    assert (code, said) == (0, "")
    code, said = await tool("receipts", "--undelivered")
    assert code == 1
    assert "alert-2 revision 0: pager: parked at revision 0" in said
    assert "2 undelivered" in said
    code, said = await tool("receipts", "--summary")
    assert code == 0, said
    assert "2 pager: parked" in said
    code, said = await tool("receipts", "no-such-alert")
    assert code == 1
    assert "no such alert" in said
