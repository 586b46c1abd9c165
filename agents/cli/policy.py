"""Check a policy file; say what differs, propose, sign and adopt a change."""

import argparse
from pathlib import Path

from agents.cli import policy_signing
from agents.plan_file import read_plan_of
from agents.policy_watch import read_policy
from agents.settings import Settings
from agents.text import printable
from schemas.fields import iso

NAME = "policy"
EXAMPLES = """\
examples:
  cloverwatch policy check policy.toml                         where it is wrong, and what is allowed there
  cloverwatch policy diff policy.toml new.toml
  cloverwatch policy propose new.toml --against policy.toml --reason "…" --as anna --key anna.key
  cloverwatch policy sign new.toml --against policy.toml --as auditor --key auditor.key
  cloverwatch policy adopt new.toml --to policy.toml           verify, publish, put in place

with CLOVERWATCH_POLICY_AUDITORS every process refuses a policy that these auditors did not sign: docs/policy-changes.md
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `check FILE` and what changes a policy."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="validate a policy file")
    check.add_argument("file", type=Path)
    policy_signing.arguments(actions)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Say what is in the file; a broken one ends with 2."""
    if given.action in policy_signing.ACTIONS:
        return policy_signing.run(given, settings)
    policy = read_policy(given.file)[1]
    plan = read_plan_of(given.file)[1]
    print(
        f"{given.file}: policy {policy.version} is right: {len(policy.roles)} roles, {len(policy.sites)} sites, "
        f"{len(policy.entities)} entities, {len(policy.purposes)} purposes, {len(policy.exemptions)} exemptions"
    )
    for exemption in policy.exemptions:
        rules = ", ".join(sorted(exemption.rules))
        print(printable(f"  exempt: {exemption.id} from {rules}, by {exemption.owner}"))
    if policy.shadowed:
        print(f"  in shadow: {', '.join(sorted(policy.shadowed))}")
    for name, told in plan.destinations.items():
        print(f"  tells: {name}, {told.kind.title}" + (", with names in clear" if told.names == "clear" else ""))
    for silence in plan.silences:
        times = f"from {iso(silence.since)} to {iso(silence.until)}"
        print(printable(f"  silent: {silence.id} {times}, by {silence.owner}"))
    return 0
