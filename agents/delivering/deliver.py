"""The delivering process: a runner for each destination, the keeper, metrics. The composition root of delivery."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from agents.clients import producer_of, within_start
from agents.delivering.gauges import refresh
from agents.delivering.keeper import Keeper
from agents.delivering.making import clear, keys_for, made, try_out
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.names import Names
from agents.delivering.runner import Runner
from agents.delivering.sending import Sender
from agents.delivering.storing import Storing
from agents.delivering.zeroes import begin, begin_destination, end_destination
from agents.life import Life, hash_of_policy, stored_by
from agents.plan_file import read_plan_of
from agents.preflight import before_start
from agents.settings import Settings
from agents.watching import wall_clock
from agents.web import WebServer, listening
from alerts.plan import Plan
from alerts.trouble import place
from schemas.errors import CloverwatchError, ConfigurationError

log = logging.getLogger(__name__)


class Part(Protocol):
    """What is run, and begun anew where it fails."""

    stopped: asyncio.Event

    async def run(self) -> None:
        """Run until told to stop."""


KEEPER: Final = " keeper"
NAMES: Final = " names"
"""Names of tasks; no destination is called so."""

RESTART_FIRST_S: Final = 1.0
RESTART_MOST_S: Final = 60.0
"""Between the end of a runner and its next beginning: doubled each time, up to a minute."""

STOP_WITHIN_S: Final = 20.0
"""Within which runners end after being told: what is being sent is answered or times out."""

BATCH_BYTES: Final = 512 * 1024
"""Of receipts of one partition that travel together: what is more waits until these are there, and a bulk destination
settles hundreds of kilobytes at once. The client's own bound is 16 KiB."""

YOUNG: Final = 20_000
"""Objects between two looks of the garbage collector at the youngest, in place of 700: thousands of alerts are on their
way at once, none in a cycle, and were looked at again and again."""


