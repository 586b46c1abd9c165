"""The demo's processes: our own commands, with the demo's settings."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agents.settings import Settings

STOP_WITHIN_S: Final = 15.0
"""Within which a process ends after being told: what is under way is stored first."""

SAID_WITHIN_S: Final = 60.0
"""Within which a command that only says something has ended."""


@contextmanager
def running(command: str, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ours with these settings, its log in `data_dir`; end it."""
    with log_of(command, settings).open("wb") as out:
        process = subprocess.Popen(
            _ours(command.split()),
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


def said(arguments: list[str], settings: Settings) -> tuple[int, str]:
    """Run a command of ours to its end; return its exit code and what it printed, errors too."""
    done = subprocess.run(
        _ours(arguments),
        env={**os.environ, **environment(settings)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SAID_WITHIN_S,
        check=False,
    )
    return done.returncode, done.stdout


def log_of(command: str, settings: Settings) -> Path:
    """Return the file that has what a running command prints."""
    return settings.data_dir / f"{command.replace(' ', '-')}.log"


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a process of ours has these settings."""
    found = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is not None and value != field.default:
            found[f"CLOVERWATCH_{field.name.upper()}"] = str(value)
    return found


def _ours(arguments: list[str]) -> list[str]:
    return [sys.executable, "-c", "import sys; from agents.cli import main; sys.exit(main(sys.argv[1:]))", *arguments]
