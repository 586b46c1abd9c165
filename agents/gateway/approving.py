"""The decision point's approvals: it knows what stands, and takes signed steps over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from mode import Service

from agents.approvals.reading import ApprovalTail, tail_of
from agents.approvals.service import ApprovalService
from agents.approvals.whereabouts import Whereabouts
from agents.policy_watch import people_in
from agents.reference import ReferenceTables
from agents.settings import Settings
from rules.join import Joiner
from rules.knowledge import Knowledge

log = logging.getLogger(__name__)


class GatewayApprovals(Service):
    """Reads approvals into the knowledge by which is decided.

    Args:
        settings: how the brokers are reached.
        content: the policy file's bytes.
        knowledge: what approvals are applied to.
        tables: the directories; nothing is verified before they are read.
        joiner: of the policy in force.
        producer: writes steps.
    """

    def __init__(
        self,
        settings: Settings,
        content: bytes,
        knowledge: Knowledge,
        tables: ReferenceTables,
        joiner: Callable[[], Joiner],
        producer: AIOKafkaProducer,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._people = people_in(content)
        whereabouts = Whereabouts(joiner)
        self.tail = ApprovalTail(
            tail_of(settings),
            lambda: self._people,
            lambda: joiner().policy,
            knowledge.approve,
            on_bad=self._bad,
            on_gone=knowledge.revoke,
            legal=joiner().legal,
            whereabouts=whereabouts,
            after=tables.ready,
            content=content,
        )
        self.service = ApprovalService(self.tail, producer, lambda: self._people, whereabouts)
        self.ready = self.tail.ready

    def on_init_dependencies(self) -> list[Any]:
        """Start both with this."""
        return [self.tail, self.service]

    def adopt(self, content: bytes) -> None:
        """Go on under another policy, by which is decided already."""
        self._people = people_in(content)
        self.tail.reread(content)

    async def _bad(self, record: Any, error: Any) -> None:
        """A worker puts it away and counts it."""
        log.error("Approval at offset %d does not count: %s", record.offset, error.detail)
