"""The demo's processes: our own commands, with the demo's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from agents.settings import Settings

STOP_WITHIN_S: Final = 15.0
"""Within which a process ends after being told: what is under way is stored first."""


@contextmanager
def running(command: str, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ours with these settings, its log in `data_dir`; end it."""
    with (settings.data_dir / f"{command}.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; from agents.cli import main; sys.exit(main(['{command}']))"],
            env={**os.environ, **environment(settings)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a worker has these settings."""
    names = ("broker", "policy", "partitions", "replication_factor", "web_port", "deliver_port", "session_timeout_s")
    given = {name: getattr(settings, name) for name in (*names, "data_dir", "identities", "pseudonym_keys")}
    return {f"CLOVERWATCH_{name.upper()}": str(value) for name, value in given.items() if value is not None}
