"""The policy's part about delivery: what is read, and what is said of what cannot be."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.alert_names import alert_names
from alerts import KINDS as REAL
from alerts.file import FileConfig
from alerts.plan import Match, Plan
from alerts.reading import RATE_DEFAULT, read_plan
from alerts.signatures import Signer
from schemas.errors import ConfigurationError
from schemas.fields import milliseconds
from tests.alerts.plans import KINDS, PagerConfig

ANA = Signer("ana", b"a" * 32).public
BEN = Signer("ben", b"b" * 32).public

WHOLE = f"""
version = 1
[thresholds]
auto_resolve_after = "12h"
[destinations.on-call]
kind = "pager"
url = "https://127.0.0.1:1/"
names = "clear"
group_by = ["team", "place_class"]
group_wait = "10s"
group_interval = "2m"
rate_limit = "30/m"
[destinations.siem]
kind = "siem"
size = 500
retry_for = "4h"
deadline = "30s"
[[routes]]
to = ["siem"]
[[routes]]
severity = "high"
rules = ["place.*"]
place_class = ["third_country", "unknown"]
team = ["support"]
family = ["access"]
dataset = ["eu-*"]
to = ["on-call"]
final = true
[[silences]]
id = "move"
owner = "dpo@clover.example"
reason = "the office moves"
since = 2026-03-01T00:00:00Z
until = 2026-03-02T00:00:00+01:00
up_to = "high"
team = ["support"]
[people.ana]
key = "{ANA}"
roles = ["analyst", "officer"]
[people.ben]
key = "{BEN}"
roles = ["officer"]
"""


def read(text: str, now: int | None = None) -> Plan:
    return read_plan(text, "policy.toml", KINDS, now)


def test_a_whole_policy() -> None:
    plan = read(WHOLE)
    assert plan.version == hashlib.sha256(WHOLE.encode()).hexdigest()[:16]
    on_call, siem = plan.destinations["on-call"], plan.destinations["siem"]
    assert on_call.config == PagerConfig(url="https://127.0.0.1:1/")
    assert (on_call.names, on_call.deadline, on_call.retry_for) == ("clear", 60_000, 900_000)
    assert (on_call.group_by, on_call.group_wait) == (("team", "place_class"), 10_000)
    assert (on_call.group_interval, on_call.rate_limit) == (120_000, 30)
    assert (siem.names, siem.deadline, siem.retry_for) == ("pseudonyms", 30_000, 4 * 3_600_000)
    assert siem.rate_limit is None
    assert plan.routes[0].match == Match()
    assert plan.routes[1].match == Match(
        severity="high",
        rules=("place.*",),
        place_classes=("third_country", "unknown"),
        teams=("support",),
        families=("access",),
        datasets=("eu-*",),
    )
    assert plan.routes[1].final
    (silence,) = plan.silences
    assert (silence.until - silence.since, silence.match.up_to, silence.to) == (23 * 3_600_000, "high", ())
    assert plan.analysts == {"ana": ANA}
    assert plan.auto_resolve_after == 12 * 3_600_000


def test_a_policy_without_delivery_has_a_plan_without_destinations() -> None:
    plan = read("version = 1\n")
    assert (plan.destinations, plan.routes, plan.silences, plan.analysts) == ({}, (), (), {})
    assert plan.auto_resolve_after == 24 * 3_600_000


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ('kind = "pager"', RATE_DEFAULT),
        ('kind = "board"', None),
        ('kind = "pager"\nrate_limit = 5', 5),
        ('kind = "pager"\nrate_limit = "none"', None),
        ('kind = "board"\nrate_limit = "5/min"', 5),
    ],
)
def test_limits(given: str, limit: int | None) -> None:
    assert read(f"[destinations.x]\n{given}").destinations["x"].rate_limit == limit


SILENCE = '[[silences]]\nid = "s"\nowner = "o"\nreason = "r"\n'
PAGER = '[destinations.x]\nkind = "pager"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[destinations.x]\n", "policy.toml:1: destinations.x.kind: required, and not there; allowed: board, pager"),
        ('[destinations.x]\nkind = "pagr"\n', "policy.toml:2: destinations.x.kind: 'pagr': no such kind; did you mean"),
        ("[destinations.x]\nkind = 3\n", "policy.toml:2: destinations.x.kind: 3: no such kind"),
        ('[destinations."a b"]\nkind = "pager"\n', "policy.toml:1: destinations.\"a b\": 'a b': a name is"),
        (
            PAGER + "urll = 1\n",
            "policy.toml:3: destinations.x.urll: unknown key; did you mean 'url'? Allowed: deadline",
        ),
        (PAGER + "url = 1\n", "policy.toml:3: destinations.x.url: 1: expected `str`"),
        (PAGER + "size = 13\n", "policy.toml:3: destinations.x.size: 13 brings bad luck"),
        (PAGER + 'names = "open"\n', "policy.toml:3: destinations.x.names: 'open' is not allowed; allowed: clear"),
        (PAGER + 'deadline = "soon"\n', "policy.toml:3: destinations.x.deadline: 'soon' is no duration"),
        (PAGER + 'deadline = "0s"\n', "policy.toml:3: destinations.x.deadline: '0s': at least 1000 ms"),
        (PAGER + 'group_by = ["teem"]\n', "policy.toml:3: destinations.x.group_by[0]: 'teem' is not allowed; did you"),
        (PAGER + "group_by = []\n", "policy.toml:3: destinations.x.group_by: an empty list"),
        (PAGER + 'group_wait = "1m"\n', "policy.toml:3: destinations.x.group_wait: '1m': less than the deadline"),
        (PAGER + "rate_limit = 0\n", "policy.toml:3: destinations.x.rate_limit: 0: notices a minute, 1 to"),
        (PAGER + 'rate_limit = "5/h"\n', "policy.toml:3: destinations.x.rate_limit: '5/h': notices a minute"),
        (
            '[destinations.x]\nkind = "siem"\ngroup_wait = "1s"\n',
            "policy.toml:3: destinations.x.group_wait: '1s': siem is told of every alert by itself",
        ),
        (PAGER + '[[routes]]\nto = ["y"]\n', "policy.toml:4: routes[0].to: 'y': no such destination; allowed: x"),
        (PAGER + "[[routes]]\nto = []\n", "policy.toml:4: routes[0].to: an empty list"),
        (PAGER + "[[routes]]\nfinal = true\n", "policy.toml:3: routes[0].to: required, and not there"),
        (PAGER + '[[routes]]\nto = ["x"]\nrule = ["a"]\n', "policy.toml:5: routes[0].rule: unknown key; did you mean"),
        (
            PAGER + '[[routes]]\nto = ["x"]\nplace_class = ["third"]\n',
            "policy.toml:5: routes[0].place_class[0]: 'third' is not allowed; allowed: adequate, conditional",
        ),
        (PAGER + '[[routes]]\nto = ["x"]\nseverity = "hi"\n', "policy.toml:5: routes[0].severity: 'hi' is not allowed"),
        ('[[silences]]\nid = "s"\nowner = "o"\nreason = "r"\n', "policy.toml:1: silences[0].until: required"),
        ('[[silences]]\nid = "s"\nowner = " "\nreason = "r"\nuntil = 2026-01-01T00:00:00Z\n', "silences[0].owner: ' '"),
        (
            SILENCE + "until = 2026-01-01T00:00:00\n",
            "policy.toml:5: silences[0].until: 2026-01-01T00:00:00: a time with",
        ),
        (
            SILENCE + "since = 2026-01-01T00:00:00Z\nuntil = 2026-02-01T00:00:00Z\n",
            "policy.toml:6: silences[0].until: 2026-02-01T00:00:00+00:00: at most 30 days after `since`",
        ),
        (
            SILENCE + "since = 2026-01-02T00:00:00Z\nuntil = 2026-01-01T00:00:00Z\n",
            "policy.toml:6: silences[0].until: 2026-01-01T00:00:00+00:00 is not after `since`",
        ),
        (
            SILENCE + "until = 2026-02-01T00:00:01Z\n",
            "silences[0].until: 2026-02-01T00:00:01+00:00: at most 30 days after now",
        ),
        (SILENCE + 'until = 2026-01-02T00:00:00Z\nto = ["y"]\n', "silences[0].to: 'y': no such destination"),
        (
            SILENCE + 'until = 2026-01-02T00:00:00Z\nseverity = "low"\n',
            "silences[0].severity: 'low': a silence names the",
        ),
        (SILENCE + 'until = 2026-01-02T00:00:00Z\nfamily = ["privacy"]\n', "silences[0].family: 'privacy': who looked"),
        (2 * (SILENCE + "until = 2026-01-02T00:00:00Z\n"), "policy.toml:7: silences[1].id: 's' is there twice"),
        (
            '[people.ana]\nkey = "abc"\nroles = ["analyst"]\n',
            "policy.toml:2: people.ana.key: 'abc': no Ed25519 public key",
        ),
        ("[routes]\nx = 1\n", "policy.toml:1: routes: {'x': 1} is not an array of tables; write [[routes]]"),
        ("destinations = 3\n", "policy.toml:1: destinations: 3 is not a table"),
        (
            '[thresholds]\nauto_resolve_after = "x"\n',
            "policy.toml:2: thresholds.auto_resolve_after: 'x' is no duration",
        ),
        (
            '[thresholds]\nauto_resolve_after = "59s"\n',
            "policy.toml:2: thresholds.auto_resolve_after: '59s': at least 60000 ms, or alerts would be over before",
        ),
        (PAGER + 'deadline = "5s\\n"\n', r"policy.toml:3: destinations.x.deadline: '5s\n' is no duration"),
        (PAGER + 'deadline = "٣s"\n', "policy.toml:3: destinations.x.deadline: '٣s' is no duration"),
        (PAGER + 'deadline = "3651d"\n', "policy.toml:3: destinations.x.deadline: '3651d' is longer than a duration"),
        (PAGER + f'deadline = "{"9" * 400}d"\n', "9… is longer than a duration can be; at most 3650d, ten years"),
        (PAGER + f"url = 0x{'f' * 5000}\n", "policy.toml:3: destinations.x.url: an integer beyond 64 bits: expected"),
        (PAGER + f"size = {'9' * 5000}\n", "policy.toml: not TOML: a number of 5000 digits (at line 3); allowed"),
        (PAGER + 'rate_limit = "60\\n"\n', r"policy.toml:3: destinations.x.rate_limit: '60\n': notices a minute"),
        (PAGER + 'url = "a\\u0000b"\n', r"policy.toml:3: destinations.x.url: 'a\x00b': holds a NUL"),
        ('[destinations."a\\n"]\nkind = "pager"\n', r"'a\n': a name is 1 to 64 letters"),
        (
            '[[silences]]\nid = "s\\n"\nowner = "o"\nreason = "r"\nuntil = 2026-01-03T00:00:00Z\n',
            r"policy.toml:2: silences[0].id: 's\n': 1 to 64 letters",
        ),
        ("[destinations.x]\nkind = 2026-12-01\n", "policy.toml:2: destinations.x.kind: 2026-12-01: no such kind"),
        (
            SILENCE + "until = 2026-12-01\n",
            "policy.toml:5: silences[0].until: 2026-12-01: expected `datetime`, got `date`; write a time with an",
        ),
        (
            PAGER + 'url = "a\u2028b"\nsize = 13\n',
            "policy.toml:4: destinations.x.size: 13 brings",
        ),
    ],
)
def test_errors_name_file_line_key_value_and_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text, now=milliseconds_of_2026())
    assert said in str(error.value)


def milliseconds_of_2026() -> int:
    return milliseconds(datetime(2026, 1, 2, tzinfo=UTC))


STDOUT = '[destinations.x]\nkind = "stdout"\n'
DUTY = '[destinations.x]\nkind = "pagerduty"\n'
TEAM = '[destinations.x]\nkind = "alertmanager"\n'
LOG = '[destinations.x]\nkind = "file"\n'


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (STDOUT + '[[routes]]\nto = ["x"]\nfamily = ["acess"]\n', "5: routes[0].family: 'acess': no alert is of that"),
        (STDOUT + '[[routes]]\nto = ["x"]\nfamily = ["acess"]\n', "did you mean 'access'? Allowed: access, behaviour"),
        (STDOUT + '[[routes]]\nto = ["x"]\nrules = ["plce.*"]\n', "'plce.*': fits no rule; did you mean 'place.*'?"),
        (
            SILENCE + 'until = 2026-01-03T00:00:00Z\nrules = ["place.thrd_country"]\n',
            "6: silences[0].rules: 'place.thrd_country': fits no rule; did you mean 'place.third_country'?",
        ),
        (SILENCE + 'until = 2026-01-03T00:00:00Z\nfamily = ["crowd"]\n', "6: silences[0].family: 'crowd': no alert"),
        (LOG + 'path = ""\n', "3: destinations.x.path: '': a path from / on"),
        (LOG + 'path = "alerts.jsonl"\n', "3: destinations.x.path: 'alerts.jsonl': a path from / on"),
        (LOG + 'path = "/nowhere/logs/"\n', "3: destinations.x.path: '/nowhere/logs/': a folder; name a file in it"),
        (LOG + 'path = "/a\\u0000b"\n', r"3: destinations.x.path: '/a\x00b': holds a NUL"),
        (
            LOG + 'path = "/a/b"\n[destinations.y]\nkind = "file"\npath = "/a//b"\n',
            "6: destinations.y.path: '/a/b': is that of 'x' too",
        ),
        (DUTY + "routing_key = {}\n", "3: destinations.x.routing_key: one of file and env is to be named"),
        (DUTY + 'routing_key = { file = "/x", env = "X" }\n', "3: destinations.x.routing_key: one of file and env is"),
        (DUTY + 'routing_key = { file = " " }\n', "3: destinations.x.routing_key: ' ': neither a file nor a variable"),
        (
            DUTY + 'routing_key = { file = "/a\\u0000b" }\n',
            r"3: destinations.x.routing_key.file: '/a\x00b': holds a NUL",
        ),
        (TEAM + 'urls = ["https://am:1/ b"]\n', "3: destinations.x.urls: the url holds a space"),
        (TEAM + 'urls = ["https://am:1", "https://am:1/"]\n', "3: destinations.x.urls: am:1 is there twice"),
        (
            TEAM + 'urls = ["https://am:1"]\nauth = {}\n',
            "4: destinations.x.auth: one of bearer and basic is to be named",
        ),
        (
            TEAM + 'urls = ["https://am:1"]\n[destinations.x.auth.basic]\nuser = "u"\npassword = {}\n',
            "6: destinations.x.auth.basic.password: one of file and env",
        ),
        (
            '[destinations.x]\nkind = "otlp"\nurl = "collector"\n',
            "3: destinations.x.url: the url must begin with https",
        ),
        (
            '[destinations.x]\nkind = "otlp"\nurl = "https://c"\nproxy = "p:1"\n',
            "4: destinations.x.proxy: the url must begin with https",
        ),
        (
            '[destinations.x]\nkind = "kafka"\nbootstrap = ["k:1"]\ntopic = "a\\n"\ntls = {}\n',
            r"4: destinations.x.topic: 'a\n': expected `str` matching",
        ),
    ],
)
def test_a_policy_that_cannot_work_is_refused(section: str, said: str) -> None:
    names = alert_names()
    with pytest.raises(ConfigurationError) as error:
        read_plan(section, "p", REAL, families=names.families, rule_ids=names.rule_ids)
    assert said in str(error.value)


def test_a_folder_is_no_file_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"destinations\.x\.path: .*: a folder; name a file in it"):
        read_plan(f'{LOG}path = "{tmp_path}"\n', "p", REAL)
    config = read_plan(f'{LOG}path = "{tmp_path}/a"\n', "p", REAL).destinations["x"].config
    assert config == FileConfig(path=f"{tmp_path}/a")


def test_routes_may_name_every_family_and_pattern_that_alerts_have() -> None:
    names = alert_names()
    given = 'rules = ["*.third_country", "stream.*", "rule.failed", "privacy.identity_opened", "behaviour.silence"]\n'
    families = ", ".join(f'"{family}"' for family in sorted(names.families))
    text = f'{STDOUT}[[routes]]\nto = ["x"]\n{given}family = [{families}]\n'
    (route,) = read_plan(text, "p", REAL, families=names.families, rule_ids=names.rule_ids).routes
    assert {"access", "behaviour", "dataset", "privacy", "rule.failed", "silence", "stream"} <= set(
        route.match.families
    )
