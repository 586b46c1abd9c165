from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.countries import ALIASES, NAMES, name, normalise


def test_the_table_is_iso_3166_and_kosovo() -> None:
    assert len(NAMES) == 249 + 1
    assert all(len(code) == 2 and code.isascii() and code.isalpha() and code.isupper() for code in NAMES)
    assert all(text and text == text.strip() for text in NAMES.values())
    assert len(set(NAMES.values())) == len(NAMES)
    assert "XK" in NAMES


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("IE", "IE"),
        ("ie", "IE"),
        ("Ie", "IE"),
        ("iE", "IE"),
        ("EL", "GR"),
        ("el", "GR"),
        ("UK", "GB"),
        ("uk", "GB"),
    ],
)
def test_aliases_and_lower_case_are_read(written: str, code: str) -> None:
    assert normalise(written) == code


@pytest.mark.parametrize("written", ["", "I", "IRL", " IE", "IE ", "EU", "AP", "ZZ", "A1", "ſg", "ΙΕ", "I\u0130"])
def test_what_is_no_country_is_refused_with_what_is_allowed(written: str) -> None:
    with pytest.raises(ValueError, match="allowed is an ISO 3166-1 alpha-2 code such as IE"):
        normalise(written)


def test_the_refusal_does_not_quote_the_record() -> None:
    with pytest.raises(ValueError, match="not a country") as caught:
        normalise("someone@example.org")
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("IE", "Ireland"),
        ("GB", "United Kingdom"),
        ("CI", "Côte d'Ivoire"),
        ("KR", "South Korea"),
        ("XK", "Kosovo"),
    ],
)
def test_names_read_well_in_a_sentence(code: str, text: str) -> None:
    assert name(code) == text


@pytest.mark.parametrize("code", ["ie", "EL", "UK", "ZZ"])
def test_a_name_is_asked_for_by_the_canonical_code(code: str) -> None:
    with pytest.raises(ValueError, match="canonical"):
        name(code)


@given(st.text(max_size=4))
def test_whatever_is_accepted_is_canonical_and_stays_so(written: str) -> None:
    try:
        code = normalise(written)
    except ValueError:
        assert written.upper() not in NAMES.keys() | ALIASES.keys() or not written.isascii()
        return
    assert code in NAMES
    assert normalise(code) == code
