"""No alert that is published names anybody, and whoever holds the keys gets the names back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.pseudonyms import TOKEN, Pseudonyms, people_of, show
from rules.cases import T
from rules.habits.across import Across
from rules.habits.crowds import Visit
from rules.shadow import as_shadow
from schemas.alert import Alert, EventRef
from schemas.codec import ALERT
from schemas.errors import InvariantError
from tests.alerts.pseudonymous import DAY, ring
from tests.rules.streams import JUDGED_WITH, access, badge, dataset, employee, line, policy, role, session

KEYS = ring(T - 400 * DAY, T - DAY)
"""The second epoch has just begun: the first one overlaps."""

BEHAVIOUR = "[behaviour]\n"
FIXED = frozenset({
    "alert_id", "family", "status", "cause", "rule_id", "severity", "title", "principal_type", "sensitivity", "action",
    "outcome", "judged_with", "dedup_key", "kind", "place_class", "stood", "basis", "judged_on", "regime", "country",
    "topic", "clock", "cross_border", "employee_status",
})  # fmt: skip
"""Fields whose words are the program's own: somebody who is called `read` is not named by them."""

ids = st.one_of(
    st.from_regex(r"[a-z]{1,3}-[0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[a-z]{3,8}\.[a-z]{3,8}@[a-z]{3,8}\.eu", fullmatch=True),
    st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12),
    st.sampled_from(
        ["7", "07", "read", "users", "Employee", "UTC", "2026", 'quo"te', "back\\slash", "a.b*c", "p1", "x, y"]
    ),
)


def pseudonyms() -> Pseudonyms:
    return Pseudonyms(KEYS, lambda person: sha256(b"own key of " + person.encode()).digest())


def named_everywhere(who: str) -> list[Alert]:
    """Alerts of every kind that are about people, with their ids in whatever a producer may have written."""
    found = session([employee(who), badge(who=who), role(who=who), dataset()], more=BEHAVIOUR, patient=False)
    fields = {"employee_id": who, "device_country": "IN", "session_id": f"s {who}", "client": f"psql of {who} "}
    lines = [
        line(access(**fields, event_id=f"ev:{who}:1", destination=f"home of {who}", action="export"), 0),
        *(
            line(access(employee_id=who, event_id=f"ev-{n}", occurred_at=T + n, service_account=f"svc-{n}"), n + 1)
            for n in range(6)
        ),
    ]
    haul = found.take(lines, T)
    assert {alert.family for alert in haul.alerts} == {"access", "behaviour"}
    return [*haul.alerts, as_shadow(haul.alerts[0])]


def crowd(*people: str) -> Alert:
    """The alert about people around one data subject."""
    across = Across(lambda: JUDGED_WITH)
    across.adopt(policy(BEHAVIOUR))
    found = [
        across.visit(Visit(1, who, T, T, "users", EventRef(event_id=f"ev {who}")), T) for who in dict.fromkeys(people)
    ]
    return next(alert for alert in found[::-1] if alert is not None)


def texts(value: Any) -> Iterator[str]:
    """Every text in a record that is not one of the program's own words."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in FIXED:
                yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def names(text: str, who: str) -> bool:
    """Whether somebody's id stands in a text as a word."""
    return re.search(rf"(?<![^\W_]){re.escape(who)}(?![^\W_])", text) is not None


@settings(deadline=None, max_examples=60)
@given(ids)
def test_no_published_alert_names_its_person(who: str) -> None:
    hiding = pseudonyms()
    for alert in named_everywhere(who):
        hidden, record = hiding.hide(alert)
        assert ALERT.decode(record) == hidden
        token = hiding.token(who, KEYS.epochs[1])
        assert (hidden.person, hidden.person_before) == (token, hiding.token(who, KEYS.epochs[0]))
        assert f" {token} " in hidden.explanation
        assert alert.alert_id.encode() not in record
        assert alert.dedup_key.encode() not in record
        if len(who) >= 3:
            assert [text for text in texts(orjson.loads(record)) if names(text, who)] == []


