"""Check a policy file: where it is wrong, and what is allowed there."""

import argparse
from pathlib import Path

from agents.plan_file import read_plan_of
from agents.policy_watch import read_policy
from agents.settings import Settings
from agents.text import printable
from schemas.fields import iso

NAME = "policy"
EXAMPLES = """\
example:
  cloverwatch policy check policy.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `check FILE`."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="validate a policy file")
    check.add_argument("file", type=Path)


def run(given: argparse.Namespace, _: Settings) -> int:
    """Say what is in the file; a broken one ends with 2."""
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
