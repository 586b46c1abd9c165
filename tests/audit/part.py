"""Runs one part of `cloverwatch audit` as a process: `python -m tests.audit.part witness --key …`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from agents.settings import Settings
from schemas.errors import ConfigurationError


def main(argv: list[str]) -> int:
    """Run it; exit codes as the command line has them."""
    part = import_module(f"agents.cli.audit_parts.{argv[0]}")
    parser = argparse.ArgumentParser(prog=f"cloverwatch audit {argv[0]}")
    part.arguments(parser)
    try:
        return int(part.run(parser.parse_args(argv[1:]), Settings()))
    except ConfigurationError as error:
        print(f"cloverwatch: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
