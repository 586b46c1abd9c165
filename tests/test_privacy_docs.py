"""The assessment and the threat model say what the code does: topics with personal data, commands, tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from agents.cli import parser
from agents.request_log import FAMILY, TOLD
from schemas.topic import DAY_MS, Topic
from schemas.topics import BY_NAME, TOPICS

ROOT = Path(__file__).resolve().parent.parent


@cache
def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def retention(topic: Topic) -> str:
    return "for ever" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days"


def retained() -> dict[str, str]:
    """The rows of the table, by topic."""
    (section,) = re.findall(r"^## Retention\n(.*?)^## ", text("dpia.md"), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", section, re.MULTILINE))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_with_personal_data_stands_with_its_retention(topic: Topic) -> None:
    if topic.personal_data.startswith("none"):
        assert topic.name not in retained()
    else:
        assert retained()[topic.name] == retention(topic)


def test_no_topic_stands_there_that_is_none() -> None:
    assert retained().keys() <= BY_NAME.keys()
    assert retention(BY_NAME["access.events"]) == "30 days"


@pytest.mark.parametrize("name", ["dpia.md", "threat-model.md"])
def test_commands_that_are_named_are_there(name: str) -> None:
    """With their options, as the parser has them."""
    whole = parser()
    known = {action.dest: action for action in whole._actions}["command"].choices
    assert known is not None
    found = re.findall(r"`cloverwatch ([a-z-]+)((?: [a-z-]+)?)([^`]*)`", text(name))
    assert found
    for command, sub, rest in found:
        assert command in known, command
        options = known[command].format_help()  # type: ignore[index]
        inner = next((each for each in known[command]._actions if each.choices and sub.strip() in each.choices), None)  # type: ignore[index]
        if inner is not None:
            options += inner.choices[sub.strip()].format_help()
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in options, f"{command}{sub} {option}"


@pytest.mark.parametrize("name", ["dpia.md", "threat-model.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    found = re.findall(r"`((?:tests|alerts|docs|agents)/[\w./-]+)`", text(name))
    assert found
    for each in found:
        assert (ROOT / each).exists(), each
    for link in re.findall(r"\]\(([\w.-]+\.md)\)", text(name)):
        assert (ROOT / "docs" / link).is_file(), link


def test_law_carries_its_source() -> None:
    """Each article is one of an act that is named, and each judgment has its number and its date."""
    for number, date in (("C-34/21", "30 March 2023"), ("C-579/21", "22 June 2023")):
        assert re.search(rf"{re.escape(number)}[^|]*{date}", text("dpia.md")), number
    for article in ("6(1)(f)", "88", "35(1)", "15(4)", "17(3)(e)", "21(1)", "22"):
        assert f"Article {article}" in text("dpia.md") or f"Articles {article}" in text("dpia.md"), article
    assert "Regulation (EU) 2016/679" in text("dpia.md")
    assert "EDPB Guidelines 01/2025" in text("dpia.md")


def test_the_family_that_nobody_silences_is_named() -> None:
    assert f"family `{FAMILY}`, to which silences and rate limits do not apply" in text("threat-model.md")
    assert set(TOLD) == {"requested", "approved", "opened", "exported", "erased"}
