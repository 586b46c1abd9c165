"""A program under measurement: started, watched from outside, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agents.pseudonym_keys import new_keys
from agents.settings import PREFIX, Settings
from demo.broker import free_port

PATIENCE_S: Final = 600.0
"""Until something must have happened. The longest is reading three million directory rows."""

POLL_S: Final = 0.05
"""How often a worker is asked: the error of its times."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used."""

    cpu_s: float
    peak_mib: float


def usage(pid: int) -> Usage:
    """Return what a process used so far: CPU in all its threads, and the most memory it ever had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, int(peak.split()[1]) / 1024)


class Worker:
    """A real `cloverwatch worker`, or another command that serves metrics.

    Args:
        settings: the process's, by environment.
        log: where its output goes.
        command: its arguments.
        port: the setting that names its port of metrics.
        more: further variables.
    """

    def __init__(
        self,
        settings: Settings,
        log: Path,
        command: Sequence[str] = ("worker",),
        port: str = "WEB_PORT",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.log = log
        names = ("broker", "group", "policy", "partitions", "replication_factor", "session_timeout_s", "data_dir")
        told = {PREFIX + name.upper(): str(getattr(settings, name)) for name in names}
        keys = log.parent / "pseudonyms.json"  # of every worker of one measurement: what alerts cost, they cost here
        if not keys.exists():
            new_keys(keys)
        told[f"{PREFIX}PSEUDONYM_KEYS"] = str(keys)
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", f"import sys; from agents.cli import main; sys.exit(main({list(command)}))"],
                env={**os.environ, **told, **(more or {}), f"{PREFIX}{port}": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._popen.pid

    def metrics(self) -> dict[str, float]:
        """Return its metrics by name and labels; none while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def until(
        self, what: str, holds: Callable[[dict[str, float]], bool], poll_s: float = POLL_S
    ) -> tuple[float, dict[str, float]]:
        """Wait until its metrics say so; return when, in seconds on the monotonic clock, and the metrics.

        Raises:
            RuntimeError: it ended, or it takes too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self.metrics()
            now = time.monotonic()
            if found and holds(found):
                return now, found
            if self._popen.poll() is not None or now > deadline:
                tail = self.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the process was to be: {what}; its last lines:\n{tail}")
            time.sleep(poll_s)

    def end(self) -> None:
        """Stop it in order."""
        self._popen.terminate()
        try:
            self._popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def program(module: str, *arguments: str) -> dict[str, Any]:
    """Run one of the baselines; return the JSON object that it prints.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{module} printed no result:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
