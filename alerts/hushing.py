"""What a group book takes, and what of it a silence holds back until it ends."""

from __future__ import annotations

from alerts.groups import Entry, Group, acknowledged, beginning, over
from alerts.holding import NOTE_OVER, Holding
from alerts.routing import ALWAYS, NotRouted, Routed, Silenced, decide_for
from alerts.settling import T
from schemas.alert import Alert


class Hushing(Holding[T]):
    """Revisions come in: into their group, or behind a silence."""

    def _take(self, alert: Alert, ref: T, now: int, *, first: bool) -> None:
        alert_id = alert.alert_id
        refs = [(alert, ref, first)]
        if self._silenced:
            self._unhold(alert_id)
        if (before := self._over.get(alert_id)) is not None and alert.revision <= before[0]:
            _, state, key, notice = before
            self._out(self._hand(refs, state, key, notice=notice, repeated=True))
            return
        key = self.key(alert)
        group = self._groups.get(key)
        member = None if group is None else group.members.get(alert_id)
        if member is not None and alert.revision <= member.told:
            self._out(self._hand(refs, member.state, key, notice=member.notice, repeated=True))
            return
        if key in self._parked:
            answer = {**self._told_before(group, member), "reason": "what came before it is parked"}
            self._out(self._hand(refs, "parked", key, answer=answer))
            return
        if group is None:
            group = self._group(key)
            group.always = alert.family in ALWAYS
        if group.covers is not None:
            self._end_of_digest(group, refs, now)
            return
        entry = group.pending.get(alert_id)
        untold = member is None or (member.told < 0 and not member.out)
        doubtful = self._resumed_at is not None and alert.detected_at < self._resumed_at
        if group.after is not None:
            self._behind(group.after, alert, refs)
        elif group.always and untold and (over(alert) or acknowledged(alert)):
            self._both(group, Entry(alert, refs), now)
        elif over(alert) and untold and not doubtful:
            if entry is not None:
                refs = entry.refs + refs
                del group.pending[alert_id]
            self._drop(group, alert_id)
            self._remember(alert_id, alert.revision, "over", key, "")
            self._out(self._hand(refs, "over", key, answer={"note": NOTE_OVER}))
        elif entry is not None and alert.revision <= entry.alert.revision:
            entry.refs += refs
        else:
            if member is None or alert.revision >= member.revision:
                group.put(alert)
                self._where[alert_id] = key
            if not group.pending:
                group.pending_since = now
            group.pending[alert_id] = Entry(alert, refs if entry is None else entry.refs + refs)
            self._quiet(group, now)
        self._schedule(group, now)

    def _both(self, group: Group[T], end: Entry[T], now: int) -> None:
        """Let what is always told begin at the destination before it is acknowledged or ends there.

        Else whoever closes the alert of a look before it is sent, as in any backlog, would keep it from everybody.
        """
        alert_id = end.alert.alert_id
        first = group.pending.get(alert_id) or Entry(beginning(end.alert), [])
        group.put(first.alert)
        self._where[alert_id] = group.key
        if not group.pending:
            group.pending_since = now
        group.pending[alert_id] = first
        group.after = end

    @staticmethod
    def _behind(after: Entry[T], alert: Alert, refs: list[tuple[Alert, T, bool]]) -> None:
        """Take a revision that comes while the beginning is not told yet."""
        after.refs += refs
        if alert.revision > after.alert.revision:
            after.alert = alert

    def _end_of_digest(self, whole: Group[T], refs: list[tuple[Alert, T, bool]], now: int) -> None:
        """Take what was parked with the end of a digest: it is told with it."""
        whole.last = refs[-1][0]
        whole.hold += self._hand(refs, "digested", whole.key, notice=whole.told_notice, answer=whole.before)
        self._schedule(whole, now)

    def _silence(self, alert: Alert, silence: str, ref: T, now: int, *, first: bool) -> None:
        alert_id = alert.alert_id
        refs = [(alert, ref, first)]
        held = self._silenced.get(alert_id)
        if held is not None and alert.revision <= held.alert.revision:
            self._out(self._hand(refs, "silenced", "", silence=held.silence, repeated=True))
            return
        key = self.key(alert)
        group = self._groups.get(key)
        member = None if group is None else group.members.get(alert_id)
        told = member is not None and (member.told >= 0 or member.out)
        gone = self._over.get(alert_id)
        if (
            alert.family in ALWAYS
            or key in self._parked
            or (gone is not None and alert.revision <= gone[0])
            or (group is not None and group.covers is not None)
            or (member is not None and alert.revision <= member.told)
            or (told and (over(alert) or acknowledged(alert)))
        ):
            self._take(alert, ref, now, first=first)
            return
        if group is None:
            group = Group(key=key)
        entry = group.pending.pop(alert_id, None)
        self._hush(group, Entry(alert, refs if entry is None else entry.refs + refs), silence)
        self._schedule(group, now)

    def _hush(self, group: Group[T], entry: Entry[T], silence: str) -> None:
        """Settle a revision as silenced, and keep it while it is open."""
        alert = entry.alert
        member = group.members.get(alert.alert_id)
        answer = self._told_before(group, member)
        where, notice = (group.key, member.notice) if member is not None and answer else ("", "")
        self._out(self._hand(entry.refs, "silenced", where, notice=notice, silence=silence, answer=answer))
        if member is not None and member.told < 0 and not member.out:
            self._drop(group, alert.alert_id)
        if over(alert):
            self._unhold(alert.alert_id)
            self._remember(alert.alert_id, alert.revision, "silenced", "", "")
        else:
            self._hold(alert, entry.refs[-1][1], silence)

    def _recheck(self, group: Group[T], now: int, *, routes: bool = False) -> None:
        """Take out of a group what the policy does not want told any more."""
        if not routes and not self._plan.silences:
            return
        for alert_id, entry in list(group.pending.items()):
            member = group.members[alert_id]
            told = member.told >= 0 or member.out
            if told and (not member.open or member.acknowledged):
                continue
            decided = decide_for(self._plan, self._name, entry.alert, now)
            if isinstance(decided, Silenced):
                del group.pending[alert_id]
                self._hush(group, entry, decided.silence)
            elif isinstance(decided, NotRouted) and routes and not told:
                del group.pending[alert_id]
                self._drop(group, alert_id)
                self._out(self._hand(entry.refs, "not_routed", ""))

    def _release(self, now: int) -> None:
        """Take what no silence holds back any more."""
        self._release_at = None
        for alert_id, held in list(self._silenced.items()):
            decided = decide_for(self._plan, self._name, held.alert, now)
            if isinstance(decided, Silenced):
                self._hold(held.alert, held.ref, decided.silence)
                continue
            self._unhold(alert_id)
            if isinstance(decided, Routed):
                self._refs += 1
                self._take(held.alert, held.ref, now, first=False)
