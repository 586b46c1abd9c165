"""A session: what waits and until when, which access is which, what is told once, and what a rule that raises costs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec import UNSET

from agents.files import Line
from rules import session as sessions
from rules.cases import DAY, T
from rules.catalogue import RULES
from rules.facts import Facts
from rules.haul import Haul
from rules.judge import FAILED
from rules.knowledge import RECENT_MAX
from rules.policy import Policy
from rules.rule import ANYBODY, ATTEMPTS, Flag, Rule
from rules.session import Session, judged_alone
from schemas.alert import Alert
from schemas.directory import Row
from tests.rules.streams import (
    INDIAN,
    IRISH,
    access,
    badge,
    complete,
    dataset,
    employee,
    judge,
    line,
    role,
    row,
    session,
    timeless,
)

GRACE = 10_000


def taken(made: Session, *events: dict[str, Any], clock: int = T, token: Any = "batch", first: int = 0) -> Haul:
    """Accesses that were appended when they happened, as one batch."""
    return made.take([line(event, first + at) for at, event in enumerate(events)], clock, token=token)


def retried(made: Session, clock: int) -> Haul:
    haul = made.retry(clock)
    assert haul is not None
    return haul


def rules_of(alerts: list[Alert]) -> set[str]:
    return {reason.rule_id for alert in alerts for reason in alert.reasons}


# What is not there yet.

LATE: dict[str, list[Row]] = {
    "employee": [employee()],
    "roles": [role()],
    "place": [badge()],
    "dataset": [dataset()],
    "everything": [*complete(), dataset()],
}
UNKNOWN = {
    "employee": {"employee.unknown"},
    "roles": {"role.none"},
    "place": {"place.unknown"},
    "dataset": {"dataset.unknown"},
    "everything": {"employee.unknown", "role.none", "place.unknown", "dataset.unknown"},
}


def _without(late: list[Row]) -> list[Row]:
    return [row for row in [*complete(), dataset()] if row not in late]


@pytest.mark.parametrize("what", LATE)
def test_a_row_that_arrives_in_time_leaves_no_alert(what: str) -> None:
    made = session(_without(LATE[what]))
    haul = taken(made, access())
    assert (haul.held, haul.judged, haul.alerts, made.waiting) == (1, 0, [], 1)
    assert made.retry(T + GRACE - 1) is not None, "it is looked at once more, and waits on"
    assert made.waiting == 1
    for late in LATE[what]:
        made.knowledge.apply(late)
    haul = retried(made, T + GRACE - 1)
    assert (haul.judged, haul.alerts, haul.released, made.waiting) == (1, [], ["batch"], 0)


@pytest.mark.parametrize("what", LATE)
def test_a_row_that_arrives_too_late_leaves_one_alert(what: str) -> None:
    made = session(_without(LATE[what]))
    taken(made, access())
    haul = retried(made, T + GRACE)
    assert haul.released == ["batch"]
    assert len(haul.alerts) == 1
    assert rules_of(haul.alerts) >= UNKNOWN[what]
    unknown = haul.alerts[0].facts["unknown"]
    assert {what} <= set(unknown) or what == "everything"
    for late in LATE[what]:
        made.knowledge.apply(late)
    assert made.retry(T + 2 * GRACE) is None, "what is judged is judged"


def test_an_address_in_the_wrong_country_waits_for_the_row_that_says_better() -> None:
    made = session([employee(), role(), dataset()])
    haul = taken(made, access(source_ip=INDIAN))
    assert (haul.held, haul.alerts) == (1, []), "no row says where the employee was; one may be late"
    made.knowledge.apply(row("directory.locations", employee_id="e-1", country="IE", evidence="contract"))
    haul = retried(made, T + 1)
    assert rules_of(haul.alerts) == {"place.conflict"}, "then it is no place, but still evidence against it"
    late = session([employee(), role(), dataset()])
    taken(late, access(source_ip=INDIAN))
    assert "place.third_country" in rules_of(retried(late, T + GRACE).alerts)


def test_an_address_at_home_waits_for_nothing() -> None:
    haul = taken(session([employee(), role(), dataset()]), access(source_ip=IRISH))
    assert (haul.judged, haul.held, haul.alerts) == (1, 0, [])


def test_nothing_is_looked_at_where_nothing_can_have_changed() -> None:
    made = session()
    assert made.retry(T) is None
    taken(made, access())
    made.retry(T)
    assert made.retry(T + GRACE - 1) is None
    made.knowledge.apply(employee("somebody else"))
    assert made.retry(T + GRACE - 1) is not None
    assert made.waiting == 1


def test_a_backlog_waits_for_nothing() -> None:
    """Its time was over before it was read: the wait is counted from the record's append."""
    made = session()
    haul = taken(made, access(), clock=T + GRACE)
    assert (haul.held, haul.judged, len(haul.alerts), made.waiting) == (0, 1, 1, 0)


