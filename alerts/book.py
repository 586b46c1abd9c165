"""The group book of one destination that tells people: what is told now, what waits, what was told.

A pure state machine: no clock, no network; `now` is handed in, integer milliseconds since 1970. The engine calls
`take` or `silence` for each revision that it reads, `due` when `next_due` says so (and after taking), sends what it
gets, calls `settle` (or `park`) with what came of it, and after any of these empties `settled`.
"""

from __future__ import annotations

import heapq
from typing import Final

from alerts.groups import ALWAYS_PREFIXES, DIGEST_PREFIX, Entry, Group, Member, acknowledged, group_key, over
from alerts.holding import again_every
from alerts.notice import Delivered, Outcome, Refused
from alerts.plan import Plan
from alerts.routing import RANK
from alerts.settling import Due, Settled, T
from alerts.telling import Telling
from schemas.alert import Alert
from schemas.errors import InvariantError
from schemas.receipt import ANSWER_MAX, Receipt, ReceiptState

__all__ = ["Book", "Due", "Settled"]

_TOLD: Final = frozenset({"delivered", "grouped", "digested"})
_DONE: Final = frozenset({"resolved", "withdrawn"})
_OURS: Final = frozenset({"note", "reason", "told", "digest"})
"""Parts of a receipt's answer that the book put there, not the destination."""


