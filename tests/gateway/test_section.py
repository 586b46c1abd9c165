"""`[gateway]` of the policy: what is right is read, with its defaults; what is wrong says where and what is allowed."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rules.cases import HOUR, POLICY
from rules.catalogue import RULE_IDS
from rules.gateway.section import Approvals, BreakGlass, Condition, Gateway, GatewayPolicy, Obliging, _Section
from rules.policy import parse
from schemas.errors import ConfigurationError

MINUTE = HOUR // 60


def read(section: str) -> GatewayPolicy:
    found = parse(POLICY + section, "p.toml", RULE_IDS).gateway
    assert found is not None
    return found


def test_a_policy_without_the_section_has_no_gateway() -> None:
    assert parse(POLICY, "p.toml", RULE_IDS).gateway is None


def test_an_empty_section_has_every_default() -> None:
    assert read("[gateway]\n") == GatewayPolicy(
        valid_for=15 * MINUTE,
        uses=1000,
        must_pass=("*",),
        sensitivities=frozenset({"restricted", "allowable"}),
        principals=frozenset({"employee", "external"}),
        wait=500,
        rows_unsaid="count",
        unrecorded="deny",
        stale="deny",
        tolerates=frozenset(),
        subject_types={"user": "employee"},
        resource_types=("dataset", "record"),
        actions={},
        gateways={},
        quiet_after={},
        obligations=(),
        conditions=(),
        approvals_longest=12 * HOUR,
        never=frozenset({"employee.inactive", "employee.unknown"}),
        break_glass=None,
    )


def test_everything_may_be_said() -> None:
    found = read("""
