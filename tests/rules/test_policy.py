"""The policy file: every kind of error says where it is and what is allowed; what is right is read."""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.policy_watch import read_policy
from rules.cases import POLICY
from rules.catalogue import RULE_IDS
from rules.policy import Policy, parse
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass

DEMO = Path("demo/policy.toml")
BASE = """\
version = 1
[perimeter]
countries = ["EEA", "GB"]
"""
EXEMPTION = """\
[[exemptions]]
id = "x"
rules = ["role.none"]
owner = "dpo"
reason = "because"
until = 2030-01-01T00:00:00Z
"""


def read(text: str) -> Policy:
    return parse(text, "p.toml", RULE_IDS)


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return str(caught.value)


def tried(text: str) -> None:
    """Read it; what is refused names the file, and any other error escapes and fails the test."""
    with contextlib.suppress(ConfigurationError):
        assert read(text).version
        return
    assert refused(text).startswith("p.toml")


def added(more: str) -> tuple[str, int]:
    """The base with more behind it, and the last line of it."""
    text = BASE + more
    return text, len(text.splitlines())


WRONG: list[tuple[str, str, str, list[str]]] = [
    # name, what is added (the last line is the wrong one), the key, what else the error says
    ("an unknown section", "[sitess.dub-1]", "sitess", ["unknown key", "did you mean 'sites'?", "Allowed:"]),
    ("an unknown key of a site", '[sites.dub-1]\ncountry = "IE"\ncontry = "IE"', "sites.dub-1.contry",
     ["unknown key", "did you mean 'country'?"]),
    ("a country that is none", '[sites.dub-1]\ncountry = "ZZ"', "sites.dub-1.country", ["'ZZ'"]),
    ("a country of another type", "[sites.dub-1]\ncountry = 7", "sites.dub-1.country", ["7", "expected `str`"]),
    ("a site that is none", 'sites.dub-1 = "IE"', "perimeter.sites", ["unknown key", "allowed: countries, regime"]),
    ("an entity that is no table", '[entities]\nclover = "IE"', "entities.clover", ["'IE'", "not a table"]),
    ("an establishment", '[entities.c]\ncountry = "IE"\nestablishment = "seperate"', "entities.c.establishment",
     ["'seperate'", "did you mean 'separate'?", "eu, separate"]),
    ("a framework", '[entities.c]\ncountry = "US"\nframeworks = ["DPFF"]', "entities.c.frameworks",
     ["'DPFF'", "did you mean 'DPF'?", "UK-DPF"]),
    ("an instrument", '[entities.c]\ncountry = "US"\ninstruments = ["ssc"]', "entities.c.instruments[0]",
     ["'ssc'", "did you mean 'scc'?", "art49, bcr, scc"]),
    ("a ticket's pattern", '[purposes.s]\nticket = true\nticket_pattern = "T-["', "purposes.s.ticket_pattern",
     ["'T-['"]),
    ("a ticket in words", '[purposes.s]\nticket = "yes"', "purposes.s.ticket", ["'yes'", "expected `bool`"]),
    ("a purpose that is not defined", '[purposes.support]\n[roles.r]\npurposes = ["suport"]', "roles.r.purposes",
     ["'suport'", "did you mean 'support'?"]),
    ("a place of a role", '[roles.r]\nplaces = ["inside", "thirdcountry"]', "roles.r.places[1]",
     ["'thirdcountry'", "did you mean 'third_country'?", "adequate, conditional, inside, third_country, unknown"]),
    ("a sensitivity", '[roles.r]\n[[roles.r.may]]\nactions = ["read"]\nsensitivity = ["restrictet"]',
     "roles.r.may[0].sensitivity[0]", ["'restrictet'", "did you mean 'restricted'?", "pseudonymised"]),
    ("an action of the second permission",
     '[[roles.r.may]]\nactions = ["read"]\nsensitivity = []\n[[roles.r.may]]\nsensitivity = []\nactions = ["raed"]',
     "roles.r.may[1].actions[0]", ["'raed'", "did you mean 'read'?"]),
    ("a permission without actions", "[roles.r]\n[[roles.r.may]]", "roles.r.may[0]", ["required", "not there"]),
    ("a key of a permission", '[roles.r]\n[[roles.r.may]]\nactions=["read"]\nsensitivity=["public"]\ndataset = ["x"]',
     "roles.r.may[0].dataset", ["unknown key", "did you mean 'datasets'?"]),
    ("a network", '[[networks]]\nkind = "vpn"\ncidr = "10.0.0.0/33"', "networks[0].cidr", ["10.0.0.0/33"]),
    ("a network's kind", '[[networks]]\ncidr = "10.0.0.0/8"\nkind = "ofice"', "networks[0].kind",
     ["'ofice'", "did you mean 'office'?"]),
    ("a network's country", '[[networks]]\ncidr = "10.0.0.0/8"\nkind = "office"\ncountry = "XX"',
     "networks[0].country", ["'XX'"]),
    ("a network that is a table", "[networks]", "networks", ["[[networks]]"]),
    ("a kind of evidence", '[evidence.max_age]\nbadges = "1d"', "evidence.max_age.badges",
     ["unknown key", "did you mean 'badge'?"]),
    ("an age of nothing", '[evidence.max_age]\nbadge = "0s"', "evidence.max_age.badge", ["'0s'", "at least 1 ms"]),
    ("a duration without a unit", '[thresholds]\nfacts_grace = "10"', "thresholds.facts_grace",
     ["'10'", "ms, s, m, h or d"]),
    ("a duration that is a number", "[thresholds]\nfacts_grace = 10", "thresholds.facts_grace",
     ["10", "expected `str`"]),
    ("a duration in weeks", '[thresholds]\nlate = "5w"', "thresholds.late", ["'5w'", "as in 24h"]),
    ("a window of nothing", '[thresholds]\ndedup_window = "0d"', "thresholds.dedup_window", ["at least 1 ms"]),
    ("a threshold", '[thresholds]\nfact_grace = "1s"', "thresholds.fact_grace", ["did you mean 'facts_grace'?"]),
    ("a severity", '[severity.matrix.restricted]\ninside = "hihg"', "severity.matrix.restricted.inside",
     ["'hihg'", "did you mean 'high'?", "critical"]),
    ("a severity that is a list", '[severity.matrix.restricted]\ninside = ["high"]',
     "severity.matrix.restricted.inside", ["high"]),
    ("a class in the matrix", '[severity.matrix.restricted]\nthird = "high"', "severity.matrix.restricted.third",
     ["unknown key", "third_country"]),
    ("a sensitivity in the matrix", "[severity.matrix.secret]", "severity.matrix.secret", ["restricted"]),
    ("a severity that is no table", "[severity]\nmatrix = 3", "severity.matrix", ["3", "not a table"]),
    ("a rule", '[rules."place.third_contry"]', 'rules."place.third_contry"',
     ["no such rule", "did you mean 'place.third_country'?"]),
    ("a rule without quotes", "[rules.place.third_country]", "rules.place", ["no such rule", '[rules."']),
    ("a rule's severity", '[rules."role.none"]\nseverity = "severe"', 'rules."role.none".severity',
     ["'severe'", "matrix", "critical"]),
    ("a rule's key", '[rules."role.none"]\nenable = false', 'rules."role.none".enable', ["did you mean 'enabled'?"]),
    ("a rule's sensitivity", '[rules."role.none"]\nsensitivities = ["publik"]', 'rules."role.none".sensitivities[0]',
     ["'publik'", "did you mean 'public'?"]),
    ("a source's mapping", '[[sources.cloudtrail.datasets]]\nto = "x"\nmacth = "*"',
     "sources.cloudtrail.datasets[0]", ["match"]),
    ("a perimeter's country", "[[exemptions]]", "exemptions[0].id", ["required", "not there"]),
]  # fmt: skip


