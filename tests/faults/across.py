"""The real workers judging across people under faults: crowds of data subjects, and the peers' versions of days."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from rules.cases import DATASET
from rules.habits.overseer import PeersVersion
from rules.session import Session
from schemas.topics import STATE_PEERS
from tests.faults.habits import HabitRun
from tests.habits.world import DAY, HOUR

PEOPLE, DAYS = 12, 12
CROWDED_DAY, SUBJECTS = 5, 12
"""On one day everybody looks up the same few: the order of a day's visits must not matter, that of days may."""

_versions = msgspec.msgpack.Decoder(PeersVersion).decode
Rows = set[tuple[int, int, bytes]]


@dataclass
class AcrossRun(HabitRun):
    """A dozen people for a dozen days, who look up the same few data subjects without a ticket."""

    peers: Rows = field(default_factory=set)

    def _plan(self) -> tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]]]:
        random = Random(3)
        start = self.now // DAY * DAY - (DAYS + 2) * DAY
        known = {"valid_from": start - DAY, "recorded_at": start - DAY}
        self.rows = [("directory.datasets", {"dataset_id": "d-1", **known, **DATASET})]
        events: list[dict[str, Any]] = []
        for number in range(PEOPLE):
            who = {"employee_id": f"e-{number}", **known}
            job = {"status": "active", "team": "t", "home_country": "IE", "time_zone": "UTC"}
            self.rows.append(("directory.employees", {**who, **job}))
            self.rows.append(("directory.roles", {**who, "role": "support-agent"}))
            self.rows.append(("directory.locations", {**who, "country": "IE", "evidence": "contract"}))
            for day in range(DAYS):
                for _ in range(40 if day == CROWDED_DAY else random.randrange(3, 8)):
                    crowded = day == CROWDED_DAY and random.random() < 0.6
                    subject = f"s-{random.randrange(SUBJECTS)}" if crowded else f"s-{random.random()}"
                    at = start + day * DAY + random.randrange(8 * HOUR, 18 * HOUR)
                    event = {"employee_id": f"e-{number}", "occurred_at": at, "subject_ids": [subject]}
                    events.append({**event, "dataset_id": "d-1", "action": "read", "purpose": "support"})
        events.sort(key=lambda event: event["occurred_at"])
        return self.rows, [{**event, "event_id": f"x-{number}"} for number, event in enumerate(events)]

    def _judged(self, session: Session) -> None:
        last = self.events_sent[-1]["occurred_at"]  # its day is not over
        session.peers.of(0, last + HOUR, 1)  # closes what is
        self.peers = {
            (day, person, group.rows)
            for day, groups in session.peers.versions().items()
            for group in groups
            for person in group.people
        }

    async def peer_rows(self) -> Rows:
        """What the versions in the topic say, one row a person."""
        found = [_versions(record.value) for record in await self._all(STATE_PEERS, 1) if record.value]
        groups = [(version.day, group) for version in found for group in version.groups]
        return {(day, person, group.rows) for day, group in groups for person in group.people}