[gateway]
valid_for = "24h"
uses = 1
must_pass = []
wait = "0s"
rows_unsaid = "tell"
unrecorded = "allow"
tolerates = ["dataset.outside_perimeter"]
subject_types = { robot = "workload" }
resource_types = ["table"]
actions = { can_view = "read" }
[gateway.gateways.gw-1]
site = "dub-1"
datasets = ["eea-*"]
quiet_after = "5m"
[gateway.approvals]
longest = "7d"
never = []
[gateway.break_glass]
roles = ["reader"]
longest = "24h"
review_within = "7d"
[[gateway.obligations]]
row_limit = 1
[[gateway.conditions]]
name = "a"
sentence = "A."
when = { "context.a" = [1, 2.5, "x", true], "subject.role" = ["a", "b"] }
[[gateway.conditions]]
name = "b"
sentence = "B."
when = {}
unless = { "action.soft" = true }
""")
    assert (found.valid_for, found.uses, found.wait, found.unrecorded) == (24 * HOUR, 1, 0, "allow")
    assert found.rows_unsaid == "tell"
    assert found.gateways["gw-1"].site == "dub-1"
    assert found.quiet_after == {"gw-1": 5 * MINUTE}
    assert found.break_glass == BreakGlass(roles=("reader",), longest="24h", review_within="7d")
    assert (found.break_glass_longest, found.review_within, found.approvals_longest) == (
        24 * HOUR,
        7 * 24 * HOUR,
        7 * 24 * HOUR,
    )
    assert [each.name for each in found.conditions] == ["a", "b"]


CONDITION = '[gateway]\n[[gateway.conditions]]\nname = "a"\nsentence = "A."\n'

WRONG = [
    ("[gateway]\nvalid_fro = '1m'", "gateway.valid_fro: unknown key; did you mean 'valid_for'?"),
    ("[gateway]\nvalid_for = 15", "gateway.valid_for: 15: expected `str`"),
    ("[gateway]\nvalid_for = 'soon'", "gateway.valid_for: 'soon' is no duration; write a whole number with ms, s"),
    ("[gateway]\nrows_unsaid = 'alert'", "gateway.rows_unsaid: 'alert'"),
    ("[gateway]\nvalid_for = '0s'", "gateway.valid_for: '0s': allowed: 1ms to 1d"),
    ("[gateway]\nvalid_for = '25h'", "gateway.valid_for: '25h': allowed: 1ms to 1d"),
    ("[gateway]\nuses = 0", "gateway.uses: 0: allowed: 1 to 1000000"),
    ("[gateway]\nuses = -1", "gateway.uses: -1: allowed: 1 to 1000000"),
    ("[gateway]\nuses = 1000001", "gateway.uses: 1000001: allowed: 1 to 1000000"),
    ("[gateway]\nwait = '11m'", "gateway.wait: '11m': allowed: 0s to 10m"),
    ("[gateway]\nunrecorded = 'maybe'", "gateway.unrecorded: 'maybe' is not allowed; allowed: allow, deny"),
    ("[gateway]\nsensitivities = ['secret']", "gateway.sensitivities[0]: 'secret' is not allowed"),
    ("[gateway]\nprincipals = ['robot']", "gateway.principals[0]: 'robot' is not allowed"),
    ("[gateway]\nmust_pass = 'eea-*'", "gateway.must_pass: 'eea-*': expected `array`"),
    ("[gateway]\ntolerates = ['role.non']", "gateway.tolerates: 'role.non' is no rule; did you mean 'role.none'?"),
    (
        "[gateway]\ntolerates = ['employee.unknown']",
        "gateway.tolerates: 'employee.unknown' is also in gateway.approvals.never; allowed: rules that are not",
    ),
    (
        "[gateway]\nsubject_types = { robot = 'machine' }",
        "gateway.subject_types: 'machine' is not allowed; allowed: em",
    ),
    (
        "[gateway]\nsubject_types = { employee = 'service' }",
        "gateway.subject_types.employee: employee, service, workload, external stand for themselves; allowed: others",
    ),
    ("[gateway]\nsubject_types = { '' = 'service' }", "gateway.subject_types: '': allowed: names of 1 to 256"),
    ("[gateway]\nresource_types = []", "gateway.resource_types: []: allowed: at least one type of resource"),
    ("[gateway]\nresource_types = ['']", "gateway.resource_types: '': allowed: names of 1 to 256 characters"),
    ("[gateway]\nactions = { view = 'look' }", "gateway.actions: 'look' is not allowed; allowed: create, de"),
    ("[gateway]\nactions = { read = 'list' }", "gateway.actions.read: read, list, query"),
    ("[gateway]\ngateways = []", "gateway.gateways: []: expected `object`"),
    ("[gateway]\n[gateway.gateways]\na = 1", "gateway.gateways.a: 1 is not a table"),
    ("[gateway]\n[gateway.gateways.a]\nsit = 'x'", "gateway.gateways.a.sit: unknown key; did you mean 'site'?"),
    ("[gateway]\n[gateway.gateways.a]\nsite = 'dub-2'", "gateway.gateways.a.site: 'dub-2': no such site; did you mean"),
    (
        "[gateway]\n[gateway.gateways.a]\ndatasets = []",
        "gateway.gateways.a.datasets: []: allowed: at least one pattern",
    ),
    ("[gateway]\n[gateway.gateways.a]\ndatasets = ['']", "gateway.gateways.a.datasets: ['']: allowed: at least one"),
    ("[gateway]\n[gateway.gateways.a]\nprincipals = []", "gateway.gateways.a.principals: []: allowed: at least one"),
    ("[gateway]\n[gateway.gateways.a]\nprincipals = ['me']", "gateway.gateways.a.principals[0]: 'me' is not allowed"),
    ("[gateway]\n[gateway.gateways.a]\nquiet_after = '31d'", "gateway.gateways.a.quiet_after: '31d': allowed: 1ms to"),
    ("[gateway]\n[gateway.gateways.'']", "gateway.gateways.\"\": '': allowed: names of 1 to 256 characters"),
    ("[gateway]\nobligations = 1", "gateway.obligations: 1: expected `array`"),
    ("[gateway]\n[[gateway.obligations]]\nrow_limit = 0", "gateway.obligations[0].row_limit: 0: allowed: 1 or more"),
    ("[gateway]\n[[gateway.obligations]]\nrow_limit = -5", "gateway.obligations[0].row_limit: -5: allowed: 1 or more"),
    ("[gateway]\n[[gateway.obligations]]\nrow_limit = '5'", "gateway.obligations[0].row_limit: '5': expected `int"),
    (
        "[gateway]\n[[gateway.obligations]]\nactions = ['read']",
        "gateway.obligations[0]: asks for nothing; allowed: pseudonymised = true, row_limit, ticket = true",
    ),
    (
        "[gateway]\n[[gateway.obligations]]\nticket = true\n[[gateway.obligations]]\nplaces = ['mars']\nticket = true",
        "gateway.obligations[1].places[0]: 'mars' is not allowed; allowed: adequate, conditional, inside",
    ),
    ("[gateway]\n[[gateway.conditions]]\nsentence = 'A.'\nwhen = {}", "gateway.conditions[0].name: required"),
    (
        CONDITION + "when = {}",
        "gateway.conditions[0]: neither `when` nor `unless` names a property, so it would deny everything",
    ),
    (
        CONDITION + "when = { status = 'a' }",
        "gateway.conditions[0].when.status: 'status'; allowed: subject.NAME, action.NAME, resource.NAME, context.NAME",
    ),
    (CONDITION + "when = { 'context.' = 'a' }", "gateway.conditions[0].when.\"context.\": 'context.'; allowed"),
    (
        CONDITION + "when = { 'resource.a' = { b = 1 } }",
        "gateway.conditions[0].when.\"resource.a\": {'b': 1}: allowed: a text, a number, true, false, or a list",
    ),
    (CONDITION + "when = { 'resource.a' = [] }", 'gateway.conditions[0].when."resource.a": []: allowed: a text'),
    (
        CONDITION + "when = { 'resource.a' = 'b' }\nunless = { 'resource.a' = 2026-01-01 }",
        'gateway.conditions[0].unless."resource.a": 2026-01-01: allowed: a text',
    ),
    (CONDITION + "when = { 'subject.role' = 1 }", 'gateway.conditions[0].when."subject.role": 1: allowed: a text or'),
    (CONDITION + "when = { 'context.ip' = true }", 'gateway.conditions[0].when."context.ip": true: allowed: a text or'),
    (
        "[gateway]\n[[gateway.conditions]]\nname = ' '\nsentence = 'A.'\nwhen = { 'context.a' = 1 }",
        "gateway.conditions[0].name: ' ': allowed: 1 to 256 characters, not only blanks",
    ),
    (
        "[gateway]\n[[gateway.conditions]]\nname = 'a'\nsentence = ''\nwhen = { 'context.a' = 1 }",
        "gateway.conditions[0].sentence: '': allowed: 1 to 1024 characters",
    ),
    (
        CONDITION
        + "when = { 'context.a' = 1 }\n"
        + CONDITION.removeprefix("[gateway]\n")
        + "when = { 'context.b' = 1 }",
        "gateway.conditions[1].name: 'a' is there twice; allowed: a name of its own",
    ),
    ("[gateway]\napprovals = 1", "gateway.approvals: 1 is not a table"),
    ("[gateway]\n[gateway.approvals]\nlongest = '8d'", "gateway.approvals.longest: '8d': allowed: 1ms to 7d"),
    ("[gateway]\n[gateway.approvals]\nlongest = '0s'", "gateway.approvals.longest: '0s': allowed: 1ms to 7d"),
    ("[gateway]\n[gateway.approvals]\nnever = ['nothing']", "gateway.approvals.never: 'nothing' is no rule; allowed"),
    ("[gateway]\n[gateway.break_glass]\nlongest = '1h'", "gateway.break_glass.roles: required, and not there"),
    ("[gateway]\n[gateway.break_glass]\nroles = []", "gateway.break_glass.roles: []: allowed: at least one role"),
    (
        "[gateway]\n[gateway.break_glass]\nroles = ['readr']",
        "gateway.break_glass.roles: 'readr': no such role; did you mean 'reader'?",
    ),
    (
        "[gateway]\n[gateway.break_glass]\nroles = ['reader']\nlongest = '25h'",
        "gateway.break_glass.longest: '25h': allowed: 1ms to 1d",
    ),
    (
        "[gateway]\n[gateway.break_glass]\nroles = ['reader']\nreview_within = '8d'",
        "gateway.break_glass.review_within: '8d': allowed: 1ms to 7d",
    ),
]


@pytest.mark.parametrize(("section", "told"), WRONG, ids=[told.split(": ")[0] for _, told in WRONG])
def test_what_is_wrong_says_where_and_what_is_allowed(section: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(section)
    said = str(caught.value)
    line = said.removeprefix("p.toml:").partition(":")[0]
    assert len(POLICY.splitlines()) < int(line) <= len((POLICY + section).splitlines()), said
    assert told in said
    assert (
        "allowed" in said.lower()
        or "expected" in said
        or "required" in said
        or "not a table" in said
        or ("write a whole number" in said)
    )


# The reference.


def _reference() -> str:
    """The section of docs/policy.md."""
    return Path("docs/policy.md").read_text().partition("## The gateway\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("struct", "before"),
    [
        (_Section, ""),
        (Gateway, "gateways.NAME."),
        (Obliging, ""),
        (Condition, "conditions."),
        (Approvals, "approvals."),
        (BreakGlass, "break_glass."),
    ],
)
def test_every_key_is_in_the_reference(struct: Any, before: str) -> None:
    text = _reference()
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        written = f"`{before}{name}`", f"`{name}`", f"`[[{name}]]`", f"`obligations.{name}`", f"`{name} =", f"`{name}."
        assert any(each in text for each in written), f"{struct.__name__}.{name} is not in docs/policy.md"


def test_the_references_example_is_read() -> None:
    example = textwrap.dedent(re.split(r"\n(?! {4})", _reference().lstrip("\n"))[0])
    roles = "[roles.admin]\n[roles.incident-manager]\n"
    found = read(roles + example)
    assert found.gateways.keys() == {"gw-dub-1"}
    assert found.break_glass is not None
    assert len(found.obligations) == len(found.conditions) == 1
