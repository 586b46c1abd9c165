"""A worker's approvals: its verdicts know them, and break-glass is told of as soon as it is read.

Every worker reads every approval, and each tells: of one alert under one id, which delivery tells people of once
(`docs/delivery-of-alerts.md`). So no single process has to be there, and whoever writes to the topic by themselves,
past the commands, is told of all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from mode import Service

from agents.approvals.reading import ApprovalTail, tail_of
from agents.approvals.whereabouts import Whereabouts
from agents.policy_watch import people_in
from agents.settings import Settings
from agents.watching import Watch, wall_clock
from rules.gateway.unreviewed import is_taken, taken_alert
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval
from schemas.topic import DAY_MS

RETOLD_MS: Final = DAY_MS
"""Break-glass that was reviewed is told of on a start for so long: until then all workers may have been away."""


class WorkersApprovals(Service):
    """Reads approvals into a worker's knowledge, and tells of break-glass.

    Args:
        settings: how the brokers are reached.
        watch: whose session judges.
        content: the policy file's bytes.
        provenance: with what the worker judges now.
    """

    def __init__(
        self,
        settings: Settings,
        watch: Watch,
        content: bytes,
        provenance: Callable[[], JudgedWith],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._watch, self._provenance = watch, provenance
        self._people = people_in(content)
        self._pending: list[Alert] = []
        self._noted = asyncio.Event()
        session = watch.session
        self.tail = ApprovalTail(
            tail_of(settings),
            lambda: self._people,
            lambda: session.policy,
            self._changed,
            on_bad=self._bad,
            on_old_form=watch.metrics.approvals_old_form.inc,
            on_gone=session.knowledge.revoke,
            legal=session.judge.joiner.legal,
            whereabouts=Whereabouts(lambda: session.judge.joiner),
            after=watch.tables.ready,
        )
        self.ready = self.tail.ready

    def on_init_dependencies(self) -> list[Any]:
        """Start the reading with this."""
        return [self.tail]

    def adopt(self, content: bytes) -> None:
        """Go on under another policy, which the session judges by already."""
        self._people = people_in(content)
        self.tail.reread(content)

    def _changed(self, approval: Approval) -> None:
        self._watch.session.knowledge.approve(approval)
        if not is_taken(approval):
            return
        now = wall_clock()
        if approval.reviewed is None or now - (approval.since or 0) < RETOLD_MS:
            self._pending.append(taken_alert(approval, detected_at=now, judged_with=self._provenance()))
            self._noted.set()

    async def _bad(self, record: Any, error: Any) -> None:
        self.log.error("Approval at offset %d does not count: %s", record.offset, error.detail)
        await (await self._watch.bad(record, error))

    @Service.task
    async def _tell(self) -> None:
        while not self.should_stop:
            await self.wait(self._noted.wait())
            self._noted.clear()
            while self._pending:
                alert = self._pending[0]
                await (await self._watch.publisher.alert(alert))
                self._pending.pop(0)
                self._watch.count_alert(alert)
