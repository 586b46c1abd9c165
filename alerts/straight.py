"""What stands between the topic and a destination that wants every revision by itself: next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from alerts.notice import Notice, NoticeState, Outcome, Refused
from alerts.outgoing import Outgoing, Settled
from schemas.alert import Alert

OVER: Final = ("resolved", "withdrawn")


class Straight:
    """Makes one notice of each revision. The same interface as the book of a destination with groups."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._waiting: list[Outgoing] = []
        self._parked: set[str] = set()

    def take(self, alert: Alert, ref: Any, now: int) -> list[Settled]:
        """Take a revision; returns what is settled at once: it parks behind an earlier one of its key."""
        if alert.dedup_key in self._parked:
            return [Settled(ref, "parked", alert.dedup_key, "", {})]
        self._waiting.append(Outgoing(notice_of(self._destination, alert, now), (ref,)))
        return []

    def due(self, now: int) -> list[Outgoing]:  # noqa: ARG002 - nothing here waits
        """Return what is to be sent."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def next_due(self) -> int | None:
        """Return when to ask again: `due` has given everything."""
        return 0 if self._waiting else None

    def settle(self, outgoing: Outgoing, outcome: Outcome, now: int) -> list[Settled]:  # noqa: ARG002
        """Return what became of the revision."""
        notice = outgoing.notice
        if isinstance(outcome, Refused):
            self._parked.add(notice.key)
            return [Settled(ref, "parked", notice.key, notice.id, {}) for ref in outgoing.refs]
        return [Settled(ref, "delivered", notice.key, notice.id, {}) for ref in outgoing.refs]

    def park(self, keys: Sequence[str]) -> None:
        """These keys have parked alerts: later ones park behind them."""
        self._parked.update(keys)

    def unpark(self, keys: Sequence[str]) -> None:
        """What was parked under these keys comes again."""
        self._parked.difference_update(keys)

    @property
    def held(self) -> int:
        """Alerts that wait here."""
        return len(self._waiting)


def notice_of(destination: str, alert: Alert, now: int) -> Notice:
    """Return the notice about one revision of one alert."""
    over = alert.status in OVER
    acknowledged = bool(alert.handled) and alert.handled.state == "acknowledged"
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