@settings(deadline=None, max_examples=60)
@given(st.lists(ids, min_size=4, max_size=9, unique=True))
def test_no_crowd_names_its_people(people: list[str]) -> None:
    hiding = pseudonyms()
    alert = crowd(*people)
    hidden, record = hiding.hide(alert)
    tokens = sorted(hiding.token(who, KEYS.epochs[1]) for who in alert.facts["people"])
    assert hidden.facts["people"] == tokens
    assert f": {', '.join(tokens)} looked up" in hidden.explanation
    for who in alert.facts["people"]:
        if len(who) >= 3:
            assert [text for text in texts(orjson.loads(record)) if names(text, who)] == []


@settings(deadline=None, max_examples=60)
@given(ids)
def test_what_was_hidden_is_shown_again_to_who_may_see_it(who: str) -> None:
    hiding = pseudonyms()
    known = dict.fromkeys(hiding.tokens(who), who)
    for alert in named_everywhere(who):
        shown = show(hiding.hide(alert)[0], known.get)
        assert _plain(shown) == _plain(hiding.keyed(alert))


@settings(deadline=None, max_examples=60)
@given(st.lists(ids, min_size=4, max_size=9, unique=True))
def test_a_crowd_is_shown_again(people: list[str]) -> None:
    hiding = pseudonyms()
    alert = crowd(*people)
    known = {token: who for who in people for token in hiding.tokens(who)}
    assert _plain(show(hiding.hide(alert)[0], known.get)) == _plain(hiding.keyed(alert))


def _plain(alert: Alert) -> Alert:
    """An alert without what cannot be made clear again, and without whom the former epoch called it."""
    facts = {name: value for name, value in alert.facts.items() if name not in {"session_id", "service_account"}}
    return msgspec.structs.replace(alert, facts=facts, person_before=msgspec.UNSET)


def test_who_is_not_known_stays_hidden() -> None:
    hidden, _ = pseudonyms().hide(named_everywhere("e-1")[0])
    assert show(hidden, lambda _: None) == hidden


def test_ids_are_the_same_in_every_epoch_and_pseudonyms_are_not() -> None:
    alert = named_everywhere("e-1")[0]
    later = msgspec.structs.replace(alert, occurred_at=KEYS.epochs[1].since + KEYS.overlap)
    earlier = msgspec.structs.replace(alert, occurred_at=KEYS.epochs[0].since)
    hiding = pseudonyms()
    three = [hiding.hide(each)[0] for each in (earlier, alert, later)]
    assert len({each.alert_id for each in three}) == len({each.dedup_key for each in three}) == 1
    first, second = hiding.tokens("e-1")
    assert [(each.person, each.person_before) for each in three] == [
        (first, msgspec.UNSET),
        (second, first),
        (second, msgspec.UNSET),
    ]


def test_dates_and_counts_stay_readable_where_ids_are_short() -> None:
    (about, *_) = named_everywhere("7")
    hidden, _ = pseudonyms().hide(about)
    token = pseudonyms().token("7", KEYS.epochs[1])
    assert hidden.explanation == about.explanation.replace("Employee 7 ", f"Employee {token} ", 1)
    assert hidden.reasons == about.reasons


def test_things_of_a_person_have_tokens_of_their_own() -> None:
    hiding = pseudonyms()
    found = {who: hiding.hide(named_everywhere(who)[0])[0].facts["session_id"] for who in ("e-1", "e-2")}
    assert all(re.fullmatch(r"p2:[0-9a-f]{20}", each) for each in found.values())
    assert len(set(found.values())) == 2
    assert not any(TOKEN.search(each) for each in found.values()), "it is taken for no person"


def test_an_alert_about_nobody_changes_its_ids_alone() -> None:
    alert = msgspec.structs.replace(named_everywhere("e-1")[0], person=msgspec.UNSET)
    hidden, _ = pseudonyms().hide(alert)
    assert people_of(alert) == ()
    assert hidden == pseudonyms().keyed(alert) != alert


def test_nobody_is_published_without_a_key() -> None:
    with pytest.raises(InvariantError, match="no key") as found:
        Pseudonyms(KEYS, lambda _: None).hide(named_everywhere("e-17")[0])
    assert "e-17" not in str(found.value)


def test_once_a_key_is_destroyed_another_one_is_unlinkable() -> None:
    keys = {"e-1": b"a" * 32}
    hiding = Pseudonyms(KEYS, keys.get)
    before = hiding.tokens("e-1")
    hiding.forget("e-1")
    keys["e-1"] = b"b" * 32
    assert not {*before} & {*hiding.tokens("e-1")}
