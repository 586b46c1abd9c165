"""Defects of group books and routing (each test fails until it is mended)."""

from __future__ import annotations

from msgspec import structs

from alerts.book import Book
from alerts.notice import Delivered, Notice
from alerts.plan import Match, Route
from alerts.routing import Routed, decide_for
from tests.alerts.plans import alert, destination, kind, plan

NOW = 1_000_000_000


def _told(of: Book[int], now: int) -> list[Notice]:
    sent = of.due(now)
    for each in sent:
        of.settle(each, Delivered(), now)
    return [each.notice for each in sent]


def test_closing_a_privacy_alert_at_once_does_not_hide_it() -> None:
    """DEFECT: a look that an accomplice (any analyst) closes before it is sent, as during any backlog, reaches no pager."""
    it = Book[int](plan(destination()), "pager")
    asked = structs.replace(alert("look", at=NOW), family="privacy")
    it.take(asked, 1, NOW)
    it.take(structs.replace(asked, revision=1, status="resolved"), 2, NOW)
    assert [each.state for each in _told(it, NOW)], "nobody was told that an identity was asked for"


def test_and_after_a_restart_its_beginning_is_told() -> None:
    """DEFECT: after a restart the end alone is told: a pager drops the end of what it does not know."""
    it = Book[int](plan(destination()), "pager")
    it.resume(NOW + 1_000)
    asked = structs.replace(alert("look", at=NOW), family="privacy")
    it.take(asked, 1, NOW + 1_000)
    it.take(structs.replace(asked, revision=1, status="resolved"), 2, NOW + 1_000)
    assert "firing" in [each.state for each in _told(it, NOW + 1_000)]


def test_a_privacy_alert_goes_somewhere_also_where_only_machines_are_told() -> None:
    """DEFECT: `reached` adds grouped destinations only: where there is none, a route hides every look."""
    siem = destination("siem", kind("siem", grouped=False))
    only = plan(siem, routes=(Route(match=Match(families=("access",)), to=("siem",), final=False),))
    asked = structs.replace(alert("look", at=NOW), family="privacy")
    assert isinstance(decide_for(only, "siem", asked, NOW), Routed)
