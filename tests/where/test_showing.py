"""How a report is shown: nothing of a record is mark-up, a formula or a control character."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from agents.where.page import page_of
from agents.where.showing import WIDEST, csv_of, json_of, sheet_named, text_of
from rules.where.sheet import Estimate, Report, Sheet, columns
from schemas.errors import ConfigurationError

NASTY = "<script>alert('x')</script>&\"\x1b[31m"
SHEET = Sheet(
    name="things",
    title="Things <b>",
    columns=columns("what", "basis", numbers=("data subjects", "count")),
    rows=(
        (NASTY, "=1+1", Estimate(12_345, 12_000, 12_700, exact=False), 7),
        ("-2", "", Estimate(3, 3, 3, exact=True), None),
    ),
    total=("total", "", Estimate(12_346, 12_001, 12_701, exact=False), 7),
    note="A note & more.",
)
REPORT = Report(
    title="A report",
    said=(("policy", NASTY),),
    sheets=(SHEET, Sheet(name="none", title="Nothing", columns=columns("a"), rows=())),
    notes=("last & least",),
)


class Page(HTMLParser):
    """Tags with their attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_holds_text_and_nothing_that_runs_or_is_fetched() -> None:
    text = page_of(REPORT)
    page = Page(text)
    assert page.open == []
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "b", "img", "link", "iframe", "object", "form"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), tag
            assert name not in {"src", "srcset", "data", "action"}
            if name == "href":
                assert value is not None
                assert value.startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    assert "\x1b" not in text
    assert "<script>alert('x')</script>&\"\\x1b[31m" in page.texts
    assert any(attributes.get("content", "") == "default-src 'none'; style-src 'unsafe-inline'"
               for _, attributes in page.tags)  # fmt: skip


def test_a_page_can_be_read_without_eyes() -> None:
    page = Page(page_of(REPORT))
    assert ("html", {"lang": "en"}) in page.tags
    assert [tag for tag, _ in page.tags].count("main") == 1
    assert [tag for tag, _ in page.tags].count("h1") == 1
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for tag, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if tag == "th":
            assert attributes["scope"] in {"col", "row"}
        if tag == "table":
            assert attributes["aria-labelledby"]
    links = {(attributes["href"] or "").removeprefix("#") for tag, attributes in page.tags if tag == "a"}
    assert links == {"things", "none"} <= ids


def test_a_page_states_the_bounds_of_an_estimate() -> None:
    assert re.search(r"12,345 <span[^>]*>\(12,000 to 12,700\)", page_of(REPORT))
    assert "12,345 (12,000-12,700)" in text_of(REPORT)


def test_csv_is_read_back_and_starts_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(SHEET), newline="")))
    assert list(rows[0]) == ["what", "basis", "data_subjects", "data_subjects_low", "data_subjects_high", "count"]
    assert [row["data_subjects_high"] for row in rows] == ["12700", "3"]
    assert rows[0]["what"] == NASTY
    assert rows[0]["basis"] == "'=1+1"
    assert rows[1]["what"] == "'-2"
    assert rows[1]["count"] == ""


def test_json_names_its_columns() -> None:
    whole = json.loads(json_of(REPORT))
    assert whole["tables"]["things"]["rows"][0] == {
        "what": NASTY, "basis": "=1+1", "count": 7,
        "data_subjects": {"count": 12_345, "low": 12_000, "high": 12_700, "exact": False},
    }  # fmt: skip
    assert whole["tables"]["none"]["rows"] == []
    assert whole["said"] == {"policy": NASTY}


def test_text_lines_up_and_steers_no_terminal() -> None:
    lines = text_of(REPORT).splitlines()
    assert "\x1b" not in "".join(lines)
    head, first, second, total = lines[lines.index("Things <b>") + 1 :][:4]
    assert head.index("count") + len("count") == len(head)
    assert len(first) == len(head) == len(total)
    assert second.split() == ["-2", "3"]
    assert "Nothing: none" in lines
    wide = Sheet(name="w", title="W", columns=columns("a", "empty"), rows=(("x" * 200, ""),))
    text = text_of(Report(title="t", said=(), sheets=(wide,)))
    assert "x" * (WIDEST - 1) + "…" in text
    assert "empty" not in text


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"--table: 'thing'; did you mean 'things'\? Allowed: none, things"):
        sheet_named(REPORT, "thing")
