"""What a log of requests comes to: only signed steps of the right people, in the right order, in time."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alerts.people import Person
from alerts.requests import Request, Stored, fold, signed, wrong_with
from alerts.signatures import Signer
from schemas.request import LIFE_MAX, Step
from tests.alerts.test_people import signer

HOUR = 3_600_000
ANNA, BEN, CLEO, DORA = (signer(name, at) for at, name in enumerate(("anna", "ben", "cleo", "dora"), 1))
PEOPLE = {
    "anna": Person(key=ANNA.public, roles=("officer",)),
    "ben": Person(key=BEN.public, roles=("officer", "analyst")),
    "cleo": Person(key=CLEO.public, roles=("officer",)),
    "dora": Person(key=DORA.public, roles=("analyst",)),
}


def step(who: Signer, kind: str, **fields: Any) -> Step:
    return signed(
        Step(**{"step_id": f"{who.name}-{kind}", "request_id": "r", "kind": kind, "by": who.name, "at": 5, **fields}),
        who,
    )


ASKED = step(ANNA, "requested", subject="p1:x", reason="a reason", life=HOUR)


def answer(who: Signer, kind: str, asked: Step = ASKED, **fields: Any) -> Step:
    return step(who, kind, **{"over": asked.digest(), "box": "AAAA" if kind == "approved" else "", **fields})


def read(*steps: Step | tuple[Step, int]) -> Request:
    stored = [Stored(*(each if isinstance(each, tuple) else (each, 1_000 + at)), at) for at, each in enumerate(steps)]
    return fold(stored, PEOPLE)["r"]


def test_one_asks_another_approves_the_first_opens_once() -> None:
    assert read(ASKED).state(1_000) == "waiting"
    assert read(ASKED, answer(BEN, "approved")).state(2_000) == "approved"
    whole = read(ASKED, answer(BEN, "approved"), answer(ANNA, "opened"))
    assert whole.state(2_000) == whole.state(2_000 + 9 * HOUR) == "opened"
    assert whole.refused == []
    again = read(ASKED, answer(BEN, "approved"), answer(ANNA, "opened"), answer(ANNA, "opened", step_id="again"))
    assert [why for _, why in again.refused] == ["it was opened on 1970-01-01T00:00:01.002Z"]
    assert again.opening == whole.opening


def test_a_producer_that_tries_again_changes_nothing() -> None:
    approved, opened = answer(BEN, "approved"), answer(ANNA, "opened")
    assert read(ASKED, ASKED, approved, approved, opened, opened).refused == []


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((answer(ANNA, "approved"),), "nobody approves what they ask for themselves"),
        ((answer(DORA, "approved"),), "'dora' is no officer"),
        ((answer(signer("eve", 9), "approved"),), "'eve' is not in the policy's [people]"),
        ((answer(signer("ben", 9), "approved"),), "not signed with the key that the policy names for 'ben'"),
        ((replace(answer(BEN, "approved"), box="BBBB"),), "not signed with the key"),
        ((replace(answer(BEN, "approved"), signature=""),), "not signed with the key"),
        ((answer(BEN, "approved", box=""),), "it has no box for whoever asked"),
        ((answer(BEN, "approved", over="00"),), "it answers another request"),
        ((answer(BEN, "approved"), answer(CLEO, "approved")), "it was approved by 'ben' before"),
        ((answer(BEN, "denied"), answer(CLEO, "approved")), "it was denied by 'ben'"),
        ((answer(BEN, "approved"), answer(CLEO, "denied"), answer(ANNA, "opened")), "it was denied by 'cleo'"),
        ((answer(ANNA, "opened"),), "nobody has approved it"),
        ((answer(ANNA, "approved"), answer(ANNA, "opened")), "nobody has approved it"),
        ((answer(BEN, "approved"), answer(BEN, "opened")), "only 'anna' opens what they asked for"),
        ((answer(BEN, "approved"), answer(CLEO, "opened")), "only 'anna' opens what they asked for"),
        (((answer(BEN, "approved"), 1_000 + HOUR),), "the request expired on 1970-01-01T01:00:01.000Z"),
        ((answer(BEN, "approved"), (answer(ANNA, "opened"), 1_000 + HOUR)), "the request expired on"),
        ((replace(ASKED, subject="p1:y", step_id="2"),), "its request id is taken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_count_and_why(steps: tuple[Any, ...], why: str) -> None:
    request = read(ASKED, *steps)
    assert why in request.refused[-1][1]
    assert request.opening is None


def test_the_last_moment_is_the_logs() -> None:
    """Whatever the signers' clocks say."""
    late = replace(answer(BEN, "approved"), at=9 * HOUR)
    request = read(ASKED, (signed(late, BEN), 999 + HOUR), (answer(ANNA, "opened"), 999 + HOUR))
    assert request.state(0) == "opened"
    early = answer(BEN, "approved", at=0)
    assert read(ASKED, (early, 1_000 + HOUR)).approval is None
    assert read(ASKED).state(999 + HOUR) == "waiting"
    assert read(ASKED).state(1_000 + HOUR) == "expired"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (step(DORA, "requested", subject="t", reason="r", life=HOUR), "'dora' is no officer"),
        (step(signer("eve", 9), "requested", subject="t", reason="r", life=HOUR), "'eve' is not in the policy's"),
        (replace(ASKED, reason="another"), "not signed with the key that the policy names for 'anna'"),
        (step(ANNA, "requested", subject="t", reason="  ", life=HOUR), "it has no reason"),
        (step(ANNA, "requested", reason="r", life=HOUR), "it says nothing of whom it is about"),
        (step(ANNA, "requested", subject="t", reason="r"), "it is to stand for 0 ms"),
        (step(ANNA, "requested", subject="t", reason="r", life=LIFE_MAX + 1), "at most 86400000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_does_not_count_is_shown_so_and_cannot_be_answered(asked: Step, why: str) -> None:
    request = read(asked, answer(BEN, "approved", asked), answer(ANNA, "opened", asked))
    assert request.state(1_500) == "invalid"
    assert why in str(request.invalid)
    assert request.approval is request.opening is None
    assert len(request.refused) == 2


def test_every_field_is_signed() -> None:
    whole = step(ANNA, "requested", subject="t", reason="r", life=HOUR, alert_id="a", ticket="k", over="o", box="b")
    assert wrong_with(whole, PEOPLE) is None
    other = {"kind": "looked", "by": "ben", "at": 6, "life": 7}
    for name in Step.__struct_fields__[:-1]:
        changed = replace(whole, **{name: other.get(name, "other")})
        assert "not signed" in str(wrong_with(changed, PEOPLE)), name


def test_looks_exports_and_erasures_are_requests_of_their_own() -> None:
    for kind, who, why in (("looked", DORA, None), ("exported", DORA, "'dora' is no officer"), ("erased", BEN, None)):
        request = read(step(who, kind, subject="p1:x", reason="r"))
        assert (request.invalid or "") == (why or "")
    looked = step(DORA, "looked", subject="p1:x", reason="r")
    request = read(looked, answer(BEN, "approved", looked))
    assert request.refused[0][1] == "it answers what asks for nothing"


STEPS = [
    ASKED,
    *(answer(who, kind) for who in (ANNA, BEN, CLEO, DORA) for kind in ("approved", "denied", "opened")),
    answer(signer("ben", 9), "approved", step_id="forged"),
]


@settings(max_examples=300, deadline=None)
@given(order=st.lists(st.sampled_from(STEPS), max_size=8), gaps=st.lists(st.integers(0, HOUR), min_size=9, max_size=9))
def test_nothing_is_opened_but_by_two_in_time(order: list[Step], gaps: list[int]) -> None:
    """Whatever is written in whatever order: an opening that counts has another officer's approval before it."""
    at, stored = 0, []
    for number, each in enumerate([ASKED, *order]):
        at += gaps[number]
        stored.append(Stored(each, at, number))
    request = fold(stored, PEOPLE)["r"]
    if request.opening is not None:
        approval = request.approval
        assert approval is not None
        assert approval.step.by in {"ben", "cleo"}
        assert approval.step.signature != answer(signer("ben", 9), "approved", step_id="forged").signature
        assert request.opening.step.by == "anna"
        assert request.asked.offset < approval.offset < request.opening.offset
        assert request.opening.at < request.asked.at + HOUR
        assert not any(
            each.step.kind == "denied" and each.step.by != "dora" and each.offset < request.opening.offset
            for each in stored
        )


def test_two_who_open_at_once_open_once() -> None:
    """Both are stored; the log's order says whose counts."""
    first, second = answer(ANNA, "opened", step_id="1"), answer(ANNA, "opened", step_id="2")
    for one, other in permutations((first, second)):
        request = read(ASKED, answer(BEN, "approved"), one, other)
        assert request.opening is not None
        assert request.opening.step is one
        assert request.refused[0][0].step is other
