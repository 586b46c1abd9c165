"""When a delivering process is ready, and what it says of destinations that come and go."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agents.delivering.deliver import Delivering
from agents.plan_file import read_plan_of
from tests.delivering.world import PARTITIONS, Scripted, World, an_alert, until

pytestmark = pytest.mark.broker

POLICY = Path("demo/policy.toml").read_text(encoding="utf-8")


def policy_to(folder: Path, *names: str) -> str:
    files = (f'[destinations.{name}]\nkind = "file"\npath = "{folder}/{name}.jsonl"\n' for name in names)
    return POLICY + "\n" + "\n".join(files)


async def test_who_holds_no_partitions_stands_by_is_ready_and_takes_over(world: World) -> None:
    """More processes than partitions: a page for the one that is left over would be for nothing."""
    theres = [Scripted() for _ in range(PARTITIONS + 1)]
    async with AsyncExitStack() as others:
        runners = [await others.enter_async_context(world.running(there)) for there in theres[1:]]
        assert not any(runner.reading for runner in runners), "the group has said nothing yet"
        async with world.running(theres[0]) as first:
            runners = [first, *runners]

            def settled() -> bool:
                held = sorted(len(runner.group.loaded) for runner in runners)
                return held == [0, *[1] * PARTITIONS] and all(runner.reading for runner in runners)

            await until(settled, "each has a partition but one, and all are ready")
            await world.publish(*[an_alert(f"before-{at}", key=f"k{at}") for at in range(8)])
            await until(lambda: sum(len(there.took) for there in theres) == 8, "they share the work")
            idle = next(there for there, runner in zip(theres, runners, strict=True) if not runner.group.loaded)
            assert idle.took == []
        await until(
            lambda: sum(len(each.group.loaded) for each in runners[1:]) == PARTITIONS, "the others have all of it"
        )
        assert all(runner.reading for runner in runners[1:])
        await world.publish(*[an_alert(f"after-{at}", key=f"k{at}") for at in range(8)])
        await until(lambda: sum(len(there.took) for there in theres[1:]) >= 8, "what comes then is delivered")


async def test_gauges_of_a_destination_end_with_it(world: World, tmp_path: Path) -> None:
    """One that is taken out of the policy while it is down is not down for ever; and counters begin at 0."""
    policy = tmp_path / "policy.toml"
    policy.write_text(policy_to(tmp_path, "siem", "archive"), encoding="utf-8")
    settings = replace(world.settings, policy=policy, policy_check_s=0.1)
    process = Delivering(settings, read_plan_of(policy)[1], frozenset())

    def value(name: str, **labels: str) -> float | None:
        process.refresh()
        return process.metrics.registry.get_sample_value(f"cloverwatch_delivery_{name}", labels)

    assert [each.split(":")[0] for each in process.not_ready()] == ["siem", "archive", "keeper"]
    assert value("ready") == 0
    running = asyncio.create_task(process.run())
    try:
        await until(lambda: value("ready") == 1, "it is ready")
        for name in ("siem", "archive"):
            assert value("alerts_total", destination=name, state="parked") == 0
            assert value("attempts_total", destination=name, outcome="failed") == 0
            assert value("destination_up", destination=name) == 1
        await world.publish(an_alert("a"))
        await until(lambda: value("alerts_total", destination="archive", state="delivered") == 1, "it has its receipt")

        policy.write_text(policy_to(tmp_path, "siem"), encoding="utf-8")
        await until(lambda: value("destination_up", destination="archive") is None, "the gauges are gone")
        assert value("undelivered_alerts", destination="archive") is None
        assert value("alerts_total", destination="archive", state="delivered") == 1, "what was counted stays"
        assert value("destination_up", destination="siem") == 1

        policy.write_text(policy_to(tmp_path, "siem", "archive") + "kind = 1\n", encoding="utf-8")
        await until(lambda: value("policy_reload_failed") == 1, "a wrong policy is told")
        policy.write_text(policy_to(tmp_path, "siem", "archive"), encoding="utf-8")
        await until(lambda: value("destination_up", destination="archive") == 1, "it is back")
        assert value("policy_reload_failed") == 0
    finally:
        process._stopping.set()
        assert await running == 0
