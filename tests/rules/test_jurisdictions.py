from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.jurisdictions import GROUPS, Classification, LegalTable, Perimeter, shipped
from rules.legal_rows import BEGINNING_MS, COLUMNS, END_MS, LegalRow
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass

DAY_MS = 86_400_000
NOWHERE = Perimeter.of([])
ENCLAVE = Perimeter.of(["EEA", "CH", "GB"])
EEA = Perimeter.of(["EEA"])
TABLE = shipped()

INSIDE = PlaceClass.INSIDE
ADEQUATE = PlaceClass.ADEQUATE
CONDITIONAL = PlaceClass.CONDITIONAL
THIRD = PlaceClass.THIRD_COUNTRY


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def ask(country: str, day: str, regime: str = "EU", perimeter: Perimeter = NOWHERE) -> Classification:
    return TABLE.classify(country, at(day), regime, perimeter)


@pytest.mark.parametrize(
    ("country", "day", "cls"),
    [
        ("CN", "2026-08-01", THIRD),
        ("IN", "2026-08-01", THIRD),
        ("US", "2000-07-25", THIRD),
        ("US", "2000-07-26", CONDITIONAL),
        ("US", "2015-10-05", CONDITIONAL),
        ("US", "2015-10-06", THIRD),
        ("US", "2016-07-11", THIRD),
        ("US", "2016-07-12", CONDITIONAL),
        ("US", "2020-07-15", CONDITIONAL),
        ("US", "2020-07-16", THIRD),
        ("US", "2023-07-09", THIRD),
        ("US", "2023-07-10", CONDITIONAL),
        ("BR", "2026-01-25", THIRD),
        ("BR", "2026-01-26", ADEQUATE),
        ("CA", "2026-08-01", CONDITIONAL),
        ("JP", "2019-01-22", THIRD),
        ("JP", "2019-01-23", ADEQUATE),
        ("KR", "2021-12-16", THIRD),
        ("KR", "2021-12-17", ADEQUATE),
        ("GB", "2021-06-27", ADEQUATE),
        ("GB", "2025-12-19", ADEQUATE),
        ("GB", "2031-12-27", ADEQUATE),
        ("GB", "2031-12-28", THIRD),
        ("GI", "2020-12-31", ADEQUATE),
        ("GI", "2021-01-01", THIRD),
        ("GL", "2026-08-01", THIRD),
        ("PF", "2026-08-01", THIRD),
        ("NC", "2026-08-01", THIRD),
        ("FO", "2026-08-01", ADEQUATE),
    ],
)
def test_the_law_of_the_eu_on_the_days_on_which_it_changes(country: str, day: str, cls: PlaceClass) -> None:
    assert ask(country, day).cls is cls


@pytest.mark.parametrize(
    ("country", "day", "inside"),
    [
        ("GB", "2020-12-31T23:59:59.999", True),
        ("GB", "2021-01-01", False),
        ("HR", "2013-06-30", False),
        ("HR", "2013-07-01", True),
        ("RO", "2006-12-31", False),
        ("RO", "2007-01-01", True),
        ("NO", "2026-08-01", True),
        ("CH", "2026-08-01", False),
        ("YT", "2013-12-31", False),
        ("YT", "2014-01-01", True),
        ("BL", "2011-12-31", True),
        ("BL", "2012-01-01", False),
        ("RE", "2026-08-01", True),
        ("AX", "2026-08-01", True),
    ],
)
def test_a_perimeter_that_names_the_eea_follows_its_membership(country: str, day: str, inside: bool) -> None:
    assert (ask(country, day, perimeter=EEA).cls is INSIDE) is inside


def test_the_eea_of_today_has_thirty_states_and_seven_territories() -> None:
    now = TABLE.groups(at("2026-08-01"))
    territories = {"AX", "GF", "GP", "MQ", "YT", "RE", "MF"}
    assert territories <= now["EU"] < now["EEA"]
    assert len(now["EEA"] - territories) == 30
    assert now["EEA"] - now["EU"] == {"IS", "LI", "NO"}
    assert "GB" in TABLE.groups(at("2020-12-31"))["EU"]


def test_an_enclave_expands_to_its_countries() -> None:
    assert {"CH", "GB", "IE", "NO", "RE"} <= TABLE.expand(ENCLAVE, at("2026-08-01"))
    assert "US" not in TABLE.expand(ENCLAVE, at("2026-08-01"))


def test_inside_keeps_the_law_of_the_country_for_the_data_protection_officer() -> None:
    swiss = ask("CH", "2026-08-01", perimeter=ENCLAVE)
    assert swiss.cls is INSIDE
    assert swiss.basis.startswith("2000/518/EC")
    indian = ask("IN", "2026-08-01", perimeter=Perimeter.of(["in"]))
    assert (indian.cls, indian.basis, indian.source) == (INSIDE, "no adequacy decision", "")


def test_a_member_state_outside_a_narrow_perimeter_is_adequate_and_not_inside() -> None:
    assert ask("DE", "2026-08-01", perimeter=Perimeter.of(["IE"])).cls is ADEQUATE


