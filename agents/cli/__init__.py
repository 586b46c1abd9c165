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
    check,
    dead_letters,
    demo,
    docs,
    explain,
    policy,
    replay,
    send,
    topics,
    worker,
)
from agents.cli import (
    settings as settings_command,
)
from agents.settings import load
from schemas.errors import CloverwatchError, ConfigurationError

COMMANDS: Final[tuple[ModuleType, ...]] = (
    demo,
    replay,
    explain,
    check,
    policy,
    worker,
    topics,
    send,
    alerts,
    dead_letters,
    settings_command,
    docs,
)

EPILOG: Final = """\
exit codes:
  0  done
  1  failure: a broker that does not answer, a demo that missed something
  2  usage or configuration: the message names the key, the value and what is allowed
  3  --fail-on SEVERITY was reached

start here:
  cloverwatch demo                              a month of accesses on the embedded broker
  cloverwatch replay --policy P --directory D events.jsonl
  cloverwatch explain --policy P --directory D --event-id ID events.jsonl
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="cloverwatch",
        description="Watches who reaches European users' data, from where and in which role, and loses nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--settings", type=Path, metavar="FILE", help="settings (TOML); CLOVERWATCH_* win over it")
    commands = whole.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(
            module.NAME,
            help=summary,
            description=summary,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(command)
        command.set_defaults(run=module.run)
    return whole


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = parser().parse_args(argv)
    try:
        return int(given.run(given, load(os.environ, given.settings)))
    except ConfigurationError as error:
        return _say(error, 2)
    except CloverwatchError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say(error: Exception, code: int) -> int:
    print(f"cloverwatch: {error}", file=sys.stderr)
    return code
