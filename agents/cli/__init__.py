"""The command line: one file a command, registered here."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from agents.cli import (
    alerts,
    approvals,
    check,
    dead_letters,
    deliver,
    demo,
    docs,
    explain,
    keys,
    match,
    person,
    policy,
    privacy,
    receipts,
    replay,
    reveal,
    send,
    topics,
    worker,
)
from agents.cli import settings as settings_command
from agents.cli.help import Parser
from agents.settings import load
from agents.text import printable
from schemas.errors import CloverwatchError, ConfigurationError

GROUPS: Final[tuple[tuple[str, tuple[ModuleType, ...]], ...]] = (
    ("See it work", (demo,)),
    ("Without a broker, on files", (replay, explain, check, policy)),
    ("Run it", (worker, deliver, match, topics, send, settings_command)),
    ("See what it found", (alerts, receipts, dead_letters)),
    ("See what it knows", (person,)),
    ("People who act", (keys, approvals, reveal, privacy)),
    ("Written from the code", (docs,)),
)
"""Every command, in the order in which somebody new needs them."""

EXIT_CODES: Final = """\
exit codes:
  0    done
  1    failure: a broker that does not answer, a line that is wrong, a demo that missed something
  2    usage or configuration: the message names the key, the value and what is allowed
  3    replay --fail-on SEVERITY was reached, or replay --against --fail-on-change found a change
  130  ended by Ctrl-C
"""

START: Final = """\
start here:
  cloverwatch demo                              a month of accesses on the embedded broker
  cloverwatch replay --policy P --directory D events.jsonl
  cloverwatch explain --policy P --directory D --event-id ID events.jsonl
  cloverwatch COMMAND --help                    options and examples of one command
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    listed = []
    whole = Parser(
        prog="cloverwatch",
        description="Watches who reaches European users' data, from where and in which role, and loses nothing.",
    )
    whole.add_argument("--settings", type=Path, metavar="FILE", help="settings (TOML); CLOVERWATCH_* win over it")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True, help="one of those below")
    for title, modules in GROUPS:
        listed.append(f"{title.lower()}:")
        for module in modules:
            summary = (module.__doc__ or "").splitlines()[0]
            listed.append(f"  {module.NAME:<14} {summary}")
            command = commands.add_parser(module.NAME, description=summary, epilog=getattr(module, "EXAMPLES", None))
            module.arguments(command)
            command.set_defaults(run=module.run)
        listed.append("")
    whole.epilog = "\n".join(listed) + f"\n{START}\n{EXIT_CODES}"
    return whole


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    try:
        given = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said what is wrong, or printed its help
        return stop.code if isinstance(stop.code, int) else 2
    try:
        code = int(given.run(given, load(os.environ, given.settings)))
        sys.stdout.flush()
    except ConfigurationError as error:
        return _say(error, 2)
    except CloverwatchError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        promised = any(getattr(given, name, None) for name in ("fail_on", "fail_on_change", "state"))
        return 1 if promised else 0  # not judged to the end: no gate may take it for clean, and no state is written
    except OSError as error:
        return _say(error, 1)
    return code


def _say(error: Exception, code: int) -> int:
    said = "\n".join(map(printable, str(error).split("\n")))
    print(f"cloverwatch: {said}", file=sys.stderr)
    return code
