"""What if: the same accesses under another law, another policy, with a site elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.legal_rows import EU
from rules.policy import Policy
from rules.where.law import ADEQUATE, annulled
from rules.where.sheet import Report
from rules.where.suppose import apart, with_countries, with_site, with_site_moved
from rules.where.whatif import Comparison
from schemas.access import AccessEvent
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass
from tests.rules.streams import dataset, employee, knowing, policy
from tests.rules.world import LEGAL
from tests.where.test_transfers import ACCESSES, made, moving
from tests.where.world import FROM, UNTIL, added, assessor, cells, copy, event, events, organisation, sheet

NUMBERS = ["accesses", "no_basis_before", "no_basis_after", "difference", "data_subjects_of_those_lost",
           "flagged_before", "flagged_after", "newly_flagged", "newly_refused"]  # fmt: skip


def compared(
    given_events: list[AccessEvent],
    *,
    law: LegalTable = LEGAL,
    of: Policy | None = None,
    before: Policy | None = None,
    elsewhere: Knowledge | None = None,
    rows: list[Any] | None = None,
) -> Report:
    knowledge = knowing(organisation() if rows is None else rows)
    other = apart(knowledge) if elsewhere is None else elsewhere
    found = Comparison(assessor(knowledge, before), assessor(other, of or before, law), FROM, UNTIL, listed=20)
    for each in given_events:
        found.take(each)
    return found.report()


def test_an_adequacy_decision_annulled_that_morning() -> None:
    """Cem's two accesses lose their basis, and with the class of the place one of them begins to be flagged."""
    report = compared(events(), law=annulled(LEGAL, EU, "US", FROM))
    found = sheet(report, "by-country")
    assert [column.name for column in found.columns] == ["country", *NUMBERS]
    table = cells(found)
    assert table[("US",)][:5] == [2, 0, 2, 2, 2]
    assert table[("IN",)][:5] == [2, 0, 0, 0, 0]
    assert table[("JP",)][:5] == [1, 1, 1, 0, 0]
    assert cells(sheet(report, "by-team"))[("insight",)][:4] == [4, 0, 2, 2]
    by_dataset = cells(sheet(report, "by-dataset"))
    assert by_dataset[("users",)][:4] == [5, 1, 2, 1]
    assert by_dataset[("ads",)][:4] == [2, 0, 1, 1]
    assert found.total is not None
    assert found.total[:5] == ("total", 7, 1, 3, 2)
    rows = sheet(report, "accesses").rows
    assert [row[0] for row in rows] == ["ev-5", "ev-6"]
    assert rows[0][4:8] == ("conditional", "third country", "adequacy decision", "no basis recorded")


def test_it_changes_nothing_before_its_day() -> None:
    report = compared(events(), law=annulled(LEGAL, EU, "US", UNTIL))
    assert sheet(report, "accesses").rows == sheet(report, "rules").rows == sheet(report, "stops").rows == ()


def test_a_country_in_the_perimeter_stops_what_is_said_of_it() -> None:
    report = compared(events(), of=with_countries(policy(), ("IN",)))
    line = cells(sheet(report, "by-country"))[("IN",)]
    assert line[0] == 2
    assert line[5:8] == [1, 0, 0]  # restricted data from India was flagged; pseudonymised data was not
    assert cells(sheet(report, "rules"))[("place.third_country", "vanishes")] == [1]


def test_a_site_that_moves_takes_its_datasets_along() -> None:
    rows = [*organisation(), dataset("far", site="sin-1", site_country="SG"), copy("nightly", site="dub-1")]
    knowledge = knowing(rows)
    moved = with_site_moved(knowledge, "dub-1", "BR")
    found = compared(
        [event(event_id="e", employee_id="ann"), event(event_id="f", employee_id="ann", dataset_id="ads")],
        of=with_site(policy(), "dub-1", "BR"), elsewhere=moved, rows=rows,
    )  # fmt: skip
    assert cells(sheet(found, "by-dataset")) == {
        ("users",): [1, 0, 0, 0, 0, 0, 1, 1, 0],
        ("ads",): [1, 0, 0, 0, 0, 0, 0, 0, 0],
    }
    assert sheet(found, "stops").rows == (
        ("team", "support", 2, 0, 1, 0, 50),
        ("dataset", "users", 1, 0, 1, 0, 100),
    )
    assert moved.copies["users"]["nightly"].rows[0].site_country == "BR"
    assert knowledge.datasets["users"].rows[0].site_country == "IE"  # what was given is as it was