@pytest.mark.parametrize(("more", "key", "said"), [pytest.param(*each[1:], id=each[0]) for each in WRONG])
def test_an_error_names_file_line_key_value_and_what_is_allowed(more: str, key: str, said: list[str]) -> None:
    text, last = added(more)
    error = refused(text)
    found = re.match(r"p\.toml:(\d+): (.*)", error, re.DOTALL)
    assert found, error
    assert int(found[1]) == last, error
    assert found[2].startswith(key), error
    for part in said:
        assert part in error, error


EXEMPTED: list[tuple[str, str, str, str, str]] = [
    ("a rule", "rules", '["role.nome"]', "rules", "did you mean 'role.none'?"),
    ("no rule", "rules", "[]", "rules", "names the rules"),
    ("nobody who answers", "owner", '" "', "owner", "cannot be empty"),
    ("no reason", "reason", '""', "reason", "cannot be empty"),
    ("an end without an offset", "until", "2030-01-01T00:00:00", "until", "with an offset"),
    ("an end that is a date", "until", "2030-01-01", "until", "datetime"),
    ("an end in words", "until", '"soon"', "until", "'soon'"),
    ("a role", "roles", '["ghost"]', "roles", "no such role"),
    ("a country", "countries", '["ZZ"]', "countries", "'ZZ'"),
    ("a beginning after the end", "from", "2031-01-01T00:00:00Z", "until", "not after `from`"),
    ("a beginning without an offset", "from", "2026-01-01T00:00:00", "from", "with an offset"),
    ("a key", "employee", '["e-1"]', "employee", "did you mean 'employees'?"),
]


