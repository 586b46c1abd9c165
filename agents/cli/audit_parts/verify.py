"""Verify a log from its files and public keys: nothing skipped, nothing changed, every alert delivered."""

import argparse
import sys
import time
from hashlib import sha256
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
  cloverwatch audit verify LOG --key keys.txt --auditor auditors.toml --topics export/
  cloverwatch audit verify LOG --key keys.txt --not-older-than 24
  cloverwatch audit verify LOG --key keys.txt --witness witnesses.txt --witnesses-needed 2 --json

with --follows a log is held against the one before it: FILE is the report of that one, kept with --json

LOG is a folder with `checkpoint` and `tile/`, as it is, or as it was fetched from `cloverwatch audit serve`. A key is
the text itself or a file with one on each line. Nothing else is read: no settings, no secret, no broker

with --auditor every policy that something was judged or decided by must have been adopted with signatures of these
auditors: NAME=KEY, as `cloverwatch keys new NAME` prints it, or a file of lines NAME = "KEY". The signatures are in the
records of policy.changes (--topics), or in POLICY.history beside the policy (--changes); the log has their hashes

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
    parser.add_argument("--follows", type=Path, metavar="FILE", help="report of the log that this one goes on from")
    parser.add_argument("--topics", type=Path, metavar="DIR", help="topics as `cloverwatch audit export` writes them")
    parser.add_argument(
        "--auditor", action="append", default=[], metavar="NAME=KEY",
        help="public key of an auditor who signs policies, or a file",
    )  # fmt: skip
    parser.add_argument("--auditors-needed", type=int, metavar="N", help="how many must have signed; default: 1")
    parser.add_argument(
        "--changes", action="append", type=Path, default=[], metavar="FILE",
        help="changes of the policy that were kept: POLICY.history",
    )  # fmt: skip
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
    from agents.audit.verifying.succession import report
    from agents.audit.verifying.verify import Asked, verify
    from agents.policy_auditors import changes_in

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
    auditors = _auditors(given.auditor)
    auditors_needed = 1 if given.auditors_needed is None else given.auditors_needed
    if given.auditors_needed is not None and not 1 <= auditors_needed <= len(auditors):
        raise ConfigurationError(
            f"--auditors-needed: {auditors_needed}; allowed: 1 to {len(auditors)}, as many as --auditor names"
        )
    if auditors and given.topics is None and not given.changes:
        raise ConfigurationError(
            "--auditor: the signatures are in the records of policy.changes; give them with --topics or --changes"
        )
    before = None if given.follows is None else report(given.follows)
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
        auditors=auditors,
        auditors_needed=auditors_needed,
        changes={sha256(raw).hexdigest(): change for file in given.changes for raw, change in changes_in(file)},
        now=time.time_ns() // 1_000_000,
        oldest=None if oldest is None else int(oldest * HOUR_MS),
        tell=_tell,
    )
    try:
        outcome = verify(asked)
    except NoteError as error:
        print(f"checkpoint: is no checkpoint: {printable(str(error))}")
        return 1
    beginning = outcome.beginning
    if before is not None:
        beginning.compare(before, outcome.findings)
    if given.json:
        made = document(outcome) | {"continues": beginning.said, "followed": before is not None}
        print(printable_json(msgspec.json.encode(made).decode()))
    else:
        print("\n".join(printable(line) for line in lines(outcome)))
        if before is not None:
            print(printable(f"Held against the log before it: {before}; findings there: {sum(before.counts.values())}"))
        elif beginning.said is not None:
            print(
                printable(
                    f"It goes on from the log {beginning.named()}: that nothing lies between the two is proven with "
                    "--follows alone"
                )
            )
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


def _auditors(given: list[str]) -> dict[str, str]:
    """Return auditors' public keys by name.

    Raises:
        ConfigurationError: a file cannot be read, a key is none, or a name or a key is given twice.
    """
    from agents.policy_auditors import keys_in
    from alerts.signatures import BadKeyError, public_key

    found: dict[str, str] = {}
    for text in given:
        name, _, key = text.partition("=")
        some = {name: key} if key and not Path(text).is_file() else keys_in(Path(text), "--auditor")
        for name, key in some.items():
            try:
                public_key(key)
            except BadKeyError as error:
                raise ConfigurationError(f"--auditor: {name}={key}: {error}") from None
            if name in found or key in found.values():
                raise ConfigurationError(
                    f"--auditor: {name}: this name or key is given twice; allowed: each auditor once, with a key of "
                    "their own"
                )
            found[name] = key
        if not some:
            raise ConfigurationError(f"--auditor: {text}: names no auditor")
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
