"""Everything the directories have told us, one object a person: what the join reads.

Whatever is known of an employee hangs on one `Person`, so that an event costs one look-up. A change of a person's
rows forgets that person's memo; a change of a dataset makes a new `Timeline`, which is part of the memo's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from rules.timeline import Timeline
from schemas.approval import Approval
from schemas.codec import RowKey
from schemas.directory import (
    DatasetRow,
    DutyRow,
    EmployeeRow,
    LocationRow,
    RoleRow,
    Row,
    SubjectRow,
    WorkloadRow,
)

RECENT_MAX: Final = 32
"""Event ids remembered of one person, to tell a repeated delivery from an id that is used twice. Logs repeat a record
within minutes; beyond this many accesses of the same person a repetition is judged again, to the same alert id."""

STRANGERS_MAX: Final = 20_000
"""Principals without any directory row whose memo is kept. They cannot be counted beforehand; the bound caps memory."""

SETTLED_STRANGERS_MAX: Final = 100_000
"""Of those, with a habit of weeks, whose habit is kept: 4 KB each. Names invented by a flood never come so far."""

_WITH_KINDS: Final = frozenset({LocationRow.topic, RoleRow.topic, DutyRow.topic})
"""Topics whose rows of one subject hold side by side, by kind."""


class Person:
    """One principal: their histories, and what the judge remembers of them."""

    __slots__ = (
        "approvals",
        "duties",
        "employment",
        "habit",
        "locations",
        "meaning",
        "partition",
        "recent",
        "roles",
        "workload",
    )

    def __init__(self) -> None:
        self.employment: Timeline[EmployeeRow] | None = None
        self.locations: dict[str, Timeline[LocationRow]] = {}
        self.roles: dict[str, Timeline[RoleRow]] = {}
        self.duties: dict[str, Timeline[DutyRow]] | None = None
        self.workload: Timeline[WorkloadRow] | None = None
        self.approvals: dict[str, Approval] | None = None
        """By id what was ever approved of them (`rules/gateway/granting.py` says when it holds); None: nothing."""
        self.meaning: Any = None
        """What all this means to the rules (`rules/meaning.py`), None until asked; dropped with every change of it."""
        self.partition = -1
        """The partition of `access.events` where this person's records belong; -1 until asked."""
        self.habit: Any = None
        """How they work (`rules/habits/habit.py`), None before the first access that counts in it."""
        self.recent: dict[int, int] | None = None
        """64-bit hash of an event id → hash of its content, the newest last."""

    @property
    def has_rows(self) -> bool:
        """Whether any directory speaks of this principal."""
        return bool(self.employment or self.locations or self.roles or self.duties or self.workload)


