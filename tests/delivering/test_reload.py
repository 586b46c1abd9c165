"""A new policy while alerts are delivered: what is wrong with it is refused before anything stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.delivering.deliver import Delivering
from agents.delivering.runner import Runner
from agents.settings import Settings
from alerts.plan import Plan
from schemas.errors import ConfigurationError
from tests.delivering.world import Scripted, a_plan


class Unready(Scripted):
    """Its secret is not there, as every HTTP destination finds out in `start`."""

    async def start(self) -> None:
        raise ConfigurationError("destinations.there.token: no such file")


def _with(plan: Plan, **changes: Any) -> Plan:
    mine = replace(plan.destinations["there"], **changes)
    return replace(plan, version="v2", destinations={"there": mine})


async def _idle(self: Runner) -> None:
    await self.stopped.wait()


async def test_clear_names_without_keys_are_refused_before_anything_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "run", _idle)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners()
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError):
        await process._adopt(_with(old, names="clear"))
    assert "there" in process._runners, "nobody delivers there any more"
    assert process._plan.version == old.version


async def test_a_policy_whose_destination_cannot_start_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Runner.run

    async def run(self: Runner) -> None:
        await (running if isinstance(self.sender._destination, Unready) else _idle)(self)

    monkeypatch.setattr(Runner, "run", run)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners()
    await asyncio.sleep(0)
    kind = replace(old.destinations["there"].kind, make=lambda *_: Unready())
    new = replace(
        old,
        version="v2",
        destinations={**old.destinations, "other": replace(old.destinations["there"], name="other", kind=kind)},
    )
    with pytest.raises(ConfigurationError):
        await process._adopt(new)
    await asyncio.sleep(0.2)
    assert not process._stopping.is_set(), "one destination ends all of them"


async def test_a_destination_that_a_policy_removes_leaves_the_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "run", _idle)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners()
    await asyncio.sleep(0)
    process._runners["there"].sender.up = False
    process.refresh()
    await process._adopt(replace(old, version="v2", destinations={}))
    process.refresh()
    value = process.metrics.registry.get_sample_value("cloverwatch_delivery_destination_up", {"destination": "there"})
    assert value is None