def test_the_bridge_is_named_where_it_is_what_holds() -> None:
    bridge = ask("GB", "2021-03-01", perimeter=EEA)
    assert bridge.cls is ADEQUATE
    assert "FINPROV.10A" in bridge.basis
    assert (bridge.valid_from_ms, bridge.valid_until_ms) == (at("2021-01-01"), at("2021-06-28"))


@pytest.mark.parametrize("country", [None, "", "ZZ", "ie", "EU"])
def test_no_country_is_unknown_at_all_times(country: str | None) -> None:
    unknown = TABLE.classify(country, at("2026-08-01"), "EU", ENCLAVE)
    assert unknown.cls is PlaceClass.UNKNOWN
    assert (unknown.valid_from_ms, unknown.valid_until_ms) == (BEGINNING_MS, END_MS)


@pytest.mark.parametrize(
    ("regime", "country", "day", "expected"),
    [
        ("EEA_EFTA", "BR", "2026-08-01", (THIRD, "EEA_EFTA", False)),
        ("EEA_EFTA", "KR", "2022-01-01", (THIRD, "EEA_EFTA", False)),
        ("EEA_EFTA", "KR", "2022-07-09", (ADEQUATE, "EU", False)),
        ("EEA_EFTA", "US", "2026-08-01", (CONDITIONAL, "EU", False)),
        ("EEA_EFTA", "CN", "2026-08-01", (THIRD, "EU", False)),
        ("UK", "US", "2019-01-01", (CONDITIONAL, "EU", False)),
        ("UK", "US", "2023-10-11", (THIRD, "UK", False)),
        ("UK", "US", "2023-10-12", (CONDITIONAL, "UK", False)),
        ("UK", "KR", "2022-12-18", (THIRD, "UK", False)),
        ("UK", "KR", "2022-12-19", (ADEQUATE, "UK", False)),
        ("UK", "BR", "2026-08-01", (THIRD, "UK", False)),
        ("UK", "IE", "2026-08-01", (ADEQUATE, "UK", False)),
        ("CH", "US", "2024-09-14", (THIRD, "CH", False)),
        ("CH", "US", "2024-09-15", (CONDITIONAL, "CH", False)),
        ("CH", "JP", "2026-08-01", (THIRD, "CH", False)),
        ("CH", "MC", "2026-08-01", (ADEQUATE, "CH", False)),
        ("CH", "US", "2019-01-01", (CONDITIONAL, "EU", True)),
        ("KR", "US", "2026-08-01", (CONDITIONAL, "EU", True)),
        ("KR", "CN", "2026-08-01", (THIRD, "EU", True)),
    ],
)
def test_each_regime_has_its_own_list_or_says_that_the_eu_stood_in(
    regime: str, country: str, day: str, expected: tuple[PlaceClass, str, bool]
) -> None:
    answer = ask(country, day, regime)
    assert (answer.cls, answer.judged_under, answer.fallback) == expected


@pytest.mark.parametrize(
    ("region", "regime"),
    [("EEA", "EU"), ("IE", "EU"), ("RE", "EU"), ("NO", "EEA_EFTA"), ("GB", "UK"), ("CH", "CH"), ("BR", "BR")],
)
def test_a_region_of_subjects_has_a_regime(region: str, regime: str) -> None:
    assert TABLE.regime_of(region) == regime


def test_every_shipped_row_says_where_it_comes_from_and_how_well_it_is_known() -> None:
    assert {row.confidence for row in TABLE.rows} == {"verified", "secondary", "memory"}
    assert all(row.source and row.basis and row.checked_on >= date(2026, 8, 1) for row in TABLE.rows)
    assert all(row.condition for row in TABLE.rows if row.scope == "organisations")
    assert TABLE.regimes == {"EU", "EEA_EFTA", "UK", "CH"}


def naive(country: str, at_ms: int, regime: str, perimeter: Perimeter) -> tuple[PlaceClass, str, bool]:
    """Go through the rows with nothing prepared, as a person would."""

    def row(of: str, code: str) -> LegalRow | None:
        held = [r for r in TABLE.rows if (r.regime, r.code) == (of, code) and r.from_ms <= at_ms < r.until_ms]
        assert len(held) <= 1
        return held[0] if held else None

    own, under, fallback = row(regime, country), regime, False
    if own is None and row(regime, "*"):
        own, under = row("EU", country), "EU"
    elif own is None and not any(r.regime == regime and r.from_ms <= at_ms for r in TABLE.rows):
        own, under, fallback = row("EU", country), "EU", regime != "EU"
    eu = row("EU", country)
    cls = THIRD
    if own is not None and own.scope != "none":
        cls = CONDITIONAL if own.scope == "organisations" else ADEQUATE
    if country in perimeter.countries or (
        eu is not None and any(eu.scope in GROUPS[group] for group in perimeter.groups)
    ):
        cls = INSIDE
    return cls, under, fallback


DAYS = st.dates(date(1990, 1, 1), date(2035, 1, 1))
CODES = st.sampled_from(sorted({row.code for row in TABLE.rows} - {"*"} | {"CN", "IN", "XK"}))
REGIMES = st.sampled_from(["EU", "EEA_EFTA", "UK", "CH", "JP"])
PERIMETERS = st.sampled_from([NOWHERE, EEA, ENCLAVE, Perimeter.of(["EU"]), Perimeter.of(["IE", "US"])])


