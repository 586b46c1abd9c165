"""Keys of pseudonyms; what an employee may ask for: a copy, erasure."""

import argparse
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from agents.cli import privacy_person
from agents.pseudonym_keys import new_keys, read_keys, write_keys
from agents.settings import Settings
from alerts.keyring import KeyRing, rotated
from schemas.errors import ConfigurationError
from schemas.fields import iso, milliseconds

NAME = "privacy"
EXAMPLES = f"""\
examples:
  cloverwatch privacy keys --new /etc/cloverwatch/pseudonyms.json        once, for all workers
  cloverwatch privacy keys --rotate /etc/cloverwatch/pseudonyms.json     another epoch, from tomorrow on
  cloverwatch privacy keys                                               which epochs there are; no key is shown
{privacy_person.EXAMPLES}
the file has mode 0600 and is refused where others may read it. Give every worker the new file before its epoch begins;
they read it again by themselves. How pseudonyms are made, and what who holds which key can do: docs/privacy.md

exit codes: 0 done, 2 usage, or the file is there already, or cannot be used
"""

ANNOUNCED_MS: Final = 86_400_000
"""How long before its beginning an epoch is made, unless told otherwise: all workers must have it by then, or two of
them would name one person differently at one time."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `keys`, `export` and `erase`."""
    actions = parser.add_subparsers(dest="action", required=True)
    keys = actions.add_parser("keys", help="make keys, add an epoch, look at them")
    what = keys.add_mutually_exclusive_group()
    what.add_argument("--new", type=Path, metavar="FILE", help="make new keys; never in place of a file that is there")
    what.add_argument("--rotate", type=Path, metavar="FILE", help="add an epoch to a file")
    keys.add_argument("--from", dest="since", metavar="T", help="with --rotate: when it begins (RFC 3339; in a day)")
    keys.add_argument("--if-absent", action="store_true", help="with --new: a file that is there is fine as it is")
    keys.set_defaults(act=_keys)
    privacy_person.arguments(actions)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for."""
    return int(given.act(given, settings))


def _keys(given: argparse.Namespace, settings: Settings) -> int:
    now = time.time_ns() // 1_000_000
    if given.since is not None and given.rotate is None:
        raise ConfigurationError("--from: only with --rotate FILE")
    if given.if_absent and given.new is None:
        raise ConfigurationError("--if-absent: only with --new FILE")
    if given.new is not None:
        if given.if_absent and given.new.exists():
            print(f"{given.new} is there")
            return 0
        path = given.new
        ring = new_keys(path)
    elif given.rotate is not None:
        since = now + ANNOUNCED_MS if given.since is None else _time(given.since)
        path = given.rotate
        ring = rotated(read_keys(Settings(pseudonym_keys=path)), since)
        write_keys(path, ring, new=False)
    else:
        ring, path = read_keys(settings), None
    if path is not None:
        print(
            f"{path}: written; keep a copy where backups of secrets are: without it no pseudonym is ever linked again"
        )
    _tell(ring, now)
    return 0


def _tell(ring: KeyRing, now: int) -> None:
    for epoch in ring.epochs:
        state = "in force" if epoch == ring.at(now) else "to come" if epoch.since > now else "past"
        before = ring.before(max(now, epoch.since)) if state != "past" else None
        also = (
            f"; alerts carry the pseudonyms of {before.name} too until {iso(epoch.since + ring.overlap)}"
            if before
            else ""
        )
        print(f"  {epoch.name:<12} from {iso(epoch.since)}: {state}{also}")


def _time(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigurationError(f"--from: {text!r}; a time with an offset is allowed, as in 2026-03-01T12:00:00Z")
    return milliseconds(found)