class Book(Telling[T]):
    """The groups of one grouped destination. `T` is whatever the engine wants back when an alert is settled."""

    def take(self, alert: Alert, ref: T, now: int) -> None:
        """Take a revision of an alert that is routed here. `ref` comes back in `settled`, once."""
        self._refs += 1
        self._take(alert, ref, now, first=True)

    def silence(self, alert: Alert, silence: str, ref: T, now: int) -> None:
        """Take a revision that a silence holds back; it is told when the silence ends and it is open still.

        The end of something that was told is told through a silence: `ref` comes back when it is.
        """
        self._refs += 1
        self._silence(alert, silence, ref, now, first=True)

    def due(self, now: int) -> list[Due[T]]:
        """Return what is to be sent now. Of one key there is at most one notice out, until it is settled."""
        if self._release_at is not None and self._release_at <= now:
            self._release(now)
        found: list[Due[T]] = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            group = self._groups.get(key)
            if group is not None and group.at == at:
                group.at = None
                self._look(group, now, found)
                self._schedule(group, now)
        if self._waiting and self._limit_at is not None and self._limit_at <= now:
            self._share(now, found)
        return found

    def next_due(self) -> int | None:
        """Return when `due` has something to do again, if nothing is taken or settled before; None: never."""
        while self._heap:
            at, key = self._heap[0]
            group = self._groups.get(key)
            if group is not None and group.at == at:
                break
            heapq.heappop(self._heap)
        times = (
            self._heap[0][0] if self._heap else None,
            self._limit_at if self._waiting else None,
            self._release_at,
        )
        return min((time for time in times if time is not None), default=None)

    def settle(self, due: Due[T], outcome: Outcome, now: int, retry_at: int | None = None) -> None:
        """Note what came of a notice. `Refused` parks it; after `Failed` the same notice is due again at `retry_at`.

        Raises:
            InvariantError: the book does not have this notice out.
        """
        if isinstance(outcome, Refused):
            self.park(due, outcome.reason, now)
            return
        sending = self._sending(due)
        owner = sending.owner
        if not isinstance(outcome, Delivered):
            if due.notice.again:  # the next one comes by itself
                owner.out = None
                owner.again_at = now + (self._again or 0)
            else:
                sending.retry_at = now if retry_at is None else retry_at
            self._schedule(owner, now)
            return
        owner.out = None
        if due.notice.again:
            owner.before = outcome.answer or owner.before
        elif owner.covers is not None:
            self._told_digest(owner, sending, outcome.answer, now)
        else:
            self._told_group(owner, sending, outcome.answer, now)
        owner.again_at = None if self._again is None or owner.told_state == "resolved" else now + self._again
        self._schedule(owner, now)

    def park(self, due: Due[T], reason: str, now: int) -> None:
        """Give a notice up: its alerts are settled as `parked`, and later ones of its groups park behind them.

        A repetition is dropped, and nothing is parked.

        Raises:
            InvariantError: the book does not have this notice out.
        """
        sending = self._sending(due)
        owner = sending.owner
        owner.out = None
        if due.notice.again:
            owner.again_at = None if self._again is None else now + self._again
        elif owner.covers is not None and owner.own:
            self._park_end(owner, sending.hold, reason, now)
        else:
            owner.covers = None
            for group, entry in sending.entries:
                group.out = None
                self._park(group, entry, reason, now)
        self._schedule(owner, now)

    def hold(self, key: str) -> None:
        """Something is parked under this key: what comes later parks behind it."""
        self._parked.add(key)

    def unpark(self, key: str) -> None:
        """Let a group be told of again; the engine takes what is parked for it anew, in order, before anything else."""
        self._parked.discard(key)

    def resume(self, now: int) -> None:
        """A former process told this destination of alerts; `now` is when this one began.

        It may have died between an answer and its receipt. So the end of an alert that was detected before is told
        even where no receipt says that its beginning was: a receiver that does not know it has nothing to end.
        """
        self._resumed_at = now

    def restore(self, receipt: Receipt, alert: Alert | None, ref: T) -> None:
        """Rebuild from the newest receipt of an alert, before anything is taken.

        Args:
            receipt: of this destination.
            alert: the newest revision in the alerts topic, where there is one; needed of those that are open.
            ref: made from the receipt; comes back (`first=False`) if a silence of it ends.
        """
        key = receipt.group
        if receipt.state == "digested" or not key:
            key = receipt.dedup_key if alert is None else group_key(alert, self._to.group_by)
        told = receipt.state in _TOLD or "told" in receipt.answer
        if receipt.state == "parked":
            self._parked.add(key)
            if key.startswith(DIGEST_PREFIX):
                self._where[receipt.alert_id] = key
                whole = self._group(key)
                whole.covers, whole.own, whole.told_state = set(), True, "firing"
                whole.before = _theirs(receipt)
                return
        if receipt.state == "silenced" and alert is not None and not over(alert):
            self._hold(alert, ref, receipt.silence)
        same = alert is not None and alert.revision == receipt.revision
        done = receipt.status in _DONE or (same and alert is not None and over(alert))
        if done and receipt.state != "parked":
            self._remember(receipt.alert_id, receipt.revision, receipt.state, key, receipt.notice)
        elif told:
            self._restore_told(receipt, alert, key)

    def replan(self, plan: Plan, now: int) -> None:
        """Go on under another version of the policy: silences end or begin, limits and times change.

        Raises:
            InvariantError: the destination is not in it any more.
        """
        if self._name not in plan.destinations:
            raise InvariantError(f"the policy has no destination {self._name} any more")
        self._plan, self._to = plan, plan.destinations[self._name]
        self._window = self._window.under(self._to.rate_limit)
        self._again = again_every(self._to)
        for group in list(self._groups.values()):
            self._recheck(group, now, routes=True)
            if self._window.limit is None:
                self._unwait(group)
            if self._again is None:
                group.again_at = None
            elif group.again_at is None and group.own and group.told_state != "resolved":
                group.again_at = now
            self._schedule(group, now)
        self._release(now)

    def _park(self, group: Group[T], entry: Entry[T], reason: str, now: int) -> None:
        """Park a revision and what waits behind it."""
        self._parked.add(group.key)
        behind, group.pending = group.pending, {}
        after, group.after = group.after, None
        for each in (entry, *behind.values(), *(() if after is None else (after,))):
            member = group.members.get(each.alert.alert_id)
            answer = {**self._told_before(group, member), "reason": reason[:ANSWER_MAX]}
            self._out(self._hand(each.refs, "parked", group.key, answer=answer))
            if member is not None:
                member.out = False
                if member.told < 0:
                    self._drop(group, each.alert.alert_id)
        self._schedule(group, now)

    def _park_end(self, whole: Group[T], hold: list[Settled[T]], reason: str, now: int) -> None:
        """Park the end of a digest with the alerts whose end brought it; what else waited for it was told."""
        parked = [each for each in hold if over(each.alert)]
        self._out([each for each in hold if not over(each.alert)])
        for each in parked:
            self._parked.add(whole.key)
            self._over.pop(each.alert.alert_id, None)
            self._where[each.alert.alert_id] = whole.key
            answer = {**whole.before, "reason": reason[:ANSWER_MAX]}
            self._out(self._hand([(each.alert, each.ref, each.first)], "parked", whole.key, answer=answer))
        if not parked:
            whole.end_at = now + self._to.group_interval

    def _restore_told(self, receipt: Receipt, alert: Alert | None, key: str) -> None:
        """Note what the destination has of an alert that was open when it was told."""
        group = self._group(key)
        group.always = key.startswith(ALWAYS_PREFIXES)
        same = alert if alert is not None and alert.revision == receipt.revision else None
        state: ReceiptState = receipt.state if receipt.state in _TOLD else "grouped"
        # A later revision was silenced or parked: what was told is an earlier one.
        revision = receipt.revision if receipt.state in _TOLD else max(0, receipt.revision - 1)
        member = Member(
            revision=revision,
            open=True,
            acknowledged=same is not None and acknowledged(same),
            rank=0 if same is None else RANK[same.severity],
            told=revision,
            state=state,
            notice=receipt.notice or receipt.answer.get("told", ""),
        )
        group.enter(receipt.alert_id, member, receipt.published_at if alert is None else alert.detected_at)
        self._where[receipt.alert_id] = key
        if alert is not None:
            group.last = alert
            self._sample(group, (alert,))
        group.told_at = max(group.told_at, receipt.at)
        group.told_state = group.state
        group.told_rank = group.rank
        group.told_notice = member.notice
        if receipt.state == "digested":
            group.digest_at, name = max(group.digest_at, receipt.at), receipt.group
        else:
            group.own = True
            if receipt.at >= group.own_at:
                group.own_at, group.before = receipt.at, _theirs(receipt)
            name = ""
        self._rejoin(group, name, receipt, alert)
        if self._again is not None and group.own:
            group.again_at = group.told_at + self._again
        self._schedule(group, receipt.at)

    def _rejoin(self, group: Group[T], name: str, receipt: Receipt, alert: Alert | None) -> None:
        """Put a group into its newest digest, or take it out where it was told of by itself since."""
        if name and receipt.at >= group.digest_at and receipt.at > group.own_at:
            former = self._groups.get(group.digest or "")
            if former is not None and former.covers is not None and former.key != name:
                former.covers.discard(group.key)
                self._forget_empty(former)
            whole = self._group(name)
            if whole.covers is None:
                whole.covers = set()
            whole.covers.add(group.key)
            whole.own, whole.told_state, whole.before = True, "firing", _theirs(receipt)
            whole.told_notice, whole.told_at = receipt.notice, receipt.at
            if alert is not None:
                whole.last = alert
                self._sample(whole, (alert,))
            if self._again is not None:
                whole.again_at = receipt.at + self._again
            group.digest = name
            self._schedule(whole, receipt.at)
        elif group.digest is not None and group.own_at >= group.digest_at:
            former = self._groups.get(group.digest)
            group.digest = None
            if former is not None and former.covers is not None:
                former.covers.discard(group.key)
                self._forget_empty(former)

    def _forget_empty(self, whole: Group[T]) -> None:
        """Forget a digest without groups: its end was told before the receipts that say so were written."""
        if not whole.covers and whole.key not in self._parked:
            whole.covers, whole.own, whole.again_at = None, False, None
            self._schedule(whole, whole.told_at)


def _theirs(receipt: Receipt) -> dict[str, str]:
    """Return what the destination answered."""
    return {name: value for name, value in receipt.answer.items() if name not in _OURS}
