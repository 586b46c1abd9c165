"""Steps of approvals taken: checked against what stands at that moment, stored, and read back.

Two people may answer at once, through different processes. So a step counts only when it was read back: the log has
one order, every reader puts the steps together in it (`alerts/approvals.py`), and whoever came second is told so. Each
step is a record under a key of its own. What stands is then written once more wherever the last record of a key is
another: compaction keeps the last one, which must not bring back what was withdrawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from mode import Service

from agents.approvals.reading import ApprovalTail, tail_of
from agents.approvals.whereabouts import Whereabouts
from agents.clients import partitions_there, producer_of, started
from agents.settings import Settings
from agents.watching import wall_clock
from alerts.approvals import ANSWERS, added, as_of
from alerts.people import Person
from rules.policy import Policy
from schemas.approval import STEPS, Approval, StepName, step_key
from schemas.errors import CloverwatchError
from schemas.gateway_topics import GATEWAY_APPROVALS

TEND_EVERY_S: Final = 1.0
"""Between two looks whether what stands is what was written last."""


class StepRefusedError(CloverwatchError):
    """A step that nobody may take, or not now. The text says why, for whoever tried."""


class ApprovalService(Service):
    """Takes steps. One a process; the tail must be running.

    Args:
        tail: what stands.
        producer: started.
        people: of the policy in force.
        whereabouts: what the directories say of whoever approves.
        clock: the wall clock, milliseconds.
    """

    def __init__(
        self,
        tail: ApprovalTail,
        producer: AIOKafkaProducer,
        people: Callable[[], Mapping[str, Person]],
        whereabouts: Whereabouts | None,
        clock: Callable[[], int] = wall_clock,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tail = tail
        self._producer, self._people, self.whereabouts, self._clock = producer, people, whereabouts, clock
        self._one_by_one = asyncio.Lock()

    async def standing(self, approval_id: str) -> Approval | None:
        """Return an approval as it stands now, None where there is none."""
        await self.tail.to_end()
        return self.tail.approvals.get(approval_id)

    async def take(self, record: Approval, *names: StepName, address: str = "") -> Approval:
        """Store the steps that a record adds to what stands; return what stands then.

        Args:
            record: an approval with its steps, signed.
            names: the steps that it adds.
            address: from which whoever signed calls, empty where that is not known.

        Raises:
            StepRefusedError: it adds none, or others, or they do not count; the text says why.
        """
        async with self._one_by_one:
            await self.tail.to_end()
            await self._tend()
            before = self.tail.approvals.get(record.approval_id)
            now = self._checked(before, record, names, address)
            for name in STEPS:
                if name in names and (before is None or getattr(before, name) is None):
                    await self._write(step_key(now.approval_id, name), as_of(now, name))
            await self._tend()
            stands = self.tail.approvals.get(record.approval_id)
        for name in names:
            if stands is None or getattr(stands, name) != getattr(record, name):
                raise StepRefusedError(_overtaken(stands, name))
        assert stands is not None  # noqa: S101  # names has one at least, checked above
        return stands

    def _checked(
        self, before: Approval | None, record: Approval, names: tuple[StepName, ...], address: str
    ) -> Approval:
        if before is None and "requested" not in names:
            raise StepRefusedError(f"{record.approval_id!r}: nobody asked for it; see `cloverwatch approvals list`")
        had = {name for name in ANSWERS if before is not None and getattr(before, name) is not None}
        adds = {name for name in ANSWERS if getattr(record, name) is not None} - had
        if not names or not adds <= set(names):
            raise StepRefusedError(f"the record takes {', '.join(sorted(adds)) or 'no step'}, not {', '.join(names)}")
        if any(getattr(record, name) is None for name in names):
            raise StepRefusedError(f"the record does not take the step {', '.join(names)}")
        terms = self.tail.terms()
        if terms is None:
            raise StepRefusedError("the policy in force has no [gateway]: nothing can be approved under it")
        now, why = added(before, record, self._clock(), self._people(), terms)
        if now is None or why is not None:
            raise StepRefusedError(why or "nothing stands")
        if now != before and "approved" in names and not now.break_glass:
            self._hold_inside(now, address)
        return now

    def _hold_inside(self, now: Approval, address: str) -> None:
        """Raise unless whoever approves is where they say, inside the perimeter, with all that is known."""
        taken = now.approved
        who = None if taken is None else self._people()[taken.by].employee
        if taken is None or who is None or self.whereabouts is None:
            raise StepRefusedError("nothing is known here of where people are: no approval can be given here")
        at = self._clock()
        if (why := self.whereabouts.refusal(who, at, address)) is not None:
            raise StepRefusedError(why)
        known = self.whereabouts.located(who, at, address).place.country
        if taken.place != known:
            raise StepRefusedError(f"place: {taken.place!r} is signed; the directories say {known!r}")

    async def _tend(self) -> None:
        """Write what stands wherever the last record is another."""
        for key, record in self.tail.mending(self._clock()).items():
            await self._write(key, record)

    async def _write(self, key: bytes, record: Approval | None) -> None:
        """Store a record; return when it is read back."""
        sent = await self._producer.send_and_wait(
            GATEWAY_APPROVALS,
            key=key,
            value=None if record is None else msgspec.json.encode(record),
            partition=0,
        )
        await self.tail.until(sent.offset)

    @Service.task
    async def _keep_tidy(self) -> None:
        """Look after what others left: a process that ended between its write and its look."""
        await self.wait(self.tail.ready.wait())
        while not self.should_stop:
            if self.tail.mending(self._clock()):
                async with self._one_by_one:
                    await self._tend()
            await self.sleep(TEND_EVERY_S)


def _overtaken(stands: Approval | None, name: StepName) -> str:
    if stands is None:
        return "what was stored does not stand; see `cloverwatch dead-letters`"
    for other in ("withdrawn", "refused", "approved", "reviewed"):
        taken = getattr(stands, other)
        if taken is not None:
            return f"{name}: somebody was faster: {other} by {taken.by!r}"
    return f"{name}: it does not stand; see `cloverwatch dead-letters`"


@asynccontextmanager
async def serving(
    settings: Settings,
    people: Mapping[str, Person],
    policy: Policy,
    whereabouts: Whereabouts | None,
) -> AsyncIterator[ApprovalService]:
    """Yield a service for one command: everything is read, and it is stopped at the end.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    await partitions_there(settings, GATEWAY_APPROVALS)
    legal = None if whereabouts is None else whereabouts.joiner().legal
    tail = ApprovalTail(
        tail_of(settings), lambda: people, lambda: policy, lambda _: None, legal=legal, whereabouts=whereabouts
    )
    async with started(settings, producer_of(settings)) as producer:
        await tail.start()
        try:
            await tail.begun()
            yield ApprovalService(tail, producer, lambda: people, whereabouts)
        finally:
            await tail.stop()