async def deliver(settings: Settings, only: frozenset[str]) -> int:
    """Deliver until told to stop (SIGTERM, SIGINT).

    Args:
        settings: with `policy`.
        only: destinations; empty: all of the policy. The keeper runs in every process: its group shares the work.

    Returns:
        The exit code: 0 after a stop. Brokers that are away, and whatever fails, are tried again for ever.

    Raises:
        ConfigurationError: settings, policy or topics cannot be used.
    """
    if settings.policy is None:
        raise ConfigurationError("policy: delivery needs one; name the file with CLOVERWATCH_POLICY")
    content, plan = read_plan_of(settings.policy)
    for name in only or plan.destinations:
        await try_out(settings, plan, name)  # what is wrong with it is said before anything starts
    await before_start(settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    with listening(settings.web_host, settings.deliver_port, "deliver_port") as listener:
        process = Delivering(settings, plan, only, hash_of_policy(content))
        web = WebServer(
            listener,
            registry=process.metrics.registry,
            refresh=process.refresh,
            not_ready=process.not_ready,
        )
        await web.start()
        try:
            return await process.run()
        finally:
            await web.stop()


class Delivering:
    """Everything that one process delivers."""

    def __init__(self, settings: Settings, plan: Plan, only: frozenset[str], policy: str = "") -> None:
        self._settings, self._plan, self._only = settings, plan, only
        self._names: Names | None = None
        self.metrics = DeliveryMetrics(version("cloverwatch"))
        begin(self.metrics)
        self._producer = producer_of(settings, max_batch_size=BATCH_BYTES)
        self._storing = Storing(self._producer, self.metrics, wall_clock, self._unstored)
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keeper = self._keep()
        self._stopping = asyncio.Event()
        self._policy = policy
        """The hash of the policy file."""
        self._orderly = False
        """Whether it was told to stop, and did."""

    async def run(self) -> int:
        """Run until a signal; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await within_start(self._settings, self._producer.start)
        life = Life("deliver", stored_by(self._producer), policy=lambda: self._policy, failed=lambda: not self._orderly)
        try:
            await life.start()
            self._begin(KEEPER, self._keep)
            self._start_runners()
            watching = asyncio.create_task(self._watch_policy(self._settings.policy or Path()))
            await self._stopping.wait()
            watching.cancel()
            for runner in self._runners.values():
                runner.stop()
            self._keeper.stop()
            await self._ended([task for name, task in self._tasks.items() if name != NAMES])
            if self._names is not None:
                self._names.stop()
                await self._ended([self._tasks[NAMES]])
            self._orderly = True
        finally:
            await life.stop()
            await self._producer.stop()
        return 0

    def _start_runners(self) -> None:
        for name in self._plan.destinations:
            if name not in self._runners and (not self._only or name in self._only):
                begin_destination(self.metrics, name)
                self._begin(name, partial(self._runner, name))

    def _runner(self, name: str) -> Runner:
        plan, show = self._plan, None
        if clear(self._settings, plan, name):
            if self._names is None:
                self._names = Names(self._settings, keys_for(self._settings, name))
                self._begin(NAMES, lambda: self._named)
            show = self._named.shown
        sender = Sender(name, made(plan, name), self.metrics, show)
        self._runners[name] = Runner(self._settings, plan, name, sender, self._storing, self.metrics)
        return self._runners[name]

    @property
    def _named(self) -> Names:
        assert self._names is not None  # noqa: S101  # made with the first that needs it
        return self._names

    def _keep(self) -> Keeper:
        self._keeper = Keeper(self._settings, self._plan, self._producer, self._storing, self.metrics)
        return self._keeper

    async def _serve(self, name: str, part: Part, again: Callable[[], Part]) -> None:
        """Run a part. What fails there holds back only it: it is begun anew, later and later, with a new one."""
        wait = RESTART_FIRST_S
        while True:
            began = time.monotonic()
            try:
                await part.run()
            except Exception as error:  # noqa: BLE001  # whatever it is: the others go on, and this one is tried again
                if time.monotonic() - began > RESTART_MOST_S:
                    wait = RESTART_FIRST_S
                said = str(error) if isinstance(error, CloverwatchError) else place(error)
                log.error("%s: ended: %s; begun anew in %g s", name.strip(), said, wait)
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(part.stopped.wait(), wait)
                return
            wait = min(RESTART_MOST_S, 2 * wait)
            with suppress(ConfigurationError):  # as it was tried out; what is wrong since is said when it runs
                part = again()

    def _begin(self, name: str, again: Callable[[], Part]) -> None:
        self._tasks[name] = asyncio.create_task(self._serve(name, again(), again), name=name)

    def _unstored(self, name: str | None, error: BaseException) -> None:
        """Something cannot be stored: whose it is goes back to what is committed."""
        for each, runner in self._runners.items():
            if name in {None, each}:
                runner.sender.up = False
                runner.fail(error)

    async def _ended(self, tasks: list[asyncio.Task[None]]) -> None:
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _watch_policy(self, path: Path) -> None:
        """Take up a new policy when there is one; a wrong one is refused and the old one stays in force."""
        refused: str | None = None
        while True:
            await asyncio.sleep(self._settings.policy_check_s)
            try:
                content, plan = read_plan_of(path)
                if plan.version != self._plan.version:
                    await self._adopt(plan)
                self._policy = hash_of_policy(content)
            except ConfigurationError as error:
                if str(error) != refused:
                    log.error("The new policy is refused, the old one stays in force: %s", error)
                refused = str(error)
                self.metrics.policy_failed.set(1)
                continue
            refused = None
            self.metrics.policy_failed.set(0)

    async def _adopt(self, plan: Plan) -> None:
        """Go on under another version: runners whose destination changed end, and begin anew."""
        for name in self._only or plan.destinations:
            if name in plan.destinations and plan.destinations[name] != self._plan.destinations.get(name):
                await try_out(self._settings, plan, name)
        changed = [name for name in self._runners if plan.destinations.get(name) != self._plan.destinations.get(name)]
        for name in changed:
            self._runners.pop(name).stop()
            end_destination(self.metrics, name)
        await self._ended([self._tasks.pop(name) for name in changed])
        for runner in self._runners.values():
            runner.replan(plan)
        self._keeper.replan(plan)
        self._plan = plan
        self._start_runners()
        log.warning("Policy %s is in force", plan.version)

    def not_ready(self) -> list[str]:
        """Return why alerts are not handed on; nothing when they are.

        Nothing, too, where others hold all partitions: this process stands by and takes over from them.
        """
        mine = [name for name in self._plan.destinations if not self._only or name in self._only]
        reading = {name: name in self._runners and self._runners[name].reading for name in mine}
        reading["keeper"] = self._keeper.reading
        why = "its group has not settled yet, or what was delivered before is being read"
        return [f"{name}: {why}" for name, reads in reading.items() if not reads]

    def refresh(self) -> None:
        """Ask the gauges that are not told."""
        self.metrics.ready.set(0 if self.not_ready() else 1)
        refresh(self.metrics, self._runners, [each.id for each in self._plan.silences])
        self._keeper.refresh()
