"""What stands between the topic and a destination that wants every revision by itself: next to nothing.

The same interface as the group book (`alerts/book.py`), without groups: each revision is a notice.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Generic

from alerts.notice import Delivered, Notice, NoticeState, Outcome, Refused
from alerts.plan import Plan
from alerts.settling import Due, Settled, T
from schemas.alert import Alert
from schemas.fields import known
from schemas.receipt import Receipt, ReceiptState

OVER: Final = ("resolved", "withdrawn")


class Straight(Generic[T]):
    """Makes one notice of each revision; `T` comes back when it is settled."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._waiting: list[Due[T]] = []
        self._alerts: dict[str, tuple[Alert, T]] = {}
        """By notice, what it is about, until it is settled."""
        self._parked: set[str] = set()
        self._settled: list[Settled[T]] = []

    def take(self, alert: Alert, ref: T, now: int) -> None:
        """Take a revision of an alert that is routed here."""
        if alert.dedup_key in self._parked:
            self._put(alert, ref, "parked", {"reason": "behind an earlier one of its key that is parked"})
            return
        notice = notice_of(self._destination, alert, now)
        self._waiting.append(Due(notice=notice, refs=(ref,)))
        self._alerts[notice.id] = alert, ref

    def silence(self, alert: Alert, silence: str, ref: T, now: int) -> None:  # noqa: ARG002 - a book's interface
        """Take a revision that a silence holds back: it is not told, also later. A SIEM is silenced by name only."""
        self._settled.append(Settled(alert=alert, ref=ref, state="silenced", group=alert.dedup_key, silence=silence))

    def due(self, now: int) -> list[Due[T]]:  # noqa: ARG002 - nothing here waits
        """Return what is to be sent."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def next_due(self) -> int | None:
        """Return when `due` has something again."""
        return 0 if self._waiting else None

    def settle(self, due: Due[T], outcome: Outcome, now: int, retry_at: int | None = None) -> None:  # noqa: ARG002
        """Note what came of a notice."""
        alert, ref = self._alerts.pop(due.notice.id, (due.notice.alerts[0], due.refs[0]))
        if isinstance(outcome, Delivered):
            self._put(alert, ref, "delivered", outcome.answer, due.notice.id)
        elif isinstance(outcome, Refused):
            self._parked.add(alert.dedup_key)
            self._put(alert, ref, "parked", {"reason": outcome.reason}, due.notice.id)

    def hold(self, key: str) -> None:
        """Something is parked under this key: what comes later parks behind it."""
        self._parked.add(key)

    def unpark(self, key: str) -> None:
        """What was parked under this key comes again."""
        self._parked.discard(key)

    def settled(self) -> list[Settled[T]]:
        """Return what was settled since the last call."""
        settled, self._settled = self._settled, []
        return settled

    def restore(self, receipt: Receipt, alert: Alert | None, ref: T) -> None:  # noqa: ARG002 - a book's interface
        """Take note of a receipt of before: what was parked stays parked."""
        if receipt.state == "parked":
            self._parked.add(receipt.group)

    def resume(self, now: int) -> None:
        """Nothing was told that is not known: every revision has a receipt of its own, or comes again."""

    def hurry(self, now: int) -> None:
        """Nothing here waits."""

    def replan(self, plan: Plan, now: int) -> None:
        """Nothing here depends on the plan."""

    @property
    def pending(self) -> int:
        """Refs that are not settled."""
        return len(self._alerts)

    @property
    def silenced(self) -> dict[str, int]:
        """Nothing is kept for the end of a silence."""
        return {}

    def key(self, alert: Alert) -> str:
        """Return the key under which an alert is told and parked."""
        return alert.dedup_key

    def _put(self, alert: Alert, ref: T, state: ReceiptState, answer: dict[str, str], notice: str = "") -> None:
        self._settled.append(
            Settled(alert=alert, ref=ref, state=state, group=alert.dedup_key, notice=notice, answer=answer)
        )


def notice_of(destination: str, alert: Alert, now: int) -> Notice:
    """Return the notice about one revision of one alert."""
    over = alert.status in OVER
    handled = known(alert.handled)
    acknowledged = handled is not None and handled.state == "acknowledged"
    state: NoticeState = "resolved" if over else "acknowledged" if acknowledged else "firing"
    name = f"{destination}|{alert.alert_id}|{alert.revision}".encode()
    return Notice(
        id=blake2b(name, digest_size=16).hexdigest(),
        key=alert.dedup_key,
        state=state,
        alerts=(alert,),
        firing=0 if over else 1,
        severity=alert.severity,
        title=alert.title,
        started_at=alert.detected_at,
        at=now,
        test=alert.test,
    )
