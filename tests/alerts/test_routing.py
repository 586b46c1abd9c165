"""Which destination is told of what."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.plan import Match, Route
from alerts.routing import NotRouted, Routed, Silenced, decide, decide_for, matches
from schemas.alert import Place
from schemas.places import PlaceClass
from tests.alerts.plans import KINDS, alert, destination, kind, plan, silence

PAGER = destination("pager")
BOARD = destination("board", KINDS["board"])
SIEM = destination("siem", KINDS["siem"])
PLACED = {"place": Place(country="IN", place_class=PlaceClass.THIRD_COUNTRY, presumed=False, evidence=())}


def route(*to: str, final: bool = False, **match: Any) -> Route:
    return Route(match=Match(**match), to=to, final=final)


def test_without_routes_everything_goes_everywhere() -> None:
    assert decide(plan(PAGER, SIEM), alert("a"), 0) == {"pager": Routed(), "siem": Routed()}


def test_all_routes_that_match_count_up_to_a_final_one() -> None:
    given = plan(
        PAGER,
        BOARD,
        SIEM,
        routes=(
            route("siem"),
            route("board", severity="medium", final=True),
            route("pager", severity="high"),
        ),
    )
    assert decide(given, alert("a", severity="critical"), 0) == {
        "pager": NotRouted(),
        "board": Routed(),
        "siem": Routed(),
    }
    assert decide(given, alert("a", severity="low"), 0)["board"] == NotRouted()


@pytest.mark.parametrize(
    ("match", "given", "holds"),
    [
        ({"severity": "high"}, {"severity": "high"}, True),
        ({"severity": "high"}, {"severity": "medium"}, False),
        ({"up_to": "medium"}, {"severity": "high"}, False),
        ({"rules": ("place.*",)}, {}, True),
        ({"rules": ("role.*",)}, {"rules": ("place.unknown", "role.missing")}, True),
        ({"rules": ("role.*",)}, {}, False),
        ({"place_classes": ("third_country",)}, PLACED, True),
        ({"place_classes": ("third_country",)}, {"facts": {"place_class": "third_country"}}, True),
        ({"place_classes": ("inside",)}, PLACED, False),
        ({"place_classes": ("inside",)}, {}, False),
        ({"teams": ("support",)}, {"facts": {"team": "support"}}, True),
        ({"teams": ("support",)}, {"facts": {"team": None}}, False),
        ({"families": ("behaviour",)}, {}, False),
        ({"datasets": ("eu-*",)}, {"dataset_id": "eu-likes"}, True),
        ({"datasets": ("eu-*",)}, {}, False),
        ({"severity": "high", "teams": ("support",)}, {"severity": "low", "facts": {"team": "support"}}, False),
    ],
)
def test_all_that_is_given_must_hold(match: dict[str, Any], given: dict[str, Any], holds: bool) -> None:
    assert matches(Match(**match), alert("a", **given)) is holds


def test_a_silence_holds_from_since_to_until_and_for_people_only_unless_a_machine_is_named() -> None:
    given = plan(PAGER, SIEM, silences=(silence("s", 10, 20),))
    assert decide(given, alert("a"), 9)["pager"] == Routed()
    assert decide(given, alert("a"), 10) == {"pager": Silenced("s"), "siem": Routed()}
    assert decide(given, alert("a"), 20)["pager"] == Routed()
    named = plan(PAGER, SIEM, silences=(silence("s", to=("siem",)),))
    assert decide(named, alert("a"), 0) == {"pager": Routed(), "siem": Silenced("s")}


def test_a_silence_of_one_rule_does_not_hide_what_another_found_as_well() -> None:
    given = plan(PAGER, silences=(silence("s", rules=("role.*",)),))
    assert decide(given, alert("a", rules=("role.missing",)), 0)["pager"] == Silenced("s")
    assert decide(given, alert("a", rules=("role.missing", "place.third_country")), 0)["pager"] == Routed()


def test_who_looked_at_whom_is_told_to_people_whatever_routes_and_silences_say() -> None:
    given = plan(
        PAGER,
        SIEM,
        routes=(route("siem", families=("access",), final=True),),
        silences=(silence("s"), silence("t", to=("pager", "siem"))),
    )
    assert decide(given, alert("a", family="privacy"), 0) == {"pager": Routed(), "siem": NotRouted()}


def test_where_nobody_is_told_all_machines_are_told_who_looked_at_whom() -> None:
    other = destination("file", kind("siem", grouped=False))
    given = plan(SIEM, other, routes=(route("siem", families=("access",)),), silences=(silence("s", to=("siem",)),))
    for family in ("privacy", "stream", "monitor"):
        assert isinstance(decide_for(given, "file", alert("a", family=family), 0), Routed), family
    assert decide(given, alert("a", family="privacy"), 0) == {"siem": Routed(), "file": Routed()}
    assert isinstance(decide_for(given, "file", alert("a"), 0), NotRouted)


def test_what_the_monitor_says_of_itself_reaches_people_where_no_route_takes_it() -> None:
    given = plan(PAGER, SIEM, routes=(route("siem", families=("access",)),))
    assert decide(given, alert("a", family="stream"), 0)["pager"] == Routed()
    assert decide(given, alert("a", family="behaviour"), 0)["pager"] == NotRouted()
    taken = plan(PAGER, SIEM, routes=(route("siem", families=("stream",)),))
    assert decide(taken, alert("a", family="stream"), 0)["pager"] == NotRouted()
