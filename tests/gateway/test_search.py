"""Searches: everybody that a decision would let through and nobody else, in order, with an end to the work."""

from __future__ import annotations

from typing import Any, Literal, get_args

import pytest

from rules.cases import HOUR, T
from rules.gateway import search
from rules.gateway.decide import DecisionPoint
from rules.gateway.request import BadRequestError
from rules.gateway.search import Found
from schemas.access import Action
from tests.gateway.points import CALLER, GATEWAY, decided, point, request
from tests.rules.streams import badge, complete, dataset, employee, knowing, role, workload

Kind = Literal["subject", "action", "resource"]
ALL = [
    *complete("e-2"),
    *complete("e-1"),
    *complete("e-3"),
    badge("IN", "e-2", valid_from=T - HOUR),
    employee("e-4"),
    workload("proxy"),
    dataset("users"),
    dataset("logs", sensitivity="allowable"),
    dataset("abroad", site="sin-1", site_country="SG"),
]
WHO, WHAT, HOW = {"type": "user", "id": "e-1"}, {"type": "dataset", "id": "users"}, {"name": "read"}
CONTEXT = {"purpose": "support", "ticket": "T-1"}
BODIES: dict[Kind, dict[str, Any]] = {
    "subject": {"subject": {"type": "user"}, "action": HOW, "resource": WHAT, "context": CONTEXT},
    "resource": {"subject": WHO, "action": HOW, "resource": {"type": "dataset"}, "context": CONTEXT},
    "action": {"subject": WHO, "resource": WHAT, "context": CONTEXT},
}


def sought(
    kind: Kind,
    at: DecisionPoint | None = None,
    *,
    most: int = 10,
    after: str = "",
    caller: str = CALLER,
    **parts: Any,
) -> Found:
    body = {name: value for name, value in {**BODIES[kind], **parts}.items() if value is not None}
    return (at or point(ALL)).search(kind, body, caller=caller, now=T, most=most, after=after)


def ids(found: Found) -> list[str]:
    return [each.get("id", each.get("name", "")) for each in found]


def test_whoever_may_is_found_in_order() -> None:
    found = sought("subject")
    assert found == [{"type": "user", "id": "e-1"}, {"type": "user", "id": "e-3"}]
    assert not found.cut


def test_what_may_be_reached_is_found_in_order() -> None:
    assert sought("resource") == [{"type": "dataset", "id": "logs"}, {"type": "dataset", "id": "users"}]
    assert ids(sought("resource", resource={"type": "record"})) == ["logs", "users"]


def test_what_may_be_done_is_found_in_order() -> None:
    assert sought("action") == [{"name": name} for name in ("export", "grant", "list", "query", "read")]


def test_names_of_the_policy_are_found_beside_ours() -> None:
    mapped = GATEWAY.replace("[gateway]\n", '[gateway]\nactions = { can_view = "read", can_drop = "delete" }\n')
    assert ids(sought("action", point(ALL, gateway=mapped))) == ["can_view", "export", "grant", "list", "query", "read"]


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_a_search_finds_what_decisions_allow(kind: Kind) -> None:
    """Candidate by candidate, for several contexts."""
    at = point([*ALL, role("inside-only", "e-3")])
    for context in (CONTEXT, {}, {"purpose": "audit"}, {**CONTEXT, "device_country": "IN"}):
        asks: dict[str, Any] = {"purpose": None, "ticket": None, **context}
        found = set(ids(sought(kind, at, context=context, most=100)))
        if kind == "subject":
            allowed = {w for w in ("e-1", "e-2", "e-3", "e-4") if may(at, request(w, **asks))}
        elif kind == "resource":
            allowed = {d for d in ("users", "logs", "abroad") if may(at, request(dataset=d, **asks))}
        else:
            allowed = {a for a in get_args(Action) if may(at, request(action=a, **asks))}
        assert found == allowed, context


def may(at: DecisionPoint, asked: Any) -> bool:
    return decided(at, asked, T).record.effect == "allow"


def test_the_id_of_what_is_sought_is_not_looked_at() -> None:
    assert ids(sought("subject", subject={"type": "user", "id": "e-4"})) == ["e-1", "e-3"]
    assert ids(sought("resource", resource={"type": "dataset", "id": "nobody's"})) == ["logs", "users"]


def test_properties_of_the_request_count_for_every_candidate() -> None:
    archived = """
[[gateway.conditions]]
name = "archived"
sentence = "Archived."
when = { "resource.status" = "archived" }
unless = { "subject.role" = "inside-only" }
"""
    at = point([*ALL, role("inside-only", "e-3")], archived)
    old = {"type": "dataset", "properties": {"status": "archived"}}
    assert ids(sought("resource", at, resource=old)) == []
    assert ids(sought("resource", at)) == ["logs", "users"]
    assert ids(sought("subject", at, resource={**old, "id": "users"})) == ["e-3"], "the directory knows roles"


def test_machines_are_found_by_their_rows_and_externals_have_none() -> None:
    open_to_machines = '[rules."dataset.outside_perimeter"]\nenabled = false\n'
    assert ids(sought("subject", point(ALL, open_to_machines), subject={"type": "workload"}, caller="gw-machines")) == [
        "proxy"
    ]
    assert ids(sought("subject", point(ALL, open_to_machines), subject={"type": "workload"})) == []
    assert ids(sought("subject", point(ALL, open_to_machines), subject={"type": "external"})) == []


