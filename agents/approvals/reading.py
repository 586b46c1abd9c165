"""`gateway.approvals` read whole, verified record by record, and tailed for ever.

Read straight from the compacted topic by a consumer without a group, as the reference tables are. A record that does
not count is handed to whoever puts it away; what stood before it still stands. When the policy changes, the topic is
read anew under its people and its terms: what stands is what a process that starts now would find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from mode import Service

from agents.approvals.bearing import bearing
from agents.approvals.folding import OLD_FORM, Standing
from agents.approvals.whereabouts import Whereabouts, terms_of
from agents.clients import LOG_APPEND_TIME, consumer_of
from agents.settings import Settings
from alerts.approvals import Terms
from alerts.people import Person
from rules.jurisdictions import LegalTable
from rules.policy import Policy
from schemas.approval import Approval, approval_of
from schemas.errors import BadRecordError, ReferenceUnavailableError
from schemas.gateway_topics import GATEWAY_APPROVALS

POLL_MS: Final = 200
"""How long one fetch may wait for records; it ends at once when one comes."""

FETCH_WAIT_MS: Final = 20
"""How long a broker may hold a fetch back while there is nothing: a withdrawal counts within a second. Brokers answer
at once when a record comes; the embedded one looks when the time is half over."""

RECORDS_A_TURN: Final = 200
"""Records verified before other work gets a turn: a signature costs some 0.1 ms, an approval has two or three."""

READ_WITHIN_S: Final = 10.0
"""How long a record that was stored may take to be read back: a look takes a fifth of a second."""

START_WITHIN_S: Final = 60.0
"""How long the topic may take to be read: 100,000 approvals are some 30 s of signatures."""

APPROVALS: Final = TopicPartition(GATEWAY_APPROVALS, 0)

OnBad = Callable[[ConsumerRecord, BadRecordError], Awaitable[None]]


async def _ignored(record: ConsumerRecord, error: BadRecordError) -> None:
    """Leave what does not count where it is."""


def tail_of(settings: Settings) -> AIOKafkaConsumer:
    """Return a consumer of the topic, not started, that is told of a record as soon as may be."""
    return consumer_of(settings, GATEWAY_APPROVALS, fetch_max_wait_ms=FETCH_WAIT_MS)


class ApprovalTail(Service):
    """Knows every approval that stands.

    Args:
        consumer: of the topic, without a group, not started (`tail_of`).
        people: of the policy in force, by name.
        policy: in force.
        on_change: called with every approval that is new or changed, such as `Knowledge.approve`.
        on_bad: awaited for every record that does not count, with why; once for each.
        on_old_form: called for each that was there at the start and is what compaction left of before each step had a
            record of its own. It does not count either; nobody forged it.
        on_gone: called with the id of an approval that no longer stands, such as `Knowledge.revoke`.
        legal: the law of places; None: the shipped one.
        whereabouts: what the directories say of whoever approved; None: their signed place has to do.
        after: set when those directories are read; nothing is verified before.
        content: of the policy file in force; without it the next one is taken to differ.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        people: Callable[[], Mapping[str, Person]],
        policy: Callable[[], Policy],
        on_change: Callable[[Approval], None],
        *,
        on_bad: OnBad = _ignored,
        on_old_form: Callable[[], None] = lambda: None,
        on_gone: Callable[[str], None] = lambda _: None,
        legal: LegalTable | None = None,
        whereabouts: Whereabouts | None = None,
        after: asyncio.Event | None = None,
        content: bytes = b"",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._bearing = bearing(content)
        self._consumer, self._people, self.policy = consumer, people, policy
        self._on_change, self._on_bad, self._on_gone = on_change, on_bad, on_gone
        self._on_old_form = on_old_form
        self._old_form = False
        """Whether one was logged."""
        self._legal, self._whereabouts, self._after = legal, whereabouts, after
        self.ready = asyncio.Event()
        self._standing = self._anew()
        self._former: dict[str, Approval] | None = None
        """What stood under the former policy, while the topic is read anew."""
        self._told_bad = -1
        """Offset up to which records that do not count were handed on."""
        self._wanted = False
        self.position = 0
        """Offset of the next record: everything before it is in `approvals`."""
        self.end = 0
        """Offset after the last record that is known to be there."""
        self._moved = asyncio.Condition()
        self._dated = True
        """Whether the broker dates the records, as far as was seen."""

    def _anew(self) -> Standing:
        return Standing(self._people, self.terms)

    def terms(self) -> Terms | None:
        """Return what the policy in force lets approvals be."""
        return terms_of(self.policy(), self._legal, self._whereabouts)

    @property
    def approvals(self) -> Mapping[str, Approval]:
        """Every approval that stands, whatever its state, by id."""
        return self._standing.approvals if self._former is None else self._former

    def mending(self, now: int) -> Mapping[bytes, Approval | None]:
        """Return by key what whoever may write has to write, since the last record there is not what stands."""
        return self._standing.mending(now) if self._former is None and self.ready.is_set() else {}

    def reread(self, content: bytes) -> None:
        """Verify everything anew where the policy has changed in what approvals rest on.

        What stood stands until that is done.
        """
        before, self._bearing = self._bearing, bearing(content)
        self._wanted |= before != self._bearing

    async def until(self, offset: int) -> None:
        """Return when the record of an offset is read.

        Raises:
            ReferenceUnavailableError: it is not within `READ_WITHIN_S`.
        """
        try:
            async with asyncio.timeout(READ_WITHIN_S), self._moved:
                await self._moved.wait_for(lambda: self.position > offset and not self._wanted and self._former is None)
        except TimeoutError:
            raise ReferenceUnavailableError(
                f"{GATEWAY_APPROVALS}: offset {offset} was not read within {READ_WITHIN_S:g} s; look at the brokers"
            ) from None

    async def to_end(self) -> None:
        """Return when everything is read that the topic holds now.

        Raises:
            ReferenceUnavailableError: it is not within `READ_WITHIN_S`, or no broker answers.
        """
        await self.begun()
        ends = await self._consumer.end_offsets([APPROVALS])
        await self.until(max(ends[APPROVALS], self._consumer.highwater(APPROVALS) or 0) - 1)

    async def begun(self) -> None:
        """Return when everything that was there at the start is read.

        Raises:
            ReferenceUnavailableError: it is not within `START_WITHIN_S`.
        """
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self.ready.wait()
        except TimeoutError:
            raise ReferenceUnavailableError(
                f"{GATEWAY_APPROVALS} was not read within {START_WITHIN_S:g} s; look at the brokers"
            ) from None

    async def on_start(self) -> None:
        """Begin at the beginning."""
        await self._consumer.start()
        await self._consumer.seek_to_beginning(APPROVALS)
        self.end = (await self._consumer.end_offsets([APPROVALS]))[APPROVALS]

    async def on_stop(self) -> None:
        """Leave the brokers."""
        await self._consumer.stop()

    @Service.task
    async def _tail(self) -> None:
        if self._after is not None:
            await self.wait(self._after.wait())
        while not self.should_stop:
            if self._wanted:
                await self._begin_anew()
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_TURN)
            for record in fetched.get(APPROVALS, ()):
                await self._take(record)
            position = await self._consumer.position(APPROVALS)
            # The embedded broker's end offset can be short: believe the larger.
            self.end = max(self.end, self._consumer.highwater(APPROVALS) or 0)
            if position >= self.end:
                self._at_end()
            async with self._moved:
                self.position = position
                self._moved.notify_all()

    async def _begin_anew(self) -> None:
        self._wanted = False
        if self._former is None:
            self._former = self._standing.approvals
        self._standing = self._anew()
        await self._consumer.seek_to_beginning(APPROVALS)

    async def _take(self, record: ConsumerRecord) -> None:
        if self._dated and record.timestamp_type != LOG_APPEND_TIME:
            self._dated = False
            self.log.error(
                "%s: offset %d carries its writer's time, not the broker's: whoever writes there can date an approval "
                "back; set message.timestamp.type=LogAppendTime (`cloverwatch topics --verify`)",
                GATEWAY_APPROVALS,
                record.offset,
            )
        try:
            changed = self._standing.take(record.key, record.value, record.timestamp)
        except BadRecordError as error:
            if record.offset > self._told_bad:
                self._told_bad = record.offset
                await self._does_not_count(record, error)
            return
        if self._former is not None or changed is None:
            return  # read anew: what changed is told at the end
        if isinstance(changed, str):
            self._on_gone(changed)
        else:
            self._on_change(changed)

    async def _does_not_count(self, record: ConsumerRecord, error: BadRecordError) -> None:
        of_a_step = approval_of(record.key).encode() != record.key
        if error.reason != OLD_FORM or (self.ready.is_set() and not of_a_step):
            await self._on_bad(record, error)  # one in the old form that comes now is none of before: nobody writes it
            return
        self._on_old_form()
        if not self._old_form:
            self._old_form = True
            self.log.warning(
                "Approvals of before each step had a record of its own, of which compaction has left one record, count "
                "no more; ask again for grants that have to go on. The first: offset %d: %s",
                record.offset,
                error.detail,
            )

    def _at_end(self) -> None:
        former, self._former = self._former, None
        if former is not None:
            now = self._standing.approvals
            for approval_id in former.keys() - now.keys():
                self._on_gone(approval_id)
            for approval_id, approval in now.items():
                if former.get(approval_id) != approval:
                    self._on_change(approval)
        if not self.ready.is_set():
            self.log.info("Approvals read: %d", len(self._standing.approvals))
            self.ready.set()
