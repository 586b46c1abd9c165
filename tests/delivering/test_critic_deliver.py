"""Defects of the delivering process on a new policy (each test fails until it is mended)."""

from __future__ import annotations

import asyncio
from dataclasses import replace as _replace
from typing import Any

import pytest
from msgspec import structs

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


def _replaced(record: Any, **changes: Any) -> Any:
    return structs.replace(record, **changes) if hasattr(record, "__struct_fields__") else _replace(record, **changes)


def _with(plan: Plan, **changes: Any) -> Plan:
    mine = _replaced(plan.destinations["there"], **changes)
    return _replaced(plan, version="v2", destinations={"there": mine})


async def _idle(self: Runner) -> None:
    await self._stop.wait()


async def test_clear_names_without_keys_are_refused_before_anything_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEFECT: `_adopt` stops the runner, takes the new version over, and only then finds that there are no keys: nobody
    delivers there any more, the reload counts as done, and readiness does not name the destination."""
    monkeypatch.setattr(Runner, "run", _idle)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners(old)
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError):
        await process._adopt(_with(old, names="clear"))
    assert "there" in process._runners, "nobody delivers there any more"
    assert process._plan.version == old.version


async def test_a_policy_whose_destination_cannot_start_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEFECT: secrets are read in `start`, not in `make`: a reload that names a missing one ends the whole process."""
    running = Runner.run

    async def run(self: Runner) -> None:
        await (running if isinstance(self._destination, Unready) else _idle)(self)

    monkeypatch.setattr(Runner, "run", run)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners(old)
    await asyncio.sleep(0)
    kind = _replaced(old.destinations["there"].kind, make=lambda *_: Unready())
    new = _replaced(
        old,
        version="v2",
        destinations={**old.destinations, "other": _replaced(old.destinations["there"], name="other", kind=kind)},
    )
    try:
        await process._adopt(new)
    except ConfigurationError:
        pass
    await asyncio.sleep(0.2)
    assert not process._stopping.is_set(), "one destination ends all of them"


async def test_a_destination_that_a_policy_removes_leaves_the_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEFECT: its last values stay (overdue, parked, up): the alert on them fires until the process is restarted."""
    monkeypatch.setattr(Runner, "run", _idle)
    old = a_plan()
    process = Delivering(Settings(broker="127.0.0.1:1"), old, frozenset())
    process._start_runners(old)
    await asyncio.sleep(0)
    process._runners["there"].up = False
    process.refresh()
    await process._adopt(_replaced(old, version="v2", destinations={}))
    process.refresh()
    value = process.metrics.registry.get_sample_value("cloverwatch_delivery_destination_up", {"destination": "there"})
    assert value is None
