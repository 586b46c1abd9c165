"""Which notices a group book makes of what waits, and what is noted when they are answered."""

from __future__ import annotations

from alerts.groups import AGAIN_MAX, DIGEST_PREFIX, Entry, Group, Sending, notice_id, over
from alerts.holding import CRITICAL
from alerts.hushing import Hushing
from alerts.notice import Notice
from alerts.routing import RANK
from alerts.settling import Due, Settled, T
from schemas.alert import SEVERITIES, Alert
from schemas.errors import InvariantError
from schemas.receipt import ReceiptState


class Telling(Hushing[T]):
    """From what waits to notices, and from their outcomes to what was told."""

    def hurry(self, now: int) -> None:
        """Tell now of what groups collect for their next message: for when too much is held unsettled to read on."""
        for group in list(self._groups.values()):
            if group.pending and group.told and group.out is None:
                group.told_at = min(group.told_at, now - self._to.group_interval)
                group.pending_since = min(group.pending_since, now)
                self._schedule(group, now)

    def _look(self, group: Group[T], now: int, found: list[Due[T]]) -> None:
        """Append what is to be sent of a group whose time has come."""
        sending = group.out
        if sending is not None:
            if sending.owner is group and sending.retry_at is not None and sending.retry_at <= now:
                sending.retry_at = None
                found.append(sending.due)
            return
        news = self._news(group)
        if news is not None and news <= now:
            if group.covers is not None:
                found.append(self._end(group, now))
                return
            self._recheck(group, now)
            if group.pending:
                if group.page and not group.always and self._window.limit is not None:
                    group.waiting = now  # `_schedule`, which follows, finds out until when
                else:
                    found.append(self._message(group, now))
                return
        if group.again_at is not None and group.again_at <= now:
            self._repeat(group, now, found)

    def _message(self, group: Group[T], now: int) -> Due[T]:
        entries = list(group.pending.values())
        alerts = tuple(entry.alert for entry in entries)
        notice = group.notice(self._name, alerts, now, group.open, group.rank)
        return self._send(group, notice, [(group, entry) for entry in entries])

    def _send(self, owner: Group[T], notice: Notice, entries: list[tuple[Group[T], Entry[T]]]) -> Due[T]:
        """Put a notice on its way: no other of these groups is made until it is answered."""
        due = Due(notice=notice, refs=tuple(ref for _, entry in entries for _, ref, _ in entry.refs))
        owner.out = sending = Sending(due, owner, entries)
        for group, entry in entries:
            group.out = sending
            group.members[entry.alert.alert_id].out = True
            group.pending = {}
        return due

    def _repeat(self, group: Group[T], now: int, found: list[Due[T]]) -> None:
        """Append a repetition of a group that is open still."""
        alerts = tuple(alert for alert_id, alert in group.sample.items() if alert_id in self._where)
        alerts = alerts or (() if group.last is None else (group.last,))
        if self._again is None or not alerts or group.key in self._parked:
            group.again_at = None if self._again is None else now + self._again
            return
        within = [group] if group.covers is None else [self._groups[key] for key in sorted(group.covers)]
        firing, rank = sum(each.open for each in within), max(each.rank for each in within)
        found.append(self._send(group, group.notice(self._name, alerts, now, firing, rank, again=True), []))

    def _share(self, now: int, found: list[Due[T]]) -> None:
        """Give what waits its part of the limit: the gravest first, and what is left over for too long in a digest."""
        self._limit_at = None
        total, lesser = self._window.room(now)
        waiting = [group for key in self._waiting if (group := self._groups[key]).out is None]
        if total and waiting:
            waiting.sort(key=lambda group: (-group.rank, group.waiting or 0))
            alone: list[Group[T]] = []
            rest: list[Group[T]] = []
            for group in waiting:
                room = total if group.rank >= CRITICAL else lesser
                (alone if len(alone) < room else rest).append(group)
            if rest and self._digest_due(len(rest)) <= now:
                if len(alone) == total:
                    rest.insert(0, alone.pop())
                if len(rest) == 1:
                    alone += rest
                else:
                    found.append(self._sum_up(rest, now))
            for group in alone:
                self._unwait(group)
                self._window.add(now)
                found.append(self._message(group, now))
                self._schedule(group, now)
        for key in self._waiting:
            if self._groups[key].out is None:
                self._await(self._groups[key], now)

    def _sum_up(self, groups: list[Group[T]], now: int) -> Due[T]:
        entries = [(group, entry) for group in groups for entry in group.pending.values()]
        entries.sort(key=lambda each: -RANK[each[1].alert.severity])
        alerts = tuple(entry.alert for _, entry in entries)
        ident = notice_id(self._name, "digest", alerts)
        owner = self._group(DIGEST_PREFIX + ident)
        owner.covers = {group.key for group in groups}
        owner.started_at = min(alert.detected_at for alert in alerts)
        for group in groups:
            self._unwait(group)
        self._window.add(now)
        self._digest_at = now
        title = (
            f"{len(alerts)} alerts of {len(groups)} incidents were held back by the limit of {self._window.limit} "
            f"messages a minute; the gravest: {alerts[0].title}"
        )
        notice = Notice(
            id=ident,
            key=owner.key,
            state="firing",
            alerts=alerts,
            firing=sum(group.open for group in groups),
            severity=SEVERITIES[max(group.rank for group in groups)],
            title=title,
            started_at=owner.started_at,
            at=now,
            digest=True,
        )
        due = self._send(owner, notice, entries)
        self._schedule(owner, now)
        return due

    def _end(self, whole: Group[T], now: int) -> Due[T]:
        """Return the end of a digest: of the alerts whose end brought it."""
        hold, whole.hold, whole.end_at = whole.hold, [], None
        last: dict[str, Alert] = {}
        for each in hold:
            last[each.alert.alert_id] = each.alert
        alerts = tuple(last.values()) or (() if whole.last is None else (whole.last,))
        due = Due(
            notice=whole.notice(self._name, alerts, now, 0, -1),
            refs=tuple(each.ref for each in hold),
        )
        whole.out = Sending(due, whole, [], hold)
        return due

    def _sending(self, due: Due[T]) -> Sending[T]:
        group = self._groups.get(due.notice.key)
        sending = None if group is None else group.out
        if sending is None or sending.due is not due:
            raise InvariantError(f"{self._name}: notice {due.notice.id} is not on its way")
        return sending

    def _told_group(self, group: Group[T], sending: Sending[T], answer: dict[str, str], now: int) -> None:
        """Note that the destination has a group's message."""
        notice = sending.due.notice
        group.own, group.own_at = True, now
        group.before = answer or group.before
        self._note(group, notice, RANK[notice.severity], now)
        state: ReceiptState = "delivered" if len(notice.alerts) == 1 else "grouped"
        done: list[Settled[T]] = []
        for _, entry in sending.entries:
            done += self._hand(entry.refs, state, group.key, notice=notice.id, answer=answer)
            self._tell(group, entry, state, notice.id, group.key)
        self._sample(group, notice.alerts)
        self._reread(group)
        if group.after is not None:
            after, group.after = group.after, None
            group.put(after.alert)
            group.pending[after.alert.alert_id], group.pending_since = after, now
        elif notice.state == "resolved":  # what comes of this key from here on is a new incident
            group.own, group.before, group.told_rank = False, {}, -1
            group.started_at = group.last = None
        self._leave(group, done, now)

    def _told_digest(self, whole: Group[T], sending: Sending[T], answer: dict[str, str], now: int) -> None:
        """Note that the destination has a digest, or the end of one."""
        notice = sending.due.notice
        whole.before = answer or whole.before
        self._note(whole, notice, RANK[notice.severity], now)
        if notice.state == "resolved":
            for each in sending.hold:
                if over(each.alert):
                    self._remember(each.alert.alert_id, each.alert.revision, each.state, each.group, each.notice)
            self._out(sending.hold)
            whole.covers, whole.own = None, False
            return
        whole.own, whole.last = True, notice.alerts[0]
        self._sample(whole, notice.alerts)
        done: dict[str, list[Settled[T]]] = {}
        for group, entry in sending.entries:
            done.setdefault(group.key, []).extend(
                self._hand(entry.refs, "digested", whole.key, notice=notice.id, answer=answer)
            )
            self._tell(group, entry, "digested", notice.id, whole.key)
            self._note(group, notice, RANK[entry.alert.severity], now)
        for key, settled in done.items():
            group = self._groups[key]
            group.out = None
            self._leave(group, settled, now)
            group.digest, group.digest_at = whole.key, now
            self._reread(group)
            self._quiet(group, now)
            self._schedule(group, now)

    def _note(self, group: Group[T], notice: Notice, rank: int, now: int) -> None:
        """Note what of a group the destination knows now."""
        before = group.told_rank if group.told_state == notice.state else -1
        group.told_rank = -1 if notice.state == "resolved" else max(rank, before)
        group.told_state = notice.state
        group.told_at = now
        group.told_notice = notice.id

    def _sample(self, group: Group[T], alerts: tuple[Alert, ...]) -> None:
        """Keep some of what was told, for repetitions."""
        if self._again is None:
            return
        for alert in alerts:
            if alert.alert_id in group.sample or len(group.sample) < AGAIN_MAX:
                group.sample[alert.alert_id] = alert
            if over(alert):
                group.sample.pop(alert.alert_id, None)

    def _reread(self, group: Group[T]) -> None:
        """Settle what was read again while it was on its way."""
        for alert_id, entry in list(group.pending.items()):
            member = group.members.get(alert_id)
            told = self._over.get(alert_id) if member is None else (member.told, member.state, group.key, member.notice)
            if told is not None and entry.alert.revision <= told[0]:
                del group.pending[alert_id]
                _, state, key, notice = told
                self._out(self._hand(entry.refs, state, key, notice=notice, repeated=True))