def test_where_directories_stand_still_nothing_waits() -> None:
    made = session(patient=False)
    haul = taken(made, access())
    assert (haul.held, haul.judged, len(haul.alerts)) == (0, 1, 1)


def test_later_accesses_of_the_same_person_wait_behind_and_come_out_in_order() -> None:
    made = session([*complete("e-1"), *complete("e-2"), dataset()])
    outside = {"device_country": "IN"}
    haul = taken(
        made,
        access(event_id="a", dataset_id="new", **outside),
        access(event_id="b", **outside),
        access(event_id="c", employee_id="e-2", **outside),
        access(event_id="d", **outside),
    )
    assert [alert.event.event_id for alert in haul.alerts] == ["c"]  # type: ignore[union-attr]  # it is about one
    assert (haul.held, made.waiting) == (3, 3)
    made.knowledge.apply(dataset("new"))
    haul = retried(made, T)
    assert [alert.event.event_id for alert in haul.alerts] == ["a", "b", "d"]  # type: ignore[union-attr]
    assert haul.released == ["batch"] * 3


def test_an_access_behind_one_that_waited_may_wait_for_something_of_its_own() -> None:
    made = session([*complete(), dataset()])
    taken(made, access(event_id="a", dataset_id="new"), token="first")
    taken(made, access(event_id="b", dataset_id="newer", occurred_at=T + 5_000), clock=T + 5_000, token="second")
    haul = retried(made, T + GRACE)
    assert (haul.released, haul.judged, made.waiting) == (["first"], 1, 1)
    assert made.retry(T + 5_000 + GRACE - 1) is None
    made.knowledge.apply(dataset("newer"))
    haul = retried(made, T + 5_000 + GRACE - 1)
    assert (haul.released, haul.alerts, made.waiting) == (["second"], [], 0)


def test_what_waits_is_given_up_unreleased_and_judged_again_by_the_next() -> None:
    """A kill, a revocation: the batch was never acknowledged, so it is read again."""
    made = session([*complete()])
    batch = [line(access(event_id=name), at) for at, name in enumerate("abc")]
    haul = made.take(batch, T, token="batch")
    assert (haul.held, haul.alerts) == (3, [])
    made.forget()
    assert made.waiting == 0
    assert made.retry(T + 2 * GRACE) is None, "nothing is released that is read again elsewhere"
    again = made.take(batch, T, token="again")
    assert (again.held, again.duplicates) == (3, 0)
    haul = retried(made, T + GRACE)
    assert haul.released == ["again"] * 3
    assert len({alert.alert_id for alert in haul.alerts}) == 3


def test_a_new_policy_takes_force_for_what_waits_too() -> None:
    made = session([*complete()])
    taken(made, access())
    made.adopt(
        judge(made.knowledge, '[rules."dataset.unknown"]\nenabled = false\n[rules."role.none"]\nenabled = false')
    )
    assert retried(made, T + GRACE).alerts == []


def test_the_end_of_a_file_judges_everything() -> None:
    made = session()
    assert len(judged_alone(made, [line(access(), 1)], T)) == 1
    assert made.waiting == 0


