"""Transfers of a range of dates: worked out by hand, and whatever the accesses are."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cases import DAY, HOUR, T
from rules.where.report import DIMENSIONS, Transfers
from rules.where.sheet import Estimate
from schemas.access import AccessEvent
from schemas.approval import Approval, Signed
from tests.rules.streams import INDIAN, IRISH, badge, employee, knowing, policy
from tests.rules.world import GEO, LEGAL
from tests.where.world import FROM, UNTIL, added, assessor, cells, event, events, organisation, sheet, transfers

COUNTS = ["accesses", "exports", "approvals", "refused", "people", "data_subjects", "records"]


def test_accesses_by_country_class_and_basis() -> None:
    found = sheet(transfers(("country", "class", "basis")).report(), "transfers")
    assert [column.name for column in found.columns] == ["country", "class", "basis", *COUNTS]
    assert cells(found) == {
        ("IN", "third country", "standard clauses"): [2, 0, 0, 0, 1, 1, 51],
        ("US", "conditional", "adequacy decision"): [2, 1, 0, 0, 1, 2, 11],
        ("JP", "adequate", "no basis recorded"): [1, 0, 0, 0, 1, 1, 1],
        ("IE", "inside", "no transfer"): [2, 0, 0, 1, 1, 3, 4],
    }
    assert [row[0] for row in found.rows] == ["IN", "US", "JP", "IE"]  # the worst places first
    assert found.total == ("total", "", "", 7, 1, 0, 1, 4, Estimate(5, 5, 5, exact=True), 67)


def test_accesses_by_dataset_and_team() -> None:
    found = sheet(transfers(("dataset", "team")).report(), "transfers")
    assert cells(found) == {
        ("ads", "insight"): [2, 0, 0, 0, 2, 1, 51],
        ("users", "support"): [2, 0, 0, 1, 1, 3, 4],
        ("users", "insight"): [2, 1, 0, 0, 2, 2, 11],
        ("users", "unknown"): [1, 0, 0, 0, 1, 1, 1],
    }


def test_exports_go_by_their_destination() -> None:
    sent = event(event_id="x", employee_id="ann", action="grant", destination="dub-1")
    lost = event(event_id="y", employee_id="ann", action="export", destination="aws:1")
    bare = event(event_id="z", employee_id="ann", action="export")
    found = sheet(transfers(("country",), [*events(), sent, lost, bare]).report(), "exports")
    assert cells(found) == {
        ("unknown", "aws:1", "unknown", "no basis recorded", "users", "restricted"): [1, 0, 0],
        ("unknown", "not recorded", "unknown", "no basis recorded", "users", "restricted"): [1, 0, 0],
        ("US", "US", "conditional", "no basis recorded", "users", "restricted"): [1, 1, 10],
        ("IE", "dub-1", "inside", "no transfer", "users", "restricted"): [1, 0, 0],
    }


def test_both_ends_of_the_range() -> None:
    ends = [event(event_id=str(at), employee_id="ann", occurred_at=at) for at in (FROM - 1, FROM, UNTIL - 1, UNTIL)]
    found = transfers(("country",), ends)
    assert sheet(found.report(), "transfers").rows[0][1] == 2
    assert found.outside == 2
    assert dict(found.report().said) == {"from": "2026-03-02", "to": "2026-03-02, included"}


def granted(**fields: Any) -> Approval:
    step = Signed(by="boss", at=T)
    given = {"approval_id": "ap-1", "person": "bob", "datasets": ("users", "ad*"), "actions": ("read",),
             "until": T + HOUR, "requested": step, "approved": step, **fields}  # fmt: skip
    return Approval(**given)


def test_an_approval_counts_in_each_group_that_it_names_and_once_in_all() -> None:
    found = transfers(("country", "dataset"))
    found.take_approval(granted(), knowing(organisation()))
    found.take_approval(granted(approval_id="ap-2", datasets=("users",), break_glass=True), knowing(organisation()))
    report = found.report()
    table = cells(sheet(report, "transfers"))
    assert table["IN", "users"][2] == 2
    assert table["IN", "ad*"] == [0, 0, 1, 0, 0, 0, 0]
    assert "ads" in {key[1] for key in table}
    total = sheet(report, "transfers").total
    assert total is not None
    assert total[4] == 2
    first, second = sheet(report, "approvals").rows
    assert first[2:8] == ("ap-1", "approval", "IN (third country)", "standard clauses", "users, ad*", "read")
    assert second[3] == "break-glass"
    assert second[-1] == "no"


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, 1),
        ({"approved": None}, 0),
        ({"approved": Signed(by="boss", at=UNTIL)}, 0),
        ({"until": FROM, "approved": Signed(by="boss", at=FROM - HOUR)}, 0),
        ({"until": FROM + 1, "approved": Signed(by="boss", at=FROM - HOUR)}, 1),
        ({"withdrawn": Signed(by="boss", at=FROM), "approved": Signed(by="boss", at=FROM - HOUR)}, 0),
    ],
)
def test_an_approval_counts_where_it_held_in_the_range(fields: dict[str, Any], counts: int) -> None:
    found = transfers(("country",), [])
    found.take_approval(granted(**fields), knowing(organisation()))
    total = sheet(found.report(), "transfers").total
    assert total is not None
    assert total[3] == counts


def test_rows_of_the_law_are_told_with_their_sources_and_when_they_were_checked() -> None:
    found = sheet(transfers(("country",)).report(), "law")
    told = {row[:2]: row for row in found.rows}
    assert set(told) == {("EU", "IE"), ("EU", "US"), ("EU", "JP"), ("EU", "IN")}
    (row,) = [row for row in LEGAL.rows if row.code == "US" and row.regime == "EU" and row.from_ms <= T < row.until_ms]
    assert told["EU", "US"][5:10] == (
        row.basis, row.condition, row.source, row.checked_on.isoformat(), row.confidence
    )  # fmt: skip
    assert told["EU", "IN"][5] == "no adequacy decision in the table"
    assert told["EU", "IN"][8] == max(row.checked_on for row in LEGAL.rows).isoformat()


def test_nothing_is_called_unlawful() -> None:
    report = transfers(("country", "class", "basis", "dataset")).report()
    assert "no basis recorded" in repr(report)
    for word in ("unlawful", "illegal", "violation", "breach"):
        assert word not in repr(report).lower()


# Whatever the accesses are.

_PLACES = st.sampled_from([None, "IE", "IN", "US", "GB"])
ACCESSES = st.lists(
    st.fixed_dictionaries(
        {
            "employee_id": st.sampled_from(["ann", "bob", "cem", "dee", "nobody"]),
            "dataset_id": st.sampled_from(["users", "ads", "secret"]),
            "occurred_at": st.integers(FROM - 2 * DAY, UNTIL + 2 * DAY),
            "device_country": _PLACES,
            "source_ip": st.sampled_from([None, IRISH, INDIAN, "nonsense"]),
            "outcome": st.sampled_from([None, "success", "denied", "error"]),
            "action": st.sampled_from(["read", "export"]),
            "subject_ids": st.one_of(st.none(), st.lists(st.sampled_from(["s-1", "s-2", "s-3"]), min_size=1)),
            "record_count": st.one_of(st.none(), st.integers(0, 9)),
        }
    ),
    max_size=30,
)


def made(drawn: list[dict[str, Any]]) -> list[AccessEvent]:
    return [event(event_id=f"e{number}", **each) for number, each in enumerate(drawn)]


def moving() -> list[Any]:
    """The organisation, of whom some move, change employer or end within the days of the accesses."""
    return [
        *organisation(),
        badge("US", "ann", valid_from=T - HOUR),
        badge("IN", "ann", valid_from=T + HOUR),
        employee("cem", employer="clover-ie", team="support", valid_from=T + 2 * HOUR),
        employee("bob", employer="clover-us", valid_from=T - 20 * HOUR, valid_until=T),
    ]


@settings(max_examples=60, deadline=None)
@given(ACCESSES, st.sampled_from([pair for n in (1, 2, 3) for pair in combinations(DIMENSIONS, n)]))
def test_the_groups_add_up_to_the_total(drawn: list[dict[str, Any]], by: tuple[str, ...]) -> None:
    given_events = made(drawn)
    found = sheet(transfers(by, given_events, moving()).report(), "transfers")
    inside = [each for each in given_events if FROM <= each.occurred_at < UNTIL]
    good = [each for each in inside if each.result == "success"]
    total = found.total
    assert total is not None
    width = len(by)
    for at, count in (
        (0, len(good)),
        (1, sum(each.action == "export" for each in good)),
        (3, len(inside) - len(good)),
        (6, sum(each.record_count or 0 for each in good)),
    ):
        assert total[width + at] == count
        assert added(found, width + at) == count
    subjects = {token for each in good for token in (each.subject_ids or ())}
    assert total[width + 4] == len({each.person for each in good})
    assert total[width + 5] == Estimate(len(subjects), len(subjects), len(subjects), exact=True)


@settings(max_examples=150, deadline=None)
@given(ACCESSES)
def test_a_report_sees_an_access_as_the_join_does(drawn: list[dict[str, Any]]) -> None:
    """Remembered answers hold no longer than what they were made from."""
    from rules.catalogue import RULES
    from rules.join import Joiner
    from rules.judge import Judge

    knowledge = knowing(moving())
    fast = assessor(knowledge)
    for each in made(drawn):
        judge = Judge(Joiner(policy(), knowing(moving()), LEGAL, GEO), RULES)
        verdict = judge.judge(each, judge.joiner.knowledge.find(each.person))
        facts, found = verdict.facts, fast.assess(each)
        assert found.country == (facts.place.country or "")
        assert found.place is facts.place.place_class
        assert (found.basis, found.importer) == (facts.transfer.basis, facts.transfer.importer or "")
        assert (found.regime, found.sensitivity) == (facts.regime, facts.sensitivity)
        assert found.team == ((facts.employee.team or "") if facts.employee and facts.employee.team else "")
        assert fast.found(each) == {finding.rule.id for finding in verdict.findings}


def test_a_transfer_follows_the_law_of_its_own_day() -> None:
    """The Swiss-US framework came into force on 15 September 2024 (`jurisdictions.csv`)."""
    from tests.rules.streams import dataset, role

    came = 1_726_358_400_000
    rows = [
        dataset("swiss", subject_region="CH", valid_from=came - 90 * DAY),
        employee("cem", employer="swissy", valid_from=came - 90 * DAY),
        role(who="cem", valid_from=came - 90 * DAY),
        badge("US", "cem", valid_from=came - DAY),
    ]
    more = '[entities.swissy]\ncountry = "US"\nframeworks = ["CH-DPF"]\n'
    found = Transfers(assessor(knowing(rows), policy(more)), came - DAY, came + DAY, ("class", "basis"))
    for number, at in enumerate((came - 2, came - 1, came, came + 1, came - 1)):
        found.take(event(event_id=f"e{number}", employee_id="cem", dataset_id="swiss", occurred_at=at))
    assert {key: row[0] for key, row in cells(sheet(found.report(), "transfers")).items()} == {
        ("third country", "no basis recorded"): 3,
        ("conditional", "adequacy decision"): 2,
    }