@pytest.mark.parametrize(("name", "value", "key", "said"), [pytest.param(*each[1:], id=each[0]) for each in EXEMPTED])
def test_an_exemption_has_rules_an_owner_a_reason_and_an_end(name: str, value: str, key: str, said: str) -> None:
    kept = [line for line in EXEMPTION.splitlines() if not line.startswith(f"{name} =")]
    text = BASE + "\n".join([*kept, f"{name} = {value}"])
    error = refused(text)
    assert f"exemptions[0].{key}: " in error
    assert said in error
    line = max(at for at, each in enumerate(text.splitlines(), 1) if each.startswith(f"{key} ="))
    assert error.startswith(f"p.toml:{line}: ")


def test_two_exemptions_have_two_names() -> None:
    error = refused(BASE + EXEMPTION + EXEMPTION)
    assert error.startswith("p.toml:11: exemptions[1].id: 'x' is there twice")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "version"),
        ('version = "1"', "'1': this program reads version 1"),
        ("version = 2", "this program reads version 1"),
        ("version = true", "this program reads version 1"),
        ("version = 1", "perimeter.countries: a list of countries or groups is required"),
        ("version = 1\nperimeter = 3", "perimeter: 3 is not a table"),
        ("version = 1\n[perimeter]\ncountries = []", "p.toml:3: perimeter.countries"),
        ('version = 1\n[perimeter]\ncountries = "IE"', "p.toml:3: perimeter.countries"),
        ('version = 1\n[perimeter]\ncountries = ["IE", 3]', "p.toml:3: perimeter.countries"),
        ('version = 1\n[perimeter]\ncountries = ["EAA"]', "p.toml:3: perimeter.countries"),
        (
            'version = 1\n[perimeter]\ncountries = ["IE"]\nregime = "US"',
            "p.toml:4: perimeter.regime: 'US'; allowed: CH",
        ),
        ('version = 1\n[perimeter]\ncountries = ["IE"]\nregime = ["EU"]', "p.toml:4: perimeter.regime"),
        ("version = ", "p.toml: not TOML"),
        ("version = 1\nversion = 1", "p.toml: not TOML"),
        ("x = " + "[" * 100_000, "p.toml: not TOML"),
        ("x = " + "9" * 10_000, "p.toml: not TOML"),
        ("x = 2026-02-30T00:00:00Z", "p.toml: not TOML"),
    ],
)
def test_a_file_that_cannot_be_a_policy_says_so(text: str, said: str) -> None:
    error = refused(text)
    assert error.startswith("p.toml")
    assert said in error


def test_an_error_names_the_line_after_comments_strings_and_arrays_of_many_lines() -> None:
    text = (
        BASE + '# [roles.r]\n\n[purposes]\n"p q" = {ticket = true}\n[roles.r] # a comment\nplaces = [\n  "inside",\n]\n'
    )
    error = refused(text + "\n[roles.'s t']\npurposes = [\n 'p q',\n 'p  q',\n]\n")
    assert error.startswith("p.toml:14: roles.\"s t\".purposes: purpose 'p  q' is not defined; did you mean 'p q'?")


# What is right.


def test_the_version_is_a_hash_of_the_content_and_nothing_else() -> None:
    assert read(BASE).version == read(BASE).version == parse(BASE, "other", RULE_IDS).version
    assert re.fullmatch(r"[0-9a-f]{16}", read(BASE).version)
    assert read(BASE + "# a comment\n").version != read(BASE).version