def test_so_many_unknown_names_at_once_are_judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is bounded, for those behind a waiting one too; beyond it nothing is lost, only judged as unknown."""
    monkeypatch.setattr(sessions, "WAITING_MAX", 3)
    made = session()
    haul = taken(made, *(access(event_id=f"ev-{n}", employee_id=f"e-{n}") for n in range(5)))
    assert (haul.held, haul.overflowed, haul.judged, len(haul.alerts)) == (3, 2, 2, 2)
    haul = taken(made, access(event_id="behind", employee_id="e-0"))
    # What their person waited for is judged before it, in order; it takes that place.
    assert (haul.held, haul.overflowed, len(haul.alerts), made.waiting) == (1, 1, 1, 3)
    assert len(retried(made, T + GRACE).alerts) == 3


@pytest.mark.parametrize("count", [1, 3])
def test_every_waiting_access_releases_its_own_batch_once(count: int) -> None:
    made = session()
    for number in range(count):
        taken(made, access(event_id=f"ev-{number}", employee_id=f"e-{number % 2}"), token=number)
    assert sorted(retried(made, T + GRACE).released) == list(range(count))


# Which access is which.


def test_a_repetition_is_counted_and_not_judged() -> None:
    made = session([*complete(), dataset()])
    outside = access(device_country="IN")
    haul = taken(made, outside, *[outside] * 100)
    assert (haul.judged, haul.duplicates, len(haul.alerts)) == (1, 100, 1)
    assert haul.tally == {("third_country", "restricted", "success"): 1}


def test_white_space_and_order_are_no_other_content() -> None:
    made = session([*complete(), dataset()])
    message = line(access(), 1)
    spaced = Line((message.value or b"").replace(b":", b" : "), T, 2, "access.events")
    assert made.take([message, spaced], T).duplicates == 1


def test_an_id_used_again_with_other_content_is_judged_and_said() -> None:
    made = session([*complete(), dataset()])
    haul = taken(made, access(), access(action="export"))
    assert (haul.judged, haul.duplicates) == (2, 0)
    assert rules_of(haul.alerts) == {"event.id_reused"}


def test_each_content_under_one_id_has_an_alert_of_its_own() -> None:
    """Otherwise the last one would replace the others in a compacted topic: an id must not be a way to hide."""
    made = session([*complete(), *complete("e-2"), dataset()])
    outside = {"device_country": "IN"}
    events = [
        access(**outside),
        access(**outside, action="export"),
        access(**outside, action="list"),
        access(**outside, employee_id="e-2"),
    ]
    alerts = taken(made, *events).alerts
    assert len({alert.alert_id for alert in alerts}) == 4
    assert taken(made, *reversed(events), first=9).duplicates == 4
    made.forget()
    assert {alert.alert_id for alert in taken(made, *events, first=20).alerts} == {alert.alert_id for alert in alerts}


def test_content_that_comes_long_after_under_a_used_id_replaces_no_alert() -> None:
    """Beyond what is remembered of ids, the id of the alert itself tells them apart."""
    made = session([*complete(), dataset()])
    first = taken(made, access(event_id="ev-used", device_country="IN", action="export")).alerts
    taken(made, *(access(event_id=f"ev-{number}") for number in range(2 * RECENT_MAX)), first=1)
    later = taken(made, access(event_id="ev-used", device_country="IN"), first=9_000).alerts
    again = taken(made, access(event_id="ev-used", device_country="IN", action="export"), first=9_001).alerts
    assert first[0].alert_id != later[0].alert_id
    assert first[0].alert_id == again[0].alert_id


def test_no_time_that_a_producer_sets_makes_an_access_wait_longer() -> None:
    made = session([*complete()])  # of the dataset no row came yet
    far = Line(line(access(), 0).value, T + 365 * 86_400_000, 0, "access.events")
    assert made.take([far], T, token="batch").held == 1
    made.knowledge.apply(employee("e-9"))  # something changed: it is looked at again, and waits on
    assert made.retry(T + GRACE - 1) is None or made.waiting == 1
    assert retried(made, T + GRACE).judged == 1


def test_a_repetition_among_waiting_accesses_is_one_too() -> None:
    made = session([*complete()])
    haul = taken(made, access(), access(), access(action="export"), access(action="export"))
    assert haul.held == 4
    made.knowledge.apply(dataset())
    haul = retried(made, T)
    assert (haul.judged, haul.duplicates, haul.released) == (2, 2, ["batch"] * 4)
    assert rules_of(haul.alerts) == {"event.id_reused"}


def test_ids_read_back_from_the_log_are_known() -> None:
    """After a restart: what was judged before is a repetition, and its id is no other's."""
    made = session([*complete(), dataset()])
    made.remember(line(access(), 1))
    made.remember(Line(b"not json", T, 2, "access.events"))
    made.remember(Line(None, T, 3, "access.events"))
    haul = taken(made, access(), access(action="export"))
    assert (haul.duplicates, haul.judged) == (1, 1)
    assert rules_of(haul.alerts) == {"event.id_reused"}


def test_the_memory_of_ids_is_bounded_a_person() -> None:
    made = session([*complete(), dataset()])
    taken(made, *(access(event_id=f"ev-{number}") for number in range(RECENT_MAX + 1)))
    assert len(made.knowledge.people["e-1"].recent or ()) == RECENT_MAX
    assert taken(made, access(event_id=f"ev-{RECENT_MAX}")).duplicates == 1
    assert taken(made, access(event_id="ev-0")).duplicates == 0, "the oldest is forgotten"


# Time.


@pytest.mark.parametrize(
    ("shift", "clock", "counts"),
    [
        (0, "on_time", (0, 0)),
        (300_000, "on_time", (0, 0)),
        (300_001, "ahead", (1, 0)),
        (400 * DAY, "ahead", (1, 0)),
        (-35 * DAY, "on_time", (0, 0)),
        (-35 * DAY - 1, "late", (0, 1)),
        (-T, "late", (0, 1)),
        (253_402_300_799_999 - T, "ahead", (1, 0)),
    ],
)
def test_accesses_far_from_their_append_time_are_judged_and_counted(
    shift: int, clock: str, counts: tuple[int, int]
) -> None:
    made = session([*complete(), dataset()], patient=False)
    haul = made.take([line(access(occurred_at=T + shift, device_country="IN"), 1, T)], T)
    assert haul.judged == 1
    assert (haul.ahead, haul.late) == counts
    (alert,) = (alert for alert in haul.alerts if alert.family == "access")
    assert alert.facts["clock"] == clock