class Knowledge:
    """The directories as far as they are known. Rows in, histories out; `changed` counts every change."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.datasets: dict[str, Timeline[DatasetRow]] = {}
        self.subjects: dict[str, Timeline[SubjectRow]] = {}
        self.rows: dict[str, int] = {}
        self.changed = 0
        self._strangers: dict[str, Person] = {}
        self._approved: dict[str, str] = {}
        """By id of an approval whose it is."""
        self._settled: dict[str, Person] = {}
        """Strangers with a habit of weeks."""
        self.forgotten_habits = 0
        """Habits of strangers that were given up because there were too many of them."""

    def apply(self, row: Row) -> None:
        """Take one row; `recorded_at` is filled. A row that is known already changes nothing."""
        self._change(row.topic, row.subject, row.kind, row, None)

    def withdraw(self, topic: str, key: RowKey) -> None:
        """Take one tombstone: withdraw exactly the row of that key."""
        if key.kind and topic not in _WITH_KINDS:
            return  # no row has such a key
        self._change(topic, key.subject, key.kind, None, key)

    def approve(self, approval: Approval) -> None:
        """Take the latest state of an approval, in place of the former of its id. Whether it may count is not asked."""
        self.revoke(approval.approval_id)
        if approval.approved is None:
            return  # it never held: nothing that is judged depends on it
        person = self._person(approval.person)
        person.approvals = {**(person.approvals or {}), approval.approval_id: approval}
        person.meaning = None
        self._approved[approval.approval_id] = approval.person
        self.changed += 1

    def revoke(self, approval_id: str) -> None:
        """Forget an approval, as if there had never been one: its tombstone."""
        name = self._approved.pop(approval_id, None)
        if name is None:
            return
        person = self.people[name]
        person.approvals = {key: each for key, each in (person.approvals or {}).items() if key != approval_id} or None
        person.meaning = None
        self.changed += 1

    def approvals(self) -> Iterator[Approval]:
        """Yield every approval that is known."""
        for approval_id, name in self._approved.items():
            yield (self.people[name].approvals or {})[approval_id]

    def stranger(self, principal: str) -> Person:
        """Return the memory of a principal that no directory speaks of."""
        person = self._strangers.get(principal) or self._settled.get(principal)
        if person is None:
            if len(self._strangers) >= STRANGERS_MAX:
                self._forget_one()
            person = self._strangers[principal] = Person()
        return person

    def _forget_one(self) -> None:
        """Forget the stranger known longest; one with a habit of weeks is kept apart: no flood washes it away."""
        name = next(iter(self._strangers))
        person = self._strangers.pop(name)
        if person.habit is not None and person.habit.settled and len(self._settled) < SETTLED_STRANGERS_MAX:
            self._settled[name] = person
        elif person.habit is not None:
            self.forgotten_habits += 1

    def find(self, principal: str) -> Person:
        """Return what is known of a principal, be it nothing."""
        return self.people.get(principal) or self.stranger(principal)

    def known(self, principal: str) -> Person | None:
        """Return what is remembered of a principal, None where that is nothing."""
        return self.people.get(principal) or self._strangers.get(principal) or self._settled.get(principal)

    def home(self, principal: str, at: int) -> str:
        """Return the home country of an employee at a time, empty where no row says one."""
        person = self.people.get(principal)
        row = None if person is None or person.employment is None else person.employment.at(at)[0]
        country = None if row is None else row.home_country
        return country if isinstance(country, str) else ""

    def everybody(self) -> Iterator[Person]:
        """Yield whoever is remembered, strangers too."""
        yield from self.people.values()
        yield from self._strangers.values()
        yield from self._settled.values()

    def everybody_by_name(self) -> Iterator[tuple[str, Person]]:
        """Yield whoever is remembered with their names, strangers too."""
        yield from self.people.items()
        yield from self._strangers.items()

    def forget_verdicts(self) -> None:
        """Drop every memo: a new policy, a new table of places."""
        for person in self.everybody():
            person.meaning = None

    def forget_ids(self) -> None:
        """Drop every window of event ids: the partitions they belong to may have another owner now."""
        for person in self.everybody():
            person.recent = None

    def forget_habits(self) -> None:
        """Drop every habit: the partitions they belong to may have another owner now."""
        for person in self.everybody():
            person.habit = None

    def _person(self, principal: str) -> Person:
        person = self.people.get(principal)
        if person is None:
            person = self._strangers.pop(principal, None) or self._settled.pop(principal, None) or Person()
            self.people[principal] = person
        return person

    def _change(self, topic: str, subject: str, kind: str, row: Row | None, key: RowKey | None) -> None:
        """Put the changed history in its place; an empty history is no history."""
        shelf, name, person = self._shelf(topic, subject, kind, create=row is not None)
        if shelf is None:
            return
        before: Timeline[Row] = shelf.get(name) or Timeline()
        if row is not None:
            after = before.with_row(row)
        else:
            assert key is not None  # noqa: S101  # one of the two is given
            after = before.without(key.valid_from, key.recorded_at)
        if after is before:
            return
        self.rows[topic] = self.rows.get(topic, 0) + len(after) - len(before)
        if after.rows:
            shelf[name] = after
        else:
            shelf.pop(name, None)
        self.changed += 1
        if person is not None:
            person.meaning = None

    def _shelf(self, topic: str, subject: str, kind: str, *, create: bool) -> tuple[Any, str, Person | None]:
        if topic == DatasetRow.topic:
            return self.datasets, subject, None
        if topic == SubjectRow.topic:
            return self.subjects, subject, None
        if not create and subject not in self.people:
            return None, subject, None
        person = self._person(subject)
        if topic == LocationRow.topic:
            return person.locations, kind, person
        if topic == RoleRow.topic:
            return person.roles, kind, person
        if topic == DutyRow.topic:
            if person.duties is None:
                person.duties = {}
            return person.duties, kind, person
        return _Slot(person, "employment" if topic == EmployeeRow.topic else "workload"), kind, person


class _Slot:
    """One attribute of a person that behaves as a shelf of one."""

    __slots__ = ("name", "person")

    def __init__(self, person: Person, name: str) -> None:
        self.person, self.name = person, name

    def get(self, _: str) -> Timeline[Row] | None:
        return cast("Timeline[Row] | None", getattr(self.person, self.name))

    def __setitem__(self, _: str, timeline: Timeline[Row]) -> None:
        setattr(self.person, self.name, timeline)

    def pop(self, _: str, __: None) -> None:
        setattr(self.person, self.name, None)
