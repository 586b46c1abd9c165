"""Prove that one entry is in a log, in a file for whoever has the log's key; or check such a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from agents.settings import Settings
from agents.text import printable
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.audit.tlog import LogReader
    from agents.audit.tlog.notes import VKey

NAME = "prove"
EXAMPLES = """\
examples:
  cloverwatch audit prove LOG --key KEY --index 487 --to entry.tlog-proof
  cloverwatch audit prove LOG --key KEY --alert 6b28…  --to alert.tlog-proof     its newest revision
  cloverwatch audit prove --check alert.tlog-proof --key KEY

LOG is a folder, or the address of a log that is served. The file (C2SP tlog-proof) holds the checkpoint, the hashes
from the entry to its root and, as `extra`, the entry itself: nothing else is needed to check it

exit codes: 0 written, or it holds; 1 the log's files do not give it, or it does not hold; 2 usage
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("log", nargs="?", metavar="LOG", help="folder of the log, or where it is served")
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="public key of the log, or a file"
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--index", type=int, metavar="N", help="the entry's number, as `audit verify` prints it")
    which.add_argument("--alert", metavar="ID", help="the newest entry about this alert")
    which.add_argument("--check", type=Path, metavar="FILE", help="a file to be checked; no LOG is read")
    parser.add_argument("--to", type=Path, metavar="FILE", help="where the proof is written")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Write a proof, or check one."""
    from agents.audit.tlog import BadLogError, BadNoteError, BadProofError, vkey
    from agents.cli.audit_parts.verify import vkeys

    if (given.check is None) is (given.log is None) or (given.check is None) is (given.to is None):
        raise ConfigurationError("allowed: LOG with --index or --alert and --to, or --check alone")
    try:
        keys = [vkey(text, "--key") for text in vkeys(given.key)]
    except BadNoteError as error:
        raise ConfigurationError(str(error)) from None
    try:
        return _check(given.check, keys) if given.check is not None else _write(given, keys)
    except (BadNoteError, BadLogError, BadProofError) as error:
        print(printable(f"it does not hold: {error}"))
        return 1


def _write(given: argparse.Namespace, keys: list[VKey]) -> int:
    from agents.audit.tlog import LogReader

    reader = LogReader(given.log if "://" in given.log else Path(given.log))
    signed = reader.checkpoint(keys)
    index = _of(reader, given.alert) if given.index is None else given.index
    if not 0 <= index < signed.size:
        raise ConfigurationError(f"--index: {index}; the log has {signed.size} entries, the first is 0")
    (entry,) = reader.entries(index, index + 1)
    given.to.write_bytes(bytes(reader.prove(index, entry)))
    print(f"{given.to}: entry {index} of {signed.size} of {printable(signed.origin)}")
    return 0


def _of(reader: LogReader, alert_id: str) -> int:
    """Return the number of the newest entry about an alert.

    Raises:
        ConfigurationError: there is none.
    """
    from schemas.entry import decode

    found = None
    for index, raw in enumerate(reader.entries()):
        if alert_id.encode() in raw:  # most entries are about others, and decoding costs more
            entry = decode.decode(raw)
            if entry.kind == "alert" and entry.about.get("alert_id") == alert_id:
                found = index
    if found is None:
        raise ConfigurationError(f"--alert: no entry of the log is about {alert_id!r}")
    return found


def _check(path: Path, keys: list[VKey]) -> int:
    from agents.audit.tlog import BadProofError, leaf_hash
    from agents.audit.tlog.proof import PROOF_FILE_MAX, parse

    try:
        with path.open("rb") as file:
            raw = file.read(PROOF_FILE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"--check: {path} cannot be read: {error.strerror}") from None
    proof = parse(raw, str(path))
    if proof.extra is None:
        raise BadProofError(str(path), "it does not hold the entry that it is about")
    signed = proof.verify(leaf_hash(proof.extra), keys)
    print(f"entry {proof.index} of {signed.size} of {printable(signed.origin)}, root {signed.root.hex()}")
    print(printable(proof.extra.decode("utf-8", "replace")))
    return 0
