"""Alerts about the stream itself: records that will never be judged. Stored before the commit that passes over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mode import Service

from agents.ledger import TP, Hole, HoleKind
from agents.publisher import Publisher
from rules.report import digest
from schemas.alert import Alert, JudgedWith, Reason, Severity

log = logging.getLogger(__name__)

FAMILY: Final = "stream"


class _Kind(NamedTuple):
    rule_id: str
    severity: Severity
    title: str
    sentence: str


LOST: Final = _Kind(
    "stream.lost_by_retention",
    "critical",
    "Accesses were deleted before they were judged",
    "the broker deleted them before this group read them: its retention is shorter than the group was away",
)
UNEXPLAINED: Final = _Kind(
    "stream.unexplained_gap",
    "high",
    "Offsets were never delivered, and nothing explains it",
    "neither transaction markers nor retention account for them",
)
REWOUND: Final = _Kind(
    "stream.log_went_back",
    "high",
    "A topic's log went back",
    "the topic was created anew or cut: what stood there may be gone unjudged, and reading goes on from its new end",
)
UNSIGNED: Final = _Kind(
    "stream.policy_refused",
    "critical",
    "A policy was put in place that the auditors did not sign",
    "it did not take force, the one before it stays",
)
_TOLD: Final = {HoleKind.LOST_BY_RETENTION: LOST, HoleKind.UNEXPLAINED: UNEXPLAINED}
"""Transaction markers are no loss."""


class Integrity(Service):
    """Publishes what is noted, at once, and keeps commits back until it is stored.

    Args:
        publisher: writes alerts.
        provenance: with what the worker judges now.
        clock: the wall clock, milliseconds.
        published: told of every alert that is stored.
        about: told of its partition, the last offset that it is about, and the alert as it stands in the topic.
    """

    def __init__(
        self,
        publisher: Publisher,
        provenance: Callable[[], JudgedWith],
        clock: Callable[[], int],
        published: Callable[[Alert], None],
        about: Callable[[TP, int, Alert, bytes], None] = lambda *_: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._publisher, self._provenance, self._clock, self._published = publisher, provenance, clock, published
        self._about = about
        self._pending: list[tuple[Alert, TP | None, int]] = []
        self._lock = asyncio.Lock()
        self._noted = asyncio.Event()

    def hole(self, hole: Hole) -> None:
        """Note offsets that will not be delivered."""
        kind = _TOLD.get(hole.kind)
        if kind is not None:
            self._note(kind, hole.tp, hole.first, hole.last)

    def rewound(self, tp: TP, expected: int, first: int) -> None:
        """Note that `first` came where `expected` was to come."""
        self._note(REWOUND, tp, first, expected - 1, at=first)

    def unsigned(self, why: str) -> None:
        """Note that a policy was refused; `why` says which and what is missing. All workers tell of it as one."""
        log.error("%s: %s", UNSIGNED.rule_id, why)
        explanation = f"{why[0].upper()}{why[1:]}. Judging goes on by the policy before it."
        self._add(UNSIGNED, digest(FAMILY, UNSIGNED.rule_id, why), explanation, {}, None, 0)

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:  # noqa: ARG002 - the protocol's signature
        """Return when what was noted is stored."""
        await self._flush()

    @Service.task
    async def _publish(self) -> None:
        while not self.should_stop:
            await self.wait(self._noted.wait())
            self._noted.clear()
            await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            while self._pending:
                alert, tp, last = self._pending[0]
                (told,) = await self._publisher.told([alert])
                await told.sent
                self._pending.pop(0)
                self._published(alert)
                if tp is not None:
                    self._about(tp, last, told.alert, told.value)

    def _note(self, kind: _Kind, tp: TP, first: int, last: int, at: int | None = None) -> None:
        """Note what is told of offsets; `at`: with which offset it counts, where that is not the last."""
        topic, partition = tp
        log.error("%s: topic %s partition %d offsets %d..%d", kind.rule_id, topic, partition, first, last)
        count = last - first + 1
        self._add(
            kind,
            digest(FAMILY, kind.rule_id, topic, partition, first, last),
            f"{topic}, partition {partition}, offsets {first} to {last} ({count}): {kind.sentence}.",
            {"topic": topic, "partition": partition, "first": first, "last": last, "records": count},
            tp,
            last if at is None else at,
        )

    def _add(
        self, kind: _Kind, identity: str, explanation: str, facts: dict[str, Any], tp: TP | None, last: int
    ) -> None:
        now = self._clock()
        alert = Alert(
            alert_id=identity,
            family=FAMILY,
            rule_id=kind.rule_id,
            severity=kind.severity,
            title=kind.title,
            explanation=explanation,
            reasons=(Reason(rule_id=kind.rule_id, rule_version=1, severity=kind.severity, sentence=kind.sentence),),
            occurred_at=now,
            detected_at=now,
            facts=facts,
            judged_with=self._provenance(),
            dedup_key=digest(FAMILY, kind.rule_id, "policy" if tp is None else tp[0]),
        )
        self._pending.append((alert, tp, last))
        self._noted.set()
