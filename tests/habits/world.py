"""One person's working life in a few lines, for tests of habits."""

from __future__ import annotations

from typing import Any, Final

import orjson

from rules.behaviour import RULES
from rules.habits.anomalies import Anomalies, Telling
from rules.habits.habit import Habit
from rules.habits.observer import Setting
from rules.habits.peers import Peers
from rules.habits.sketch import bloom_of, mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge
from schemas.access import AccessEvent
from schemas.codec import DIRECTORY

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
MONDAY: Final = 1_772_409_600_000
"""2026-03-02T00:00:00Z, a Monday on which nobody in Ireland is off."""

HOLIDAYS: Final = {15, 35, 63, 91}
"""Days after `MONDAY` that are public holidays in Ireland: 17 March, Easter Monday, first Mondays of May and June."""


class Life:
    """Applies accesses of people to their habits, as a worker does."""

    def __init__(self, **thresholds: Any) -> None:
        self.knowledge = Knowledge()
        self.peers = Peers()
        self.anomalies = Anomalies(self.knowledge, Behaviour(**thresholds), DAY, RULES, self.peers)
        self.habits: dict[str, Habit] = {}
        self.told: list[Telling] = []
        self._number = 0

    def row(self, topic: str, **fields: Any) -> None:
        """Take a directory row that always held."""
        row = {"valid_from": 0, "recorded_at": 0, **fields}
        self.knowledge.apply(DIRECTORY[f"directory.{topic}"].decode(orjson.dumps(row)))

    def hire(self, who: str = "e-1", **fields: Any) -> None:
        """Take the rows of an Irish employee."""
        job = {"status": "active", "team": "support", "home_country": "IE", "time_zone": "Europe/Dublin"}
        self.row("employees", employee_id=who, **{**job, **fields})
        self.row("locations", employee_id=who, country="IE", evidence="contract")
        self.row("roles", employee_id=who, role="support-agent")

    def does(self, at: int, who: str = "e-1", country: str | None = "IE", **fields: Any) -> Telling | None:
        """Apply one access; return what is told of it."""
        self._number += 1
        dataset = fields.pop("dataset_id", "d-1")
        address = fields.pop("address", None)
        event = AccessEvent(
            event_id=f"ev-{self._number}",
            occurred_at=at,
            employee_id=who,
            dataset_id=dataset,
            **{"action": "read", "ticket": "T-1", **fields},
        )
        setting = Setting(bloom_of(mark(dataset)), "restricted", dataset == "canary", country, country, address)
        habit = self.habits.setdefault(who, Habit())
        told = self.anomalies.take(who, self.knowledge.find(who), habit, event, setting)
        if told is not None:
            self.told.append(told)
        return told

    def works(self, days: int, who: str = "e-1", first: int = 0, *, accesses: int = 10, records: int = 5) -> int:
        """Work on so many working days from nine to five; return the first midnight after them."""
        done, day = 0, first
        while done < days:
            if day % 7 < 5 and day not in HOLIDAYS:
                for number in range(accesses + (day * 7 + done) % 5):
                    at = MONDAY + day * DAY + 9 * HOUR + number * (8 * HOUR // (accesses + 5))
                    self.does(at, who, record_count=records, subject_ids=(f"s-{who}-{day}-{number // 2}",))
                done += 1
            day += 1
        return day

    def rules(self) -> set[str]:
        """Return the ids of the rules that were told of."""
        return {rule.id for each in self.told for rule, _ in each.signals}