@settings(max_examples=80)
@given(CODES, DAYS, st.integers(0, DAY_MS - 1), REGIMES, PERIMETERS)
@pytest.mark.slow
def test_the_answer_and_its_interval_agree_with_a_day_by_day_reading(
    country: str, day: date, past_midnight: int, regime: str, perimeter: Perimeter
) -> None:
    at_ms = at(day.isoformat()) + past_midnight
    answer = TABLE.classify(country, at_ms, regime, perimeter)
    expected = naive(country, at_ms, regime, perimeter)
    assert (answer.cls, answer.judged_under, answer.fallback) == expected
    assert answer.valid_from_ms <= at_ms < answer.valid_until_ms
    same = {answer}
    for edge in (answer.valid_from_ms, answer.valid_until_ms - 1):
        same.add(TABLE.classify(country, edge, regime, perimeter))
        assert naive(country, edge, regime, perimeter) == expected
    assert len(same) == 1
    probe = day
    while at(probe.isoformat()) < answer.valid_until_ms and probe < date(2035, 1, 1):
        moment = max(at(probe.isoformat()), answer.valid_from_ms)
        assert naive(country, moment, regime, perimeter) == expected
        probe += timedelta(days=97)


@pytest.mark.parametrize("perimeter", [NOWHERE, EEA, ENCLAVE])
@pytest.mark.parametrize("country", ["GB", "US", "HR", "BR", "CN", "YT"])
def test_walking_from_interval_to_interval_covers_all_time_without_gap(country: str, perimeter: Perimeter) -> None:
    at_ms = BEGINNING_MS
    steps = 0
    while at_ms < END_MS:
        answer = TABLE.classify(country, at_ms, "EU", perimeter)
        assert answer.valid_from_ms == at_ms
        at_ms = answer.valid_until_ms
        steps += 1
    assert at_ms == END_MS
    assert steps <= 10


HEAD = ",".join(COLUMNS)
GOOD = "EU,IE,eu_member,1994-01-01,,Member,,Treaty,2026-08-01,memory"


def table(*lines: str) -> LegalTable:
    return LegalTable.parse("\n".join(["# a comment", HEAD, *lines]), "mine.csv")


def test_an_operators_table_replaces_the_shipped_one() -> None:
    mine = table(GOOD, "EU,el,whole,2020-01-01,2021-01-01,Mine,,Me,2026-08-01,memory")
    assert mine.classify("GR", at("2020-06-01"), "EU", NOWHERE).basis == "Mine"
    assert mine.classify("GR", at("2021-01-01"), "EU", NOWHERE).cls is THIRD
    assert mine.digest != TABLE.digest
    assert len(mine.digest) == 16


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("EU,ZZ,whole,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, code: 'ZZ'.*ISO 3166-1"),
        ("EU,CH,half,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, scope: 'half'.*eu_member.*whole"),
        (
            "EU,CH,whole,01.01.2020,,B,,S,2026-08-01,memory",
            r"line 4, valid_from: '01.01.2020'.*like 2026-01-26",
        ),
        ("EU,CH,whole,20200101,,B,,S,2026-08-01,memory", r"line 4, valid_from"),
        (
            "EU,CH,whole,2020-01-01,2020-01-01,B,,S,2026-08-01,memory",
            r"line 4, valid_until.*a day after 2020-01-01",
        ),
        ("EU,CH,whole,2020-01-01,,,,S,2026-08-01,memory", r"line 4, basis"),
        (
            "EU,CH,whole,2020-01-01,,B,,S,2026-08-01,sure",
            r"line 4, confidence: 'sure'.*verified, secondary, memory",
        ),
        ("EU,CH,whole,2020-01-01,,B,,S,,memory", r"line 4, checked_on"),
        ("EU,CH,whole", r"line 4, row: '3 fields'.*10 fields"),
        ("EU,*,as_eu,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, scope: 'as_eu'.*another regime"),
        ("UK,*,whole,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, scope: 'whole'"),
        (",CH,whole,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, regime"),
        ("EU,IE,whole,2020-01-01,,B,,S,2026-08-01,memory", r"line 4, valid_from: '2020-01-01'.*line 3"),
    ],
)
def test_a_bad_line_is_named_with_column_value_and_what_is_allowed(line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        table(GOOD, line)
    assert str(caught.value).startswith("mine.csv, ")


def test_a_table_without_the_eu_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no row of the regime EU"):
        table("UK,IE,whole,2021-01-01,,B,,S,2026-08-01,memory")


def test_another_header_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="line 1, header"):
        LegalTable.parse("a,b\n", "mine.csv")


def test_a_perimeter_refuses_what_is_neither_country_nor_group() -> None:
    assert Perimeter.of(["EEA", "uk"]) == Perimeter(frozenset({"GB"}), frozenset({"EEA"}))
    with pytest.raises(ConfigurationError, match=r"'EAA' is not a country.*or a group: EEA, EU"):
        Perimeter.of(["EAA"])