# Told once.


def _abroad(**fields: Any) -> Row:
    return dataset("users", site="sin-1", site_country="SG", **fields)


@pytest.mark.parametrize("memo", [True, False])
def test_a_dataset_outside_is_told_once_a_version(memo: bool) -> None:
    made = session([*complete(), *complete("e-2"), _abroad()], memo=memo)
    first = taken(made, *(access(event_id=f"a{n}", employee_id=f"e-{1 + n % 2}") for n in range(6))).alerts
    assert [alert.rule_id for alert in first] == ["dataset.outside_perimeter"]
    assert first[0].person is UNSET
    assert first[0].event is UNSET, "whichever access made us look"
    made.knowledge.apply(_abroad(owner="team", recorded_at=T))
    second = taken(made, *(access(event_id=f"b{n}") for n in range(3))).alerts
    assert len(second) == 1
    assert second[0].alert_id != first[0].alert_id
    made.forget()
    again = taken(made, access(event_id="c")).alerts
    assert [timeless(alert) for alert in again] == [timeless(alert) for alert in second], "the same alert, by its id"


def test_what_an_exemption_hides_is_counted() -> None:
    made = session(
        [*complete(), dataset()],
        more="""
[[exemptions]]
id = "rota"
rules = ["place.third_country", "place.conflict"]
employees = ["e-1"]
owner = "dpo"
reason = "rota"
until = 2026-03-02T10:00:00.002Z
""",
    )
    outside = {"device_country": "IN"}
    haul = taken(made, *(access(event_id=f"ev-{n}", occurred_at=T + n, **outside) for n in range(3)))
    assert haul.exempted == {("place.third_country", "rota"): 2}
    assert haul.judged == 3
    assert [alert.occurred_at for alert in haul.alerts] == [T + 2], "its end is its end"
    reused = taken(made, access(event_id="ev-0", occurred_at=T + 1, **outside)).alerts
    assert rules_of(reused) == {"event.id_reused"}
    assert reused[0].facts["exempted"] == [{"rule_id": "place.third_country", "exemption": "rota"}]


# A rule that raises.


def _raises(facts: Facts, _: Policy) -> Flag | None:
    raise LookupError(f"a secret of {facts.event.person}")


BROKEN = Rule(
    id="test.broken",
    title="t",
    why="w",
    example="e",
    tune="t",
    principals=ANYBODY,
    outcomes=ATTEMPTS,
    reads=frozenset({"place"}),
    check=_raises,
    cases=(),
)


@pytest.mark.parametrize("memo", [True, False])
def test_a_rule_that_raises_takes_no_other_verdict_with_it(memo: bool) -> None:
    made = session([*complete(), dataset()], rules=(BROKEN, *RULES), memo=memo)
    events = [access(event_id="a", device_country="IN"), access(event_id="b"), access(event_id="c")]
    haul = taken(made, *events)
    plain = taken(session([*complete(), dataset()], memo=memo), *events)
    failed = [alert for alert in haul.alerts if alert.rule_id == FAILED]
    others = [alert for alert in haul.alerts if alert.rule_id != FAILED]
    assert others == plain.alerts
    assert haul.failures == {"test.broken": 3}
    assert haul.judged == 3
    assert len({alert.alert_id for alert in failed}) == 3, "each access has an alert of its own"
    assert {alert.alert_id for alert in failed}.isdisjoint(alert.alert_id for alert in others)
    for alert in failed:
        assert alert.family == FAILED
        assert "test.broken (LookupError)" in alert.explanation
        assert "secret" not in repr(alert), "what a rule raises may quote the record"


def test_a_rule_that_raises_for_want_of_stack_or_by_a_wrong_answer_is_one_that_raises() -> None:
    def recursive(facts: Facts, policy: Policy) -> Flag | None:
        return recursive(facts, policy)

    deep = dataclasses.replace(BROKEN, id="test.deep", check=recursive)
    haul = taken(session([*complete(), dataset()], rules=(deep, *RULES)), access())
    assert haul.failures == {"test.deep": 1}


# Partitions.


def test_a_record_in_another_partition_is_handed_back_unjudged() -> None:
    made = session([*complete(), dataset()], partition_of=lambda person: len(person) % 2)
    good, bad = line(access(), 1), line(access(event_id="x", employee_id="e-10", source_ip=INDIAN), 2)
    haul = made.take([good, bad], T, 1)
    assert haul.judged == 1
    assert haul.misplaced == [(bad, "e-10")]
    assert (haul.alerts, haul.tally) == ([], {("inside", "restricted", "success"): 1})
