"""A change of the policy: what it says differs, whose signatures count, and that nothing unsigned takes force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.policy_auditors import (
    Auditors,
    UnsignedPolicyError,
    auditors_of,
    history_of,
    put,
    require,
    required,
    sig_of,
)
from agents.policy_changes import SENTENCES_BYTES, agreed, differences, proposed, signed
from agents.policy_watch import read_policy
from agents.settings import Settings
from alerts.signatures import Signer
from rules.cases import POLICY
from schemas.errors import ConfigurationError
from schemas.policy_change import PolicyChange

OPERATOR, ANNA, BO, EVE = (
    Signer(name, bytes([number]) * 32) for number, name in enumerate(("op", "anna", "bo", "eve"))
)
KEYS = {"anna": ANNA.public, "bo": BO.public}


def differs(old: str, new: str) -> tuple[str, ...]:
    return differences(old.encode(), new.encode())


EXEMPTION = """
[[exemptions]]
id = "x-1"
rules = ["place.third_country"]
employees = ["e-1234", "e-5678"]
owner = "dana"
reason = "Jane Roe of team 7 is on leave"
until = 2026-12-31T00:00:00Z
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "[rules.a]\nenabled = false", ["rule a is switched off"]),
        ("[rules.a]\nenabled = false", "[rules.a]\nenabled = true", ["rule a is switched on"]),
        ("", "[rules.a]\nshadow = true", ["rule a goes into shadow: it changes no alert"]),
        (
            '[rules.a]\nseverity = "high"',
            '[rules.a]\nseverity = "low"',
            ["rule a: severity: 'high' becomes 'low'"],
        ),
        (
            '[thresholds]\nfacts_grace = "10s"',
            '[thresholds]\nfacts_grace = "1h"',
            ["threshold thresholds.facts_grace: '10s' becomes '1h'"],
        ),
        ("[sites.a]\ncountry='IE'", "", ["sites.a.country: gone, was 'IE'"]),
        ("a = 1", "a = 1 # another comment", ["nothing but comments, order or layout differs"]),
        ("a = 1", "a = 1", ["nothing differs"]),
        (EXEMPTION, "", ["exemption x-1 is gone"]),
        (
            "",
            EXEMPTION,
            [
                (
                    "exemption x-1 is new: employees (2 values); owner (not shown); reason (not shown); "
                    'rules ["place.third_country"]; until 2026-12-31T00:00:00+00:00'
                )
            ],
        ),
        (EXEMPTION, EXEMPTION.replace("e-5678", "e-9999"), ["exemption x-1: employees: (2 values) becomes (2 values)"]),
        (
            EXEMPTION,
            EXEMPTION.replace("2026-12-31", "2027-12-31"),
            ["exemption x-1: until: 2026-12-31T00:00:00+00:00 becomes 2027-12-31T00:00:00+00:00"],
        ),
        (
            '[destinations.p]\nurl = "https://h/secret-1"',
            '[destinations.p]\nurl = "https://h/secret-2"',
            ["destinations.p.url is another"],
        ),
    ],
)
def test_each_difference_is_one_sentence(old: str, new: str, said: list[str]) -> None:
    assert list(differs(old, new)) == said


def test_rules_come_first_and_nothing_is_said_of_people_addresses_and_secrets() -> None:
    new = EXEMPTION + (
        '[[networks]]\ncidr = "203.0.113.0/24"\nkind = "office"\n[people.op]\nkey = "KEYTEXT"\nroles = ["analyst"]\n'
        'employee = "e-88"\n'
        '[destinations.p]\ntoken = "hunter2"\n[sites.a]\ncountry = "IE"\n[rules.z]\nenabled = false\n'
        '[[gateway.conditions]]\nname = "c"\nsentence = "Ms Roe"\nwhen = {"subject.id" = "e-77"}\n'
    )
    said = differs("", new)
    assert said[0] == "rule z is switched off"
    for secret in ("e-1234", "Jane", "203.0.113", "KEYTEXT", "hunter2", "Roe", "e-77", "e-88"):
        assert secret not in "\n".join(said)
    first = differences(None, new.encode())
    assert first[0] == "this is the first policy"
    assert "Jane" not in "\n".join(first)


