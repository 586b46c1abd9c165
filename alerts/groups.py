"""One group of alerts as a destination knows it: who is in it, what of it was told, what is to be told next."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic

from msgspec import UNSET, structs

from alerts.notice import Notice, NoticeState
from alerts.routing import ALWAYS, RANK, place_class_of, team_of
from alerts.settling import Due, Settled, T
from schemas.alert import SEVERITIES, Alert
from schemas.fields import known
from schemas.receipt import ReceiptState

AGAIN_MAX: Final = 20
"""Alerts that a repetition lists: they stay in memory for as long as the group fires."""

ALWAYS_PREFIXES: Final = tuple(f"{family}-" for family in sorted(ALWAYS))
"""Begin the keys of what is never grouped."""

DIGEST_PREFIX: Final = "digest-"
"""Begins the key of a digest; a `dedup_key` is hexadecimal."""

_OVER: Final = frozenset({"resolved", "withdrawn"})


@dataclass(slots=True)
class Member:
    """An alert of a group that is open, or whose end is not told yet."""

    revision: int
    open: bool
    acknowledged: bool
    rank: int
    told: int = -1
    """The newest revision that the destination has; -1: none."""
    out: bool = False
    """A notice that tells of it is on its way."""
    state: ReceiptState = "grouped"
    notice: str = ""
    """Of what was told: for a revision that is read twice."""


@dataclass(slots=True)
class Entry(Generic[T]):
    """A revision that waits to be told, with the refs of those that it superseded: (revision, ref, first)."""

    alert: Alert
    refs: list[tuple[Alert, T, bool]]


@dataclass(slots=True)
class Sending(Generic[T]):
    """A notice on its way."""

    due: Due[T]
    owner: Group[T]
    entries: list[tuple[Group[T], Entry[T]]]
    hold: list[Settled[T]] = field(default_factory=list)
    """Of the end of a digest: what is settled when it is told."""
    retry_at: int | None = None
    """None: the engine has it."""


@dataclass(slots=True, eq=False)
class Group(Generic[T]):
    """The alerts of one key. A digest is a group too: of groups, not of alerts (`covers`)."""

    key: str
    members: dict[str, Member] = field(default_factory=dict)
    open: int = 0
    acknowledged: int = 0
    ranks: list[int] = field(default_factory=lambda: [0] * len(SEVERITIES))
    """Open alerts by severity."""
    pending: dict[str, Entry[T]] = field(default_factory=dict)
    pending_since: int = 0
    own: bool = False
    """The destination was told of this key."""
    digest: str | None = None
    """Key of the digest that told of the group, until it is told of by itself."""
    own_at: int = -1
    digest_at: int = -1
    """When it was told of by itself and by a digest: which of them comes last, after a restart."""
    told_state: NoticeState = "resolved"
    told_rank: int = -1
    told_at: int = 0
    told_notice: str = ""
    before: dict[str, str] = field(default_factory=dict)
    started_at: int | None = None
    last: Alert | None = None
    """The one that was told of last, for repetitions."""
    sample: dict[str, Alert] = field(default_factory=dict)
    """Some of the open alerts that were told, for repetitions."""
    again_at: int | None = None
    out: Sending[T] | None = None
    waiting: int | None = None
    """Since when it waits for the rate limit; None: it does not."""
    at: int | None = None
    """When it is looked at next."""
    always: bool = False
    after: Entry[T] | None = None
    """Of what is always told: its end or acknowledgement, which came before its beginning was told and is told next."""
    covers: set[str] | None = None
    """Of a digest: keys of the groups whose end it tells."""
    hold: list[Settled[T]] = field(default_factory=list)
    """Of a digest that is over: settled when its end is told."""
    end_at: int | None = None
    """Of a digest whose end was not taken: when it is told again."""

    @property
    def told(self) -> bool:
        """Whether the destination knows of it, by itself or from a digest."""
        return self.own or self.digest is not None

    @property
    def state(self) -> NoticeState:
        """The state of its alerts, what is not told yet included."""
        if self.covers is not None:
            return "firing" if self.covers else "resolved"
        if not self.open:
            return "resolved"
        return "acknowledged" if self.acknowledged == self.open else "firing"

    @property
    def rank(self) -> int:
        """The gravest of the open alerts; -1 where there is none."""
        return next((rank for rank in range(len(self.ranks) - 1, -1, -1) if self.ranks[rank]), -1)

    @property
    def page(self) -> bool:
        """Whether its next notice counts for the rate limit: not the end or acknowledgement of what was told."""
        state = self.state
        return state == "firing" or (state == "acknowledged" and not self.told)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        waits = self.pending or self.after or self.out or self.hold
        return not (self.members or waits or self.own or self.digest or self.covers)

    def put(self, alert: Alert) -> Member:
        """Take a revision into the state of the group."""
        member = self.members.get(alert.alert_id)
        rank, alive, seen = RANK[alert.severity], not over(alert), acknowledged(alert)
        if member is None:
            member = self.members[alert.alert_id] = Member(alert.revision, alive, seen, rank)
        else:
            self._count(member, -1)
            member.revision, member.open, member.acknowledged, member.rank = alert.revision, alive, seen, rank
        self._count(member, 1)
        if self.started_at is None or alert.detected_at < self.started_at:
            self.started_at = alert.detected_at
        return member

    def enter(self, alert_id: str, member: Member, detected_at: int) -> None:
        """Put an alert that was told before a restart into the group."""
        self.drop(alert_id)
        self.members[alert_id] = member
        self._count(member, 1)
        if self.started_at is None or detected_at < self.started_at:
            self.started_at = detected_at

    def drop(self, alert_id: str) -> None:
        """Take an alert out of the group."""
        member = self.members.pop(alert_id, None)
        if member is not None:
            self._count(member, -1)
        self.sample.pop(alert_id, None)

    def urgent(self) -> bool:
        """Whether what waits cannot wait for the interval: graver, over, acknowledged, or open again."""
        state = self.state
        return self.always or state != self.told_state or (state == "firing" and self.rank > self.told_rank)

    def _count(self, member: Member, by: int) -> None:
        if member.open:
            self.open += by
            self.ranks[member.rank] += by
            if member.acknowledged:
                self.acknowledged += by

    def notice(
        self, destination: str, alerts: tuple[Alert, ...], now: int, firing: int, rank: int, *, again: bool = False
    ) -> Notice:
        """Return the message that tells of these alerts; `firing` alerts are open, the gravest of this rank."""
        gravest = max(alerts, key=lambda alert: RANK[alert.severity])
        more = len(alerts) - 1
        return Notice(
            id=notice_id(destination, self.key, alerts, again=again),
            key=self.key,
            state=self.state,
            alerts=alerts,
            firing=firing,
            severity=SEVERITIES[rank] if rank >= 0 else alerts[-1].severity,
            title=gravest.title if not more else f"{gravest.title} (and {more} more alerts of the same group)",
            started_at=alerts[0].detected_at if self.started_at is None else self.started_at,
            at=now,
            before=self.before,
            again=again,
            digest=self.covers is not None,
        )


def over(alert: Alert) -> bool:
    """Whether an alert is done with: resolved, withdrawn, or closed by somebody."""
    handled = known(alert.handled)
    return alert.status in _OVER or (handled is not None and handled.state == "closed")


def acknowledged(alert: Alert) -> bool:
    """Whether somebody looks at it."""
    handled = known(alert.handled)
    return handled is not None and handled.state == "acknowledged"


def beginning(alert: Alert) -> Alert:
    """Return an alert as it was before somebody acknowledged or closed it, or it was over: what a person is told first.

    Pagers drop the end of what they do not know. It has the revision before, so that the two are not one notice.
    """
    return structs.replace(alert, status="open", handled=UNSET, revision=max(0, alert.revision - 1))


def group_key(alert: Alert, group_by: Iterable[str]) -> str:
    """Return the key of the group of an alert.

    The `dedup_key` itself where that is all that is grouped by, so that a person finds it in the pager; else a digest
    of the values, 32 hex digits. What must always be told is a group of its own.
    """
    if alert.family in ALWAYS:
        return f"{alert.family}-{_digest(alert.alert_id)}"
    names = tuple(group_by)
    if names == ("dedup_key",):
        return alert.dedup_key
    return _digest(*(f"{name}={_value(alert, name)}" for name in names))


def notice_id(destination: str, key: str, alerts: Iterable[Alert], *, again: bool = False) -> str:
    """Return the id of a notice: of these alerts in these revisions, 32 hex digits."""
    told = (f"{alert.alert_id}/{alert.revision}" for alert in alerts)
    return _digest(destination, key, "again" if again else "", *told)


def _value(alert: Alert, name: str) -> str:
    if name == "team":
        return team_of(alert) or ""
    if name == "place_class":
        return place_class_of(alert) or ""
    if name == "person":  # while keys of pseudonyms overlap, the former one still joins what was and what comes
        return known(alert.person_before) or known(alert.person) or ""
    if name == "dataset_id":
        return known(alert.dataset_id) or ""
    return str(getattr(alert, name))


def _digest(*parts: str) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hashed.update(len(data).to_bytes(4, "big"))
        hashed.update(data)
    return hashed.hexdigest()[:32]
