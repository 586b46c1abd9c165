"""People of the policy: their keys, their roles, and what is refused."""

from __future__ import annotations

import pickle
from base64 import b64decode, b64encode

import pytest
from msgspec.structs import replace

from alerts.people import OFFICERS_MAX, Person, officers_of, read_people
from alerts.signatures import BadKeyError, Signer, public_key, sign, verify
from schemas.action import Action
from schemas.errors import ConfigurationError
from schemas.toml_file import TomlFile


def signer(name: str, number: int) -> Signer:
    """A key that is the same in every run."""
    return Signer(name, bytes([number]) * 32)


def section(name: str, key: str, *roles: str) -> str:
    """One `[people.NAME]`, three lines."""
    return f'[people."{name}"]\nkey = "{key}"\nroles = {list(roles)!r}\n'


ANNA, BEN, CLEO = (signer(name, at) for at, name in enumerate(("anna", "ben", "cleo"), 1))


def read(text: str) -> dict[str, Person]:
    file = TomlFile(text, "policy.toml")
    return dict(read_people(file, file.data))


def test_people_are_read_with_their_keys_and_roles() -> None:
    text = section("anna", ANNA.public, "officer") + section("ben", BEN.public, "officer", "analyst")
    people = read(text + section("c.leo@example.com", CLEO.public, "analyst"))
    assert people["ben"] == Person(key=BEN.public, roles=("officer", "analyst"))
    assert officers_of(people) == {"anna": ANNA.public, "ben": BEN.public}
    assert read("version = 1\n") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (section("a b", ANNA.public, "analyst"), "policy.toml:1: people.\"a b\": 'a b' is no name; allowed: "),
        (section("anna", "short", "analyst"), "policy.toml:2: people.anna.key: 'short': no Ed25519 public key; 44"),
        (section("anna", ANNA.public[:-1], "analyst"), "44 characters of base64"),
        (section("anna", "A" * 43 + "=", "analyst"), "no point of the curve that a key may be"),
        (section("anna", ANNA.public, "boss"), "'boss' is not allowed; allowed: analyst, approver, officer"),
        (section("anna", ANNA.public), "policy.toml:3: people.anna.roles: []; allowed: analyst, officer, approver"),
        (section("anna", ANNA.public, "analyst", "analyst"), "each once"),
        (section("anna", ANNA.public, "officer"), "1 officers (anna); allowed: none, or 2 to 8"),
        (
            section("anna", ANNA.public, "analyst") + section("ben", ANNA.public, "analyst"),
            "policy.toml:5: people.ben.key: is the key of 'anna' too",
        ),
        ('[people.anna]\nroles = ["analyst"]\n', "people.anna.key: required, and not there"),
        ("people = 3\n", "policy.toml:1: people: 3 is not a table"),
        (
            section("anna", ANNA.public, "analyst") + "email = 'x'\n",
            "people.anna.email: unknown key; allowed: employee, key, roles",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert words in str(caught.value)


def test_there_are_at_most_eight_officers() -> None:
    every = [section(f"o{at}", signer(f"o{at}", at).public, "officer") for at in range(1, OFFICERS_MAX + 2)]
    assert len(read("".join(every[:-1]))) == OFFICERS_MAX
    with pytest.raises(ConfigurationError, match="9 officers"):
        read("".join(every))


def test_a_signature_is_that_of_an_analyst_over_everything() -> None:
    people = {
        "anna": Person(key=ANNA.public, roles=("officer",)),
        "ben": Person(key=BEN.public, roles=("analyst",)),
        "cleo": Person(key=CLEO.public, roles=("analyst",)),
    }
    action = Action(action_id="1", alert_id="a", kind="close", by="ben", at=7, text="a drill")
    signed = sign(action, BEN)
    assert verify(signed, people) is None
    assert verify(signed, {"ben": BEN.public}) is None
    for field, value in (("action_id", "2"), ("alert_id", "b"), ("kind", "ack"), ("at", 8), ("text", "a"),
                         ("by", "cleo")):  # fmt: skip
        assert "signature is not that of" in str(verify(replace(signed, **{field: value}), people)), field
    assert verify(action, people) == "it is not signed"
    assert verify(replace(signed, signature="no base64!"), people) == "the signature is not that of 'ben'"
    assert verify(sign(replace(action, by="anna"), ANNA), people) == "'anna' is no analyst: roles officer"
    assert verify(replace(signed, by="dora"), people) == "'dora' is not in the policy's [people]"
    with pytest.raises(ValueError, match="the key is that of 'ben'"):
        sign(replace(action, by="cleo"), BEN)


def test_a_signature_of_the_same_point_spelled_otherwise_does_not_count() -> None:
    """A key has one spelling: base64 with other spare bits, or with white space, is refused."""
    spare = ANNA.public[:-2] + chr(ord(ANNA.public[-2]) + 1) + "="
    assert b64decode(spare) == b64decode(ANNA.public)
    for text in (spare, ANNA.public + "\n", b64encode(b"\xff" * 33).decode(), "é" * 44):
        with pytest.raises(BadKeyError):
            public_key(text)


def test_a_private_key_shows_itself_nowhere() -> None:
    seed = b64encode(b"\x01" * 32).decode()
    for text in (repr(ANNA), str(ANNA), f"{ANNA}", repr([ANNA])):
        assert text.strip("[]") == "Signer('anna', '***')"
        assert seed not in text
    with pytest.raises(TypeError):
        pickle.dumps(ANNA)