_VALUES = st.recursive(
    st.text(max_size=400) | st.integers(0, 99) | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@bounded(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=6), _VALUES, max_size=60))
def test_what_is_said_is_bounded(table: dict[str, Any]) -> None:
    new = "[sites]\nzz = 1\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())
    said = differs("[sites]\nzz = 1", new)
    assert len(msgspec.json.encode(said)) < SENTENCES_BYTES + 200
    assert (len(said) == 1) if not table else len(said) <= len(table)


def _toml(value: Any) -> str:
    return json.dumps(value).replace("\\ud", "\\uFFFD").replace("\x7f", "\\u007f") if _plain(value) else '"x"'


def _plain(value: Any) -> bool:
    """Whether JSON's writing of it is TOML's too: no surrogates."""
    if isinstance(value, list):
        return all(map(_plain, value))
    return not isinstance(value, str) or all(each < "\ud800" for each in value)


# --- signatures


def change(new: bytes = b"n = 1", old: bytes | None = b"o = 1") -> PolicyChange:
    return proposed(new, old, OPERATOR, 1_000, "because")


def test_only_auditors_signatures_over_exactly_this_change_count() -> None:
    asked = change()
    good = signed(asked, ANNA, 2_000, "fine")
    assert agreed(good, KEYS) == {"anna": 2_000}
    assert agreed(asked, KEYS) == {}
    assert agreed(signed(asked, EVE, 2_000, ""), KEYS) == {}, "no auditor"
    impostor = Signer("anna", bytes([9]) * 32)
    assert agreed(signed(asked, impostor, 2_000, ""), KEYS) == {}, "another's key"
    assert agreed(signed(good, ANNA, 3_000, "again"), KEYS) == {"anna": 3_000}, "once each"
    assert agreed(signed(good, BO, 3_000, ""), KEYS) == {"anna": 2_000, "bo": 3_000}
    for other in ({"sha256": "0" * 64}, {"before": "0" * 64}):
        assert agreed(replace(good, **other), KEYS) == {}, "of other bytes, or in place of another policy"
    (step,) = good.signed
    for changed in (replace(step, at=9_999), replace(step, reason="other"), replace(step, by="bo")):
        assert agreed(replace(good, signed=(changed,)), KEYS) == {}


def test_who_proposes_does_not_agree_to_their_own_change_under_any_name() -> None:
    own = proposed(b"n = 1", b"o = 1", ANNA, 1_000, "because")
    assert agreed(signed(own, ANNA, 2_000, ""), KEYS) == {}
    masked = proposed(b"n = 1", b"o = 1", Signer("somebody", bytes([1]) * 32), 1_000, "because")
    assert agreed(signed(masked, ANNA, 2_000, ""), KEYS) == {}


# --- taking force


