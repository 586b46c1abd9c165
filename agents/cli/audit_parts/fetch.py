"""Fetch a served log into a folder, or what is new of it, each file checked against the signed checkpoint."""

import argparse
import asyncio
import sys
from pathlib import Path

from agents.settings import Settings
from agents.text import printable
from schemas.errors import ConfigurationError

NAME = "fetch"
EXAMPLES = """\
examples:
  cloverwatch audit fetch https://audit.example.com/ log --key keys.txt     then `cloverwatch audit verify log …`
  cloverwatch audit fetch https://audit.example.com/ log --key keys.txt     again, a month later: what is new

URL is that under which `checkpoint` and `tile/` are (C2SP tlog-tiles), of `cloverwatch audit serve` or any web server.
A second fetch into the same DIR brings what is new and checks that the log goes on from what was fetched before; a
checkpoint that does not is kept as DIR/checkpoint.refused. DIR has a checkpoint only with all of its files

exit codes: 0 fetched; 1 what the server shows does not hold, or it does not answer; 2 usage
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("url", metavar="URL", help="where the log is served")
    parser.add_argument("to", type=Path, metavar="DIR", help="a new folder, or one that was fetched into before")
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="public key of the log, or a file"
    )
    parser.add_argument("--origin", metavar="NAME", help="the log's name, where its key has another")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificate of who signed the server's, if no public one did"
    )


def run(given: argparse.Namespace, _: Settings) -> int:
    """Fetch."""
    from agents.audit.downloads import Downloads
    from agents.audit.mirror import Fetched, fetch
    from agents.audit.tlog import BadLogError, BadNoteError, vkey
    from agents.cli.audit_parts.verify import vkeys

    try:
        keys = [vkey(text, "--key") for text in vkeys(given.key)]
    except BadNoteError as error:
        raise ConfigurationError(str(error)) from None

    async def fetched() -> Fetched:
        async with Downloads(given.url, given.ca, _tell) as web:
            return await fetch(web, given.to, keys, origin=given.origin, tell=_tell)

    try:
        found = asyncio.run(fetched())
    except BadLogError as error:
        print(printable(f"it does not hold: {error}"))
        return 1
    signed = found.signed
    print(printable(f"{given.to}: {signed.size:,} entries of {signed.origin}, root {signed.root.hex()}"))
    print(f"{signed.size - found.before:,} of them are new; {found.files:,} files were fetched")
    return 0


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr)
