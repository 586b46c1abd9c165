"""Receivers of our own as processes: what they took is on disk before they say so, and they can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from demo.broker import end, wait_for_port

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60.0
"""Seconds until it listens. One is usual; the import of a busy machine takes longer."""
STOP_TIMEOUT = 10.0


class Journal:
    """JSON lines that are on disk when `add` returns; a torn last line is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = list(self.read())
        path.write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in whole))
        self._file = path.open("ab", buffering=0)

    def add(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        os.fsync(self._file.fileno())

    def read(self) -> Iterator[dict[str, Any]]:
        return read_journal(self.path)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """What a journal holds, without what a kill tore."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)


def listen(app: web.Application, port: int) -> None:
    """Serve until killed."""
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, access_log=None, handle_signals=True)


class Served:
    """A process that serves on one port, started again on what it kept."""

    def __init__(self, port: int, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def python(module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", module, *arguments]

    def start(self) -> None:
        assert self._process is None, "it is running"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **self._environment}
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def kill(self) -> None:
        assert self._process is not None, "it is not running"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, STOP_TIMEOUT)
            self._process = None
