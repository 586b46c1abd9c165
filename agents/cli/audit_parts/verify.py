"""Verify a log from its files and public keys: nothing skipped, nothing changed, every alert delivered."""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from agents.settings import Settings
from agents.text import printable, printable_json
from schemas.errors import ConfigurationError

NAME = "verify"
EXAMPLES = """\
examples:
  cloverwatch audit verify LOG --key audit.example+1a2b3c4d+AV…
  cloverwatch audit verify LOG --key keys.txt --earlier kept/checkpoint.march --topics export/
  cloverwatch audit verify LOG --key keys.txt --not-older-than 24
  cloverwatch audit verify LOG --key keys.txt --witness witnesses.txt --witnesses-needed 2 --json

LOG is a folder with `checkpoint` and `tile/`, as it is, or as it was fetched from `cloverwatch audit serve`. A key is
the text itself or a file with one on each line. Nothing else is read: no settings, no secret, no broker

exit codes: 0 everything holds, 1 findings, 2 usage
"""

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
HOURS_MAX: Final = 100 * 366 * 24
"""A century."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("log", type=Path, metavar="LOG", help="folder of the log")
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="public key of the log, or a file"
    )
    parser.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="public key of a witness, or a file"
    )
    parser.add_argument("--witnesses-needed", type=int, metavar="N", help="how many must have signed; default: all")
    parser.add_argument("--earlier", action="append", type=Path, default=[], metavar="FILE", help="a checkpoint kept")
    parser.add_argument("--topics", type=Path, metavar="DIR", help="topics as `cloverwatch audit export` writes them")
    parser.add_argument("--origin", default="", metavar="NAME", help="the log's name, where its key has another")
    parser.add_argument(
        "--grace", type=int, default=15, metavar="MINUTES",
        help="what is younger at the log's end may be under way still; 0: nothing is",
    )  # fmt: skip
    parser.add_argument(
        "--not-older-than", type=float, metavar="HOURS",
        help="the log's last entry, and what the witnesses signed, may not be older: finds a log that was frozen",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Verify; print the report."""
    from agents.audit.verifying.document import document
    from agents.audit.verifying.notes import NoteError, Verifier
    from agents.audit.verifying.report import lines
    from agents.audit.verifying.verify import Asked, verify

    witnesses = [Verifier.read(text) for text in vkeys(given.witness)]
    keys = [Verifier.read(text) for text in vkeys(given.key)]
    seen = [key.key for key in keys]
    for each in witnesses:
        if each.key in seen:
            raise ConfigurationError(
                f"--witness: {each.name}: this key is given twice, as a witness or as the log's own; allowed: keys of "
                "others, each once, or one signature would count as two"
            )
        seen.append(each.key)
    needed = len(witnesses) if given.witnesses_needed is None else given.witnesses_needed
    if not 0 <= needed <= len(witnesses):
        raise ConfigurationError(
            f"--witnesses-needed: {needed}; allowed: 0 to {len(witnesses)}, as many as --witness names"
        )
    if given.grace < 0:
        raise ConfigurationError(f"--grace: {given.grace}; allowed: 0 and more minutes")
    oldest = given.not_older_than
    if oldest is not None and not 0 < oldest <= HOURS_MAX:
        raise ConfigurationError(f"--not-older-than: {oldest:g}; allowed: more than 0 and at most {HOURS_MAX:,} hours")
    asked = Asked(
        folder=given.log,
        keys=keys,
        witnesses=witnesses,
        needed=needed,
        earlier=given.earlier,
        export=given.topics,
        origin=given.origin,
        grace=given.grace * MINUTE_MS,
        now=time.time_ns() // 1_000_000,
        oldest=None if oldest is None else int(oldest * HOUR_MS),
        tell=_tell,
    )
    try:
        outcome = verify(asked)
    except NoteError as error:
        print(f"checkpoint: is no checkpoint: {printable(str(error))}")
        return 1
    if given.json:
        print(printable_json(msgspec.json.encode(document(outcome)).decode()))
    else:
        print("\n".join(printable(line) for line in lines(outcome)))
    return 1 if outcome.findings else 0


def vkeys(given: list[str]) -> list[str]:
    """Return public keys: each that was given, or those on the lines of a file (`#` begins a remark).

    Raises:
        ConfigurationError: a file cannot be read.
    """
    found = []
    for text in given:
        if "+" in text and not Path(text).is_file():
            found.append(text)
            continue
        try:
            written = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{text}: neither a public key nor a file of some ({error})") from None
        found += [line.strip() for line in written if line.strip() and not line.startswith("#")]
    if given and not found:
        raise ConfigurationError(f"{', '.join(given)}: holds no public key")
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
