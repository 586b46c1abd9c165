"""Judging accesses as if approvals counted that count no more: those in the form of before each step had a record.

Compaction has left one record of each, and nothing bears out when it was asked for; when the accesses were judged it
may have been there whole. An alert that comes out as it was only so is no difference, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from agents.audit.doubts import alike
from agents.audit.granted import Granted
from rules.judge import Judge
from rules.report import ACCESS as FAMILY
from rules.report import report
from rules.shadow import live_of
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.codec import ACCESS
from schemas.errors import BadRecordError


class AsApproved:
    """The alerts of accesses that such approvals may be about.

    Args:
        granted: the approvals.
        judge: judges, by the directories as they are known when it is asked.
        describe: says where an event came from.
        judged_with: what the verdicts rest on.
    """

    def __init__(
        self, granted: Granted, judge: Judge, describe: Callable[[Any, AccessEvent], EventRef], judged_with: JudgedWith
    ) -> None:
        self._granted, self._judge = granted, judge
        self._describe, self._judged_with = describe, judged_with
        self._alerts: dict[int, Alert | None] = {}

    def take(self, lines: Iterable[Any]) -> None:
        """Judge accesses."""
        if not self._granted.old_form:
            return
        for line in lines:
            try:
                event = ACCESS.decode(line.value)
            except BadRecordError:
                continue
            given = {name: each for name, each in self._granted.old_form.items() if each.person == event.person}
            if given:
                self._alerts[line.offset] = self._alert(line, event, given)

    def explains(self, offset: int, theirs: Alert | None) -> bool:
        """Whether the alert about an access, or that there was none, is what comes out so."""
        return offset in self._alerts and alike(self._alerts[offset], theirs)

    def _alert(self, line: Any, event: AccessEvent, given: dict[str, Any]) -> Alert | None:
        judge, person = self._judge, self._judge.joiner.knowledge.find(event.person)
        verdict = judge.decide(judge.joiner.join(event, person), {**given, **(person.approvals or {})})
        made = report(
            live_of(verdict, judge.policy),
            self._describe(line, event),
            now=line.timestamp,
            detected_at=line.timestamp,
            judged_with=self._judged_with,
            policy=judge.policy,
        )
        return next((alert for alert in made if alert.family == FAMILY), None)