GATEWAY = """
[gateway]
tolerates = ["place.third_country"]
"""


def test_a_gateway_refuses_what_it_does_not_tolerate() -> None:
    """Under the annulment the place becomes a third country: tolerated; a dataset that is moved away is not."""
    under = policy(GATEWAY)
    report = compared(events(), law=annulled(LEGAL, EU, "US", FROM), before=under)
    total = sheet(report, "by-country").total
    assert total is not None
    assert total[-1] == 0
    knowledge = knowing(organisation())
    moved = compared(
        events(), before=under, of=with_site(under, "dub-1", "BR"), elsewhere=with_site_moved(knowledge, "dub-1", "BR")
    )
    line = cells(sheet(moved, "by-dataset"))[("users",)]
    assert (line[0], line[-1]) == (5, 4)  # the export to the US was refused already


@settings(max_examples=60, deadline=None)
@given(ACCESSES)
def test_the_same_law_and_policy_make_no_difference(drawn: list[dict[str, Any]]) -> None:
    report = compared(made(drawn), law=LegalTable(LEGAL.rows, "again", "again"), rows=moving())
    for name in ("by-country", "by-team", "by-dataset"):
        for row in sheet(report, name).rows:
            accesses, before, after, difference, lost, flagged, flags, newly, refused = row[1:]
            assert (before, flagged) == (after, flags)
            assert (difference, getattr(lost, "count", None), newly, refused) == (0, 0, 0, 0)
            assert accesses
    assert all(sheet(report, name).rows == () for name in ("stops", "rules", "accesses"))


@settings(max_examples=60, deadline=None)
@given(ACCESSES)
def test_every_grouping_has_the_same_total(drawn: list[dict[str, Any]]) -> None:
    report = compared(made(drawn), law=annulled(LEGAL, EU, "US", FROM + 9 * 3_600_000), rows=moving())
    totals = [sheet(report, name).total for name in ("by-country", "by-team", "by-dataset")]
    assert totals[0] == totals[1] == totals[2]
    assert totals[0] is not None
    for at in (1, 2, 3, 4, 6, 7, 8, 9):
        assert added(sheet(report, "by-team"), at) == totals[0][at]


# The law that is supposed.


def test_an_annulled_decision_ends_that_day_and_others_stay() -> None:
    table = annulled(LEGAL, EU, "US", FROM)
    nobody = with_countries(policy(), ()).perimeter
    for code, at, place in (
        ("US", FROM - 1, PlaceClass.CONDITIONAL),
        ("US", FROM, PlaceClass.THIRD_COUNTRY),
        ("US", UNTIL * 2, PlaceClass.THIRD_COUNTRY),
        ("JP", FROM, PlaceClass.ADEQUATE),
    ):
        assert table.classify(code, at, EU, nobody).cls is place
    # Norway's list is the EU's; the Swiss have their own.
    assert table.classify("US", FROM, "EEA_EFTA", nobody).cls is PlaceClass.THIRD_COUNTRY
    assert table.classify("US", FROM, "CH", nobody).cls is LEGAL.classify("US", FROM, "CH", nobody).cls
    assert table.digest != LEGAL.digest


def test_what_is_not_adequate_cannot_be_annulled() -> None:
    for code in ("IN", "IE", "CN"):  # no row; a member; no row
        with pytest.raises(ConfigurationError) as caught:
            annulled(LEGAL, EU, code, FROM)
        said = str(caught.value)
        assert f"--annul: EU:{code}=2026-03-02" in said
        allowed = {row.code for row in LEGAL.rows
                   if row.regime == EU and row.scope in ADEQUATE and row.from_ms < FROM < row.until_ms}  # fmt: skip
        assert said.endswith(", ".join(sorted(allowed)))


def test_another_employer_is_another_importer() -> None:
    """A control: what loses its basis is the entity's certification, not the country where somebody sits."""
    rows = [*organisation(), employee("cem", employer="clover-ie", team="support", valid_from=FROM)]
    report = compared(events(), law=annulled(LEGAL, EU, "US", FROM), rows=rows)
    assert cells(sheet(report, "by-country"))[("US",)][:4] == [2, 0, 0, 0]
