"""What `docs/pagers.md` shows is what the program takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from alerts import alertmanager, pagerduty, webhook
from alerts.template import NAMES, values_of
from tests.alerts.told import notice

TEXT = (Path(__file__).resolve().parents[2] / "docs/pagers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
KINDS = {kind.name: kind for kind in (alertmanager.KIND, pagerduty.KIND, webhook.KIND, webhook.EACH)}


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_every_example_is_a_destination(at: int) -> None:
    ((_, keys),) = tomllib.loads(EXAMPLES[at])["destinations"].items()
    kind = KINDS[keys.pop("kind")]
    assert kind.check(msgspec.convert(keys, kind.config)) is None


def test_every_kind_has_an_example() -> None:
    shown = set(re.findall(r'"(alertmanager|pagerduty|webhook|webhook-each)"', TEXT))
    assert shown == set(KINDS)
    assert len(EXAMPLES) == 5


def test_every_key_of_a_configuration_says_what_it_is() -> None:
    for kind in KINDS.values():
        source = Path(kind.config.__module__.replace(".", "/") + ".py")
        text = (Path(__file__).resolve().parents[2] / source).read_text(encoding="utf-8")
        for field in msgspec.structs.fields(kind.config):
            assert re.search(rf'^    {field.name}: .*\n    """', text, re.MULTILINE), f"{kind.name}: {field.name}"


def test_every_name_of_a_template_has_a_value() -> None:
    assert set(values_of(notice(), "https://c.example/{key}")) == set(NAMES)