def test_a_gateway_finds_only_what_is_behind_it() -> None:
    at = point(ALL)
    assert ids(at.search("resource", BODIES["resource"], caller="gw-logs", now=T, most=9)) == ["logs"]
    assert at.search("resource", BODIES["resource"], caller="gw-9", now=T, most=9) == []
    assert at.search("subject", BODIES["subject"], caller="gw-logs", now=T, most=9) == []


# An end to the work.


def test_no_more_than_asked_for_and_the_rest_behind_it() -> None:
    first = sought("subject", most=1)
    assert (ids(first), first.cut, first.last) == (["e-1"], True, "e-1")
    second = sought("subject", most=1, after=first.last)
    assert (ids(second), second.cut) == (["e-3"], True), "e-4 was not weighed yet"
    third = sought("subject", most=1, after=second.last)
    assert (ids(third), third.cut) == ([], False)
    nothing = sought("subject", most=0)
    assert (ids(nothing), nothing.cut, nothing.last) == ([], True, "")


def test_work_is_bounded_and_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES_MAX", 2)
    first = sought("subject")
    assert (ids(first), first.cut, first.last) == (["e-1"], True, "e-2")
    second = sought("subject", after=first.last)
    assert (ids(second), second.cut, second.last) == (["e-3"], False, "e-4")


def test_pages_put_together_are_the_whole() -> None:
    everybody = [f"e-{number:02}" for number in range(30)]
    at = point([*(row for who in everybody for row in complete(who)), dataset("users")])
    whole, after = [], ""
    for _ in range(11):
        page = sought("subject", at, most=3, after=after)
        whole += ids(page)
        after = page.last
        if not page.cut:
            break
    assert whole == everybody


# What cannot be understood.


@pytest.mark.parametrize(
    ("kind", "parts", "told"),
    [
        ("subject", {"action": None}, r"^action: required, and not there"),
        ("subject", {"subject": None}, r"^subject: required, and not there"),
        ("subject", {"resource": {"type": "dataset"}}, r"^resource: .*missing required field `id`"),
        ("subject", {"subject": {}}, r"^subject: .*missing required field `type`"),
        ("subject", {"subject": "alice"}, r"^subject: Expected `object`, got `str`"),
        ("resource", {"subject": {"type": "user"}}, r"^subject: .*missing required field `id`"),
        ("resource", {"action": {}}, r"^action: .*missing required field `name`"),
        ("resource", {"action": {"name": 7}}, r"^action: Expected `str`, got `int` - at `\$.name`"),
        ("action", {"resource": None}, r"^resource: required, and not there"),
        ("action", {"subject": {"type": "user", "id": ""}}, r"^subject: Expected `str` of length >= 1 - at `\$.id`"),
        ("action", {"context": []}, r"^context: Expected `object`, got `array`"),
        ("action", {"context": {"ip": 1}}, r"^context\.ip: allowed is a text"),
        ("resource", {"action": {"name": "frobnicate"}}, r"^action\.name: 'frobnicate' is not known; allowed: create"),
    ],
)
def test_a_search_that_cannot_be_understood_says_which_part(kind: Kind, parts: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        sought(kind, **parts)


def test_a_search_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadRequestError, match="allowed is an object"):
        point(ALL).search("subject", [], caller=CALLER, now=T, most=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_types_that_nobody_knows_have_no_entities(kind: Kind) -> None:
    for part in ("subject", "resource"):
        odd: dict[str, Any] = {part: {**BODIES[kind][part], "type": "spaceship"}}
        assert sought(kind, **odd) == []


def test_a_search_leaves_no_trace() -> None:
    knowledge = knowing(ALL)
    at = point(knowledge)
    sought("action", at, subject={"type": "user", "id": "nobody"})
    assert knowledge.known("nobody") is None


def test_a_search_lets_others_go_first_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for number in range(40) for row in complete(f"e-{number:02}")]
    at = point([*ALL, *rows])
    whole = ids(at.search("subject", BODIES["subject"], caller=CALLER, now=T, most=99))
    monkeypatch.setattr(search, "LOOKED_AT_ONCE", 7)
    monkeypatch.setattr(search, "WEIGHED_AT_ONCE", 5)
    slices = at.slices("subject", BODIES["subject"], caller=CALLER, now=T, most=99)
    pieces, found = 0, None
    while found is None:
        try:
            next(slices)
            pieces += 1
        except StopIteration as end:
            found = end.value
    assert ids(found) == whole
    assert len(whole) == 42
    assert pieces >= 40 // 7 + 42 // 5


def test_only_the_first_candidates_are_kept_of_a_large_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for number in reversed(range(40)) for row in complete(f"e-{number:02}")]
    at = point([dataset("users"), *rows])
    monkeypatch.setattr(search, "CANDIDATES_MAX", 6)
    monkeypatch.setattr(search, "LOOKED_AT_ONCE", 4)
    found = at.search("subject", BODIES["subject"], caller=CALLER, now=T, most=99, after="e-03")
    assert ids(found) == [f"e-{number:02}" for number in range(4, 10)]
    assert found.cut
    assert found.last == "e-09"
