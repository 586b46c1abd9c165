"""The audit log: written, witnessed, served, and verified by somebody else."""

import argparse
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from agents.settings import Settings

NAME = "audit"
EXAMPLES = """\
examples:
  cloverwatch audit fetch URL DIR --key KEYS            a served log as a folder, or what is new of it
  cloverwatch audit verify LOG --key KEYS               what the files prove, and what does not hold
  cloverwatch audit prove LOG --key KEYS --index N --to FILE   one entry's proof, for somebody without the log
  cloverwatch audit serve LOG                           the log for an auditor, read-only
  cloverwatch audit export --to DIR                     the topics as files, for an auditor
  cloverwatch audit replay LOG --events DIR ...         judge a range again, and compare
  cloverwatch audit program                             the hash of this program, by which the log knows what ran

docs/auditor.md is the auditor's page: all steps, with nothing but files and public keys
"""

PARTS: Final = ("log", "keys", "witness", "fetch", "verify", "prove", "serve", "export", "replay", "program")
"""Modules of `agents.cli.audit_parts`, in the order in which somebody new needs them."""


def parts() -> list[ModuleType]:
    """Return the subcommands."""
    names = [f"agents.cli.audit_parts.{part}" for part in PARTS]
    return [import_module(name) for name in names if find_spec(name) is not None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(dest="part", metavar="PART", required=True, help="one of those below")
    listed = []
    for module in parts():
        summary = (module.__doc__ or "").splitlines()[0]
        listed.append(f"  {module.NAME:<10} {summary}")
        command = commands.add_parser(module.NAME, description=summary, epilog=getattr(module, "EXAMPLES", None))
        module.arguments(command)
        command.set_defaults(run_part=module.run)
    parser.epilog = "parts:\n" + "\n".join(listed) + f"\n\n{EXAMPLES}"


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Run the part that was named."""
    return int(given.run_part(given, settings))
