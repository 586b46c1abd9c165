"""Serve a log to an auditor: its checkpoint, tiles and entries over HTTP, read-only."""

import argparse
import asyncio
import signal
from pathlib import Path

from agents.settings import Settings
from schemas.errors import ConfigurationError

NAME = "serve"
EXAMPLES = """\
examples:
  cloverwatch audit serve LOG                                 on 127.0.0.1:8930
  cloverwatch audit serve LOG --host 0.0.0.0 --port 80        to other machines, behind what does TLS

answers GET and HEAD of /checkpoint, /checkpoint.witnessed, /tile/LEVEL/NUMBER, /tile/entries/NUMBER (C2SP
tlog-tiles), and of nothing else. A log holds hashes and no personal data. Who asks too often is answered 429, and 503
where there is no room: settings `audit_serve_*` say how much. It ends with Ctrl-C or SIGTERM

exit codes: 0 ended, 2 usage
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("log", type=Path, metavar="LOG", help="folder of the log")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where it listens; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=8930, metavar="PORT", help="0 takes a free one; default: 8930")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to end."""
    if not (given.log / "checkpoint").is_file():
        raise ConfigurationError(f"{given.log}: no log; it holds `checkpoint` and `tile/`")
    return asyncio.run(_serve(given, settings))


async def _serve(given: argparse.Namespace, settings: Settings) -> int:
    from agents.audit.serving import Serving
    from agents.web import listening

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    listener = listening(given.host, given.port, "--port")
    serving = Serving(given.log, settings)
    await serving.start(listener)
    host = f"[{given.host}]" if ":" in given.host else given.host
    print(f"http://{host}:{listener.getsockname()[1]}/", flush=True)
    try:
        await ended.wait()
    finally:
        await serving.stop()
    return 0