class Place:
    """A policy's place, and what an operator does there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "policy.toml"
        self.clock = 1_000
        self.history: list[PolicyChange] = []

    def signed(self, content: str, old: str | None, *signers: Signer) -> PolicyChange:
        self.clock += 1_000
        made = proposed(content.encode(), None if old is None else old.encode(), OPERATOR, self.clock, "because")
        for each in signers:
            made = signed(made, each, self.clock + 1, "")
        return made

    def adopt(self, content: str, made: PolicyChange) -> None:
        self.history.append(made)
        put(history_of(self.path), b"\n".join(map(msgspec.json.encode, self.history)))
        self.put(content, made)

    def put(self, content: str, made: PolicyChange) -> None:
        put(sig_of(self.path), msgspec.json.encode(made))
        put(self.path, content.encode())

    def fresh(self, needed: int = 1) -> Auditors:
        """A process that starts."""
        return Auditors(self.path, KEYS, needed)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def take(auditors: Auditors, place: Place) -> str:
    auditors.in_force = auditors.accepted(place.path, place.path.read_bytes())
    return auditors.in_force.version


def refused(auditors: Auditors, place: Place) -> str:
    before = auditors.in_force
    with pytest.raises(UnsignedPolicyError) as caught:
        take(auditors, place)
    assert auditors.in_force is before
    return str(caught.value)


P1, P2, P3 = "a = 1", "a = 2", "a = 3"


def test_signed_policies_follow_each_other(place: Place) -> None:
    place.adopt(P1, place.signed(P1, None, ANNA))
    running = place.fresh()
    take(running, place)
    place.adopt(P2, place.signed(P2, P1, BO))
    place.adopt(P3, place.signed(P3, P2, ANNA))  # before the process looked again
    take(running, place)
    take(place.fresh(), place)
    place.adopt(P1, place.signed(P1, P3, BO))  # back, with a signature of its own
    take(running, place)
    take(place.fresh(), place)


def test_an_edited_file_and_one_without_signatures_are_refused(place: Place) -> None:
    place.adopt(P1, place.signed(P1, None, ANNA))
    running = place.fresh()
    take(running, place)
    put(place.path, b"a = 1\n")
    assert "has signatures of" in refused(running, place)
    sig_of(place.path).unlink()
    assert "has no signatures" in refused(place.fresh(), place)
    place.put(P2, place.signed(P2, P1))
    assert "signed by none; needed: 1 of anna, bo" in refused(running, place)
    place.put(P2, place.signed(P2, P1, EVE))
    assert "signed by none" in refused(running, place)
    place.put(P2, place.signed(P2, P1, ANNA))
    assert "signed by anna; needed: 2" in refused(place.fresh(needed=2), place)


def test_an_older_signed_policy_is_not_put_back(place: Place) -> None:
    first, second = place.signed(P1, None, ANNA), place.signed(P2, P1, ANNA)
    place.adopt(P1, first)
    place.adopt(P2, second)
    running = place.fresh()
    take(running, place)
    place.put(P1, first)
    assert "signed to replace no policy" in refused(running, place)
    assert "was adopted after it" in refused(place.fresh(), place)
    # Nor where it did follow once from what is in force again.
    place.adopt(P1, place.signed(P1, P2, ANNA))
    take(running, place)
    place.put(P2, second)
    assert refused(running, place)
    assert "was adopted after it" in refused(place.fresh(), place)


def test_what_was_proposed_against_another_policy_is_refused(place: Place) -> None:
    place.adopt(P1, place.signed(P1, None, ANNA))
    running = place.fresh()
    take(running, place)
    place.put(P3, place.signed(P3, P2, ANNA))
    assert "propose it against that" in refused(running, place)


@pytest.fixture
def settings(place: Place, tmp_path: Path) -> Iterator[Settings]:
    auditors = tmp_path / "auditors.toml"
    auditors.write_text("".join(f'{name} = "{key}"\n' for name, key in KEYS.items()))
    yield Settings(policy=place.path, policy_auditors=auditors)
    require(Settings())


def test_every_reader_of_the_policy_in_force_asks_and_no_other_file_is_asked_about(
    place: Place, settings: Settings, tmp_path: Path
) -> None:
    place.path.write_text(POLICY)
    read_policy(place.path)
    require(settings)
    with pytest.raises(UnsignedPolicyError, match="is not signed by the auditors"):
        read_policy(place.path)
    other = tmp_path / "new.toml"
    other.write_text(POLICY)
    read_policy(other)
    link = tmp_path / "link.toml"
    link.symlink_to(place.path)
    with pytest.raises(UnsignedPolicyError):
        read_policy(link)
    place.adopt(POLICY, place.signed(POLICY, None, BO))
    content, policy = read_policy(place.path)
    found = required(place.path)
    assert found is not None
    assert found.in_force is not None
    assert found.in_force.version == policy.version
    assert content == POLICY.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('anna = "x"', "no Ed25519 public key"),
        ("anna = 1", "allowed: NAME"),
        (f'anna = "{ANNA.public}"\nbo = "{ANNA.public}"', "the key of another auditor too"),
        ("", "names 0 auditors"),
        ("anna = ", "not TOML"),
    ],
)
def test_a_file_of_auditors_that_is_wrong_is_refused(settings: Settings, text: str, said: str) -> None:
    assert settings.policy_auditors is not None
    settings.policy_auditors.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        auditors_of(settings, Path("policy.toml"))


@bounded(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_is_beside_the_policy_nothing_but_a_signed_change_lets_it_through(junk: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        put(place.path, P1.encode())
        put(sig_of(place.path), junk)
        with pytest.raises(ConfigurationError):
            take(place.fresh(), place)