def test_every_key_of_the_demo_policy_is_read() -> None:
    """The demo's policy is the example to copy: each key in it means something."""
    text = DEMO.read_text()
    policy = read(text)
    data = tomllib.loads(text)
    assert policy.sites.keys() == data["sites"].keys()
    assert policy.entities.keys() == data["entities"].keys()
    assert policy.purposes.keys() == data["purposes"].keys()
    assert policy.roles.keys() == data["roles"].keys()
    assert [each.id for each in policy.exemptions] == [each["id"] for each in data["exemptions"]]
    assert policy.default_roles == ("everyone",)
    assert (policy.facts_grace, policy.late) == (10_000, 120 * 86_400_000)
    assert policy.severity("restricted", PlaceClass.ADEQUATE) == "high"
    for path in _leaves(data):
        changed = tomllib.loads(text)
        *way, last = path
        table: Any = changed
        for part in way:
            table = table[part]
        table[f"{last}x" if isinstance(last, str) else last] = table.pop(last)
        with pytest.raises(ConfigurationError):
            read(_written(changed))


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to keys that a program must know: not the names that a policy gives to its own things."""
    named = ("sites", "entities", "purposes", "roles", "matrix")
    found = []
    if isinstance(value, dict):
        for name, each in value.items():
            if path != ("gateway", "gateways") and not (path and path[-1] in named and len(path) == 1):
                found.append((*path, name))
            found += _leaves(each, (*path, name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            found += _leaves(each, (*path, at))
    return found


def _written(data: dict[str, Any]) -> str:
    """TOML of plain values, each top-level key on one line."""
    return "".join(f'"{name}" = {_value(value)}\n' for name, value in data.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = {_value(each)}' for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def test_every_setting_of_a_rule_changes_that_rule_alone() -> None:
    policy = read(BASE + '[rules."role.none"]\nenabled = false\nseverity = "low"\nsensitivities = ["public"]\n')
    assert (policy.settings("role.none").enabled, policy.settings("role.none").severity) == (False, "low")
    assert policy.settings("role.none").sensitivities == ("public",)
    assert policy.settings("place.unknown").enabled


def test_countries_are_read_by_their_aliases() -> None:
    assert read(BASE + '[sites.a]\ncountry = "EL"\n').sites["a"].country == "GR"


# Any bytes at all.

_WORDS = [
    "=",
    "[",
    "]",
    "[[",
    '"',
    "'''",
    "\n",
    "#",
    "{",
    "}",
    ",",
    ".",
    "true",
    "-1",
    "1e999",
    "2026-01-01",
    "\t",
    "é",
]


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(0, 30), st.sampled_from(_WORDS) | st.text(max_size=4)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([POLICY, DEMO.read_text()]),
)
@settings(max_examples=40, deadline=None)
def test_a_damaged_policy_is_refused_or_read_and_nothing_else(edits: list[tuple[int, int, str]], text: str) -> None:
    for start, length, put in edits:
        at = start % (len(text) + 1)
        text = text[:at] + put + text[at + length :]
    tried(text)


@given(st.dictionaries(st.sampled_from(["perimeter", "sites", "entities", "purposes", "roles", "networks", "evidence",
                                        "thresholds", "severity", "rules", "exemptions", "sources", "version"]),
                       st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
                                    lambda inner: st.lists(inner, max_size=3)
                                    | st.dictionaries(st.sampled_from(["a", "country", "may", "matrix", "max_age",
                                                                       "cloudtrail", "datasets", "cidr", "rules"]),
                                                      inner, max_size=3), max_leaves=6), max_size=4))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_values_of_any_shape_are_refused_or_read(data: dict[str, Any]) -> None:
    whole = {"version": 1, "perimeter": {"countries": ["IE"]}} | _without_none(data)
    tried(_written(whole))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_none(each) for each in value if each is not None]
    return value


@pytest.mark.parametrize("content", [b"\xff", b"\xef\xbb\xbfversion = 1", b"version = 1\0", b"\r\r"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"p\.toml"):
        read_policy(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigurationError, match=re.escape(str(path))):
            read_policy(path)


@pytest.mark.parametrize(
    "line",
    ["factor = 1.0", "factor = nan", "factor = inf", "weak = 0.0", "weak = 1.5", "floor_records = -1", "drift = 0.0",
     "dormant_days = 0", 'cool_down = "soon"', "facktor = 3.0", "composite = true"],
)  # fmt: skip
def test_behaviour_is_told_in_numbers_that_can_be_meant(line: str) -> None:
    error = refused(f"{BASE}\n[behaviour]\n{line}\n")
    assert f"behaviour.{line.split(maxsplit=1)[0]}" in error
    assert "p.toml:" in error


def test_a_section_of_behaviour_switches_it_on() -> None:
    assert read(BASE).behaviour is None
    found = read(f"{BASE}\n[behaviour]\nfactor = 4\ncool_down = '12h'\n")
    assert found.behaviour is not None
    assert (found.behaviour.factor, found.cool_down) == (4.0, 12 * 3_600_000)
