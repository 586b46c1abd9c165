"""Cosign somebody else's log, as long as each of its checkpoints extends the one before."""

import argparse
import asyncio
import time
from pathlib import Path

from agents.audit.note_keys import note_signer
from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.notes import COSIGNATURE, VKey, vkey
from agents.audit.tlog.store import Folder
from agents.audit.tlog.witness import Witness
from agents.audit.witness_server import serve
from agents.settings import Settings
from agents.web import listening
from schemas.errors import ConfigurationError

NAME = "witness"
PORT = 8094
EXAMPLES = """\
examples:
  cloverwatch audit witness --key witness.key --state /var/lib/witness --log 'audit.example.com/cloverwatch+…'
  cloverwatch audit witness --key witness.key --state S --log ORIGIN=VKEY --log ORIGIN=NEWER-VKEY

answers POST /add-checkpoint (C2SP tlog-witness). Run it where the log's operator has no say. What it keeps, the newest
checkpoint that it cosigned for each log, is what makes it a witness: a key whose state is lost is used no more.
What is too much is answered 413, 429 or 503: settings `audit_witness_*` say how much

exit codes: 0 ended by a signal, 2 usage or configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="its private key (`audit keys new`)")
    parser.add_argument("--state", type=Path, required=True, metavar="FOLDER", help="what it cosigned; kept for ever")
    parser.add_argument(
        "--log", action="append", required=True, metavar="VKEY", dest="logs", help="a log: VKEY or ORIGIN=VKEY; again"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on (default: {PORT})")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Answer until a signal comes."""
    if not 0 <= given.port <= 65_535:
        raise ConfigurationError(f"--port: {given.port}; allowed: 0 to 65535")
    signer = note_signer(given.key, COSIGNATURE)
    logs = logs_of(given.logs)
    if len(logs) > settings.audit_witness_logs:
        raise ConfigurationError(
            f"--log: {len(logs)} logs; allowed: {settings.audit_witness_logs} (CLOVERWATCH_AUDIT_WITNESS_LOGS)"
        )
    state = Folder(given.state)
    try:
        state.lock()
    except OSError as error:
        raise ConfigurationError(f"--state: {given.state} cannot be written: {error.strerror}") from None
    try:
        witness = Witness(signer, logs, state, time.time)
        for origin in logs:
            newest = witness.newest(origin)
            print(f"{origin}: {'nothing cosigned yet' if newest is None else f'cosigned {newest.size} entries'}")
        listener = listening(given.host, given.port, "--port")
        host, port = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        asyncio.run(
            serve(
                witness,
                settings,
                listener,
                lambda said: print(said, flush=True),
                lambda: print(f"{signer.public} listens on {address}", flush=True),
            )
        )
    except BadNoteError as error:
        raise ConfigurationError(f"--state: {error}") from None
    finally:
        state.unlock()
    return 0


def logs_of(given: list[str]) -> dict[str, list[VKey]]:
    """Return the keys by origin.

    Raises:
        ConfigurationError: one is no public key.
    """
    logs: dict[str, list[VKey]] = {}
    for each in given:
        # A name has no plus, base64 may end with an equals sign: the origin ends at the last one before the key.
        head, plus, rest = each.partition("+")
        origin, equals, name = head.rpartition("=")
        try:
            key = vkey(f"{name}{plus}{rest}", "--log")
        except BadNoteError as error:
            raise ConfigurationError(str(error)) from None
        logs.setdefault(origin if equals else key.name, []).append(key)
    return logs
