"""What a group book holds, and the few steps that everything it does is made of."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic

from alerts.groups import Entry, Group, Member, group_key
from alerts.limits import DIGEST_AFTER, DIGEST_EVERY, DIGEST_GROUPS, Window
from alerts.plan import DestinationPlan, Plan
from alerts.routing import RANK
from alerts.settling import Settled, T
from schemas.alert import Alert
from schemas.receipt import ReceiptState

CRITICAL: Final = RANK["critical"]

OVER_MAX: Final = 50_000
"""Alerts that are over and told, whose revision is remembered: what is read again after a restart or a rebalance is
recognised among these. A partition holds fewer between two commits."""

NOTE_OVER: Final = "it was over before it was told"
NOTE_DIGEST: Final = "its group was told of in a digest, whose end tells of its end"


@dataclass(slots=True)
class Held(Generic[T]):
    """An open alert that a silence holds back."""

    alert: Alert
    ref: T
    silence: str


class Holding(Generic[T]):
    """Groups, silenced alerts and parked keys of one destination, and when something is to be done."""

    def __init__(self, plan: Plan, destination: str) -> None:
        """Start empty; `destination` is a name in `plan.destinations`."""
        self._plan = plan
        self._name = destination
        self._to: DestinationPlan = plan.destinations[destination]
        self._window = Window(self._to.rate_limit)
        self._again: int | None = again_every(self._to)
        self._groups: dict[str, Group[T]] = {}
        self._where: dict[str, str] = {}
        """The group in which an alert is that is not over."""
        self._over: OrderedDict[str, tuple[int, ReceiptState, str, str]] = OrderedDict()
        self._parked: set[str] = set()
        self._silenced: dict[str, Held[T]] = {}
        self._silences: Counter[str] = Counter()
        self._waiting: dict[str, None] = {}
        self._heap: list[tuple[int, str]] = []
        self._settled: list[Settled[T]] = []
        self._refs = 0
        self._digest_at: int | None = None
        self._limit_at: int | None = None
        self._release_at: int | None = None
        self._resumed_at: int | None = None

    @property
    def pending(self) -> int:
        """Refs that are not settled: the engine stops reading when they are too many."""
        return self._refs

    @property
    def silenced(self) -> Mapping[str, int]:
        """By silence: how many open alerts it holds back."""
        return {silence: count for silence, count in self._silences.items() if count}

    @property
    def parked(self) -> frozenset[str]:
        """Keys of groups that are parked."""
        return frozenset(self._parked)

    def settled(self) -> list[Settled[T]]:
        """Return what was settled since the last call."""
        found, self._settled = self._settled, []
        return found

    def key(self, alert: Alert) -> str:
        """Return the key of the group that an alert belongs to."""
        return self._where.get(alert.alert_id) or group_key(alert, self._to.group_by)

    def _group(self, key: str) -> Group[T]:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key=key)
        return group

    def _hand(
        self,
        refs: list[tuple[Alert, T, bool]],
        state: ReceiptState,
        group: str,
        *,
        notice: str = "",
        silence: str = "",
        answer: Mapping[str, str] | None = None,
        repeated: bool = False,
    ) -> list[Settled[T]]:
        """Return these refs as settled; they are pending until they are put into `_settled`."""
        return [
            Settled(
                alert=alert,
                ref=ref,
                state=state,
                group=group,
                notice=notice,
                silence=silence,
                answer=answer or {},
                first=first,
                repeated=repeated,
            )
            for alert, ref, first in refs
        ]

    def _out(self, settled: list[Settled[T]]) -> None:
        self._refs -= len(settled)
        self._settled += settled

    def _remember(self, alert_id: str, revision: int, state: ReceiptState, group: str, notice: str) -> None:
        """Note an alert that is over."""
        self._where.pop(alert_id, None)
        self._over[alert_id] = (revision, state, group, notice)
        self._over.move_to_end(alert_id)
        if len(self._over) > OVER_MAX:
            self._over.popitem(last=False)

    def _drop(self, group: Group[T], alert_id: str) -> None:
        group.drop(alert_id)
        if self._where.get(alert_id) == group.key:
            del self._where[alert_id]

    def _unhold(self, alert_id: str) -> None:
        held = self._silenced.pop(alert_id, None)
        if held is not None:
            self._silences[held.silence] -= 1

    def _hold(self, alert: Alert, ref: T, silence: str) -> None:
        self._unhold(alert.alert_id)
        self._silenced[alert.alert_id] = Held(alert, ref, silence)
        self._silences[silence] += 1
        ends = next((each.until for each in self._plan.silences if each.id == silence), 0)
        self._release_at = ends if self._release_at is None else min(ends, self._release_at)

    def _told_before(self, group: Group[T] | None, member: Member | None) -> dict[str, str]:
        """Return what a receipt keeps of one that it replaces: the destination has an earlier revision open."""
        if group is None or member is None or member.told < 0:
            return {}
        return {**group.before, "told": member.notice}

    def _quiet(self, group: Group[T], now: int) -> None:
        """Settle what needs no message, because a digest told of the group and its end will."""
        if group.digest is None or group.own or group.out is not None:
            return
        alive = group.open > 0
        done: list[Settled[T]] = []
        for alert_id, entry in list(group.pending.items()):
            member = group.members[alert_id]
            if alive and (
                member.told < 0 or (member.open and not member.acknowledged and member.rank > group.told_rank)
            ):
                continue
            del group.pending[alert_id]
            answer = {**group.before, "note": NOTE_DIGEST}
            done += self._hand(entry.refs, "digested", group.digest, notice=group.told_notice, answer=answer)
            self._tell(group, entry, "digested", group.told_notice, group.digest)
        if not alive:
            self._leave(group, done, now)
        else:
            self._out(done)

    def _tell(self, group: Group[T], entry: Entry[T], state: ReceiptState, notice: str, told_by: str) -> None:
        """Note that the destination has a revision."""
        alert = entry.alert
        member = group.members.get(alert.alert_id)
        if member is None:
            return
        member.told, member.out, member.state, member.notice = alert.revision, False, state, notice
        group.last = alert
        if not member.open and member.revision <= member.told:
            self._remember(alert.alert_id, alert.revision, state, told_by, notice)
            group.drop(alert.alert_id)

    def _leave(self, group: Group[T], settled: list[Settled[T]], now: int) -> None:
        """Take a group out of its digest; where that ends the digest, `settled` waits until its end is told."""
        whole = self._groups.get(group.digest or "")
        group.digest = None
        if whole is not None and whole.covers is not None:
            whole.covers.discard(group.key)
            if not whole.covers:
                whole.hold += settled
                whole.end_at, settled = now, []
            self._schedule(whole, now)
        self._out(settled)

    def _schedule(self, group: Group[T], now: int) -> None:
        """Note when a group is to be looked at next; forget it where there is nothing to remember."""
        if group.waiting is not None:
            if group.pending and group.page:
                self._await(group, now)
            else:
                self._unwait(group)
        if group.idle:
            self._groups.pop(group.key, None)
            group.at = None
            return
        at = self._next(group)
        if at is not None and at != group.at:
            heapq.heappush(self._heap, (max(at, 0), group.key))
        group.at = None if at is None else max(at, 0)

    def _await(self, group: Group[T], now: int) -> None:
        """Note when something that waits for the limit may be told."""
        self._waiting.setdefault(group.key)
        critical = group.rank >= CRITICAL
        if self._limit_at is not None and not critical and len(self._waiting) != DIGEST_GROUPS + 1:
            return  # one more that is no graver is told no sooner than those that wait already
        single = self._window.frees(now, critical=critical)
        together = max(self._digest_due(len(self._waiting)), self._window.frees(now, critical=True))
        at = min(single, together)
        self._limit_at = at if self._limit_at is None else min(at, self._limit_at)

    def _unwait(self, group: Group[T]) -> None:
        group.waiting = None
        self._waiting.pop(group.key, None)

    def _digest_due(self, count: int) -> int:
        """Return from when so many that wait are told of in a digest."""
        if count > DIGEST_GROUPS:
            since = 0
        else:
            oldest = self._groups[next(iter(self._waiting))]
            since = (oldest.waiting or 0) + DIGEST_AFTER
        return since if self._digest_at is None else max(since, self._digest_at + DIGEST_EVERY)

    def _next(self, group: Group[T]) -> int | None:
        if group.out is not None:
            return group.out.retry_at if group.out.owner is group else None
        news = self._news(group)
        if group.again_at is None or news is None:
            return group.again_at if news is None else news
        return min(group.again_at, news)

    def _news(self, group: Group[T]) -> int | None:
        """Return when what waits is to be told; None where nothing waits, or where it waits for the limit."""
        if group.covers is not None:
            return group.pending_since if group.hold else group.end_at
        if not group.pending or group.waiting is not None:
            return None
        if not group.told:
            return group.pending_since + (0 if group.always else self._to.group_wait)
        if group.urgent() and not (group.always and group.state != "firing"):
            return group.pending_since
        return max(group.pending_since, group.told_at + self._to.group_interval)


def again_every(to: DestinationPlan) -> int | None:
    """Return how often what fires is repeated there, in milliseconds; None: never."""
    every = to.kind.again_every_s
    return None if every is None else max(1, int(every * 1000))
