"""The demo's auditor: checks the log from its files and a public key, then a copy in which a digit was changed."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agents.settings import Settings
from demo.processes import said
from demo.watching import metrics_of

CAUGHT_UP_WITHIN_S: Final = 60.0
"""The log reads the whole month's alerts, receipts and coverage in seconds; a busy machine may need more."""

QUIET_LOOKS: Final = 26
"""Looks in a row at which nothing is missing from the log and it has not grown: 13 s, since a worker that judges
behaviour says every ten what it judged."""

LOOK_EVERY_S: Final = 0.5

SHOWN: Final = (
    "checkpoint  ",
    "entries  ",
    "Held against",
    "access.events",
    "gateway.dec",
    "receipts of",
    "decisions  ",
    "No findings",
)
"""Beginnings of the report's lines that the demo prints; the whole report is the command's."""


async def audited(settings: Settings, vkey: str, say: Callable[[str], None]) -> bool:
    """Verify the log, and a copy that was tampered with; return whether the one holds and the other does not."""
    assert settings.audit_log is not None  # noqa: S101  # the demo's
    await _caught_up(settings)
    copied = settings.data_dir / "audited"
    shutil.copytree(settings.audit_log, copied)
    say("── the auditor, with the log's files and its public key: `cloverwatch audit verify`")
    code, report = said(["audit", "verify", str(copied), "--key", vkey], settings)
    for line in map(str.strip, report.splitlines()):
        if line.startswith(SHOWN) and "starts" not in line:
            say(f"  {line[:150]}")
    if code:
        say(f"  the log does not hold:\n{report[-3000:]}")
        return False
    where = _tamper(copied)
    found, report = said(["audit", "verify", str(copied), "--key", vkey], settings)
    first = next((line for line in report[report.find("Findings") :].splitlines()[2:]), "nothing was found")
    say(f"  one digit changed in {where}: exit {found}, {first.strip()[:200]}")
    return found == 1


async def _caught_up(settings: Settings) -> None:
    deadline = time.monotonic() + CAUGHT_UP_WITHIN_S
    quiet, size = 0, -1.0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        metrics = await metrics_of(settings.audit_port)
        lag = metrics.get("cloverwatch_audit_lag_records", 1.0)
        entries = metrics.get("cloverwatch_audit_log_entries", 0.0)
        quiet = quiet + 1 if lag == 0 and entries == size else 0
        size = entries
        await asyncio.sleep(LOOK_EVERY_S)


def _tamper(folder: Path) -> str:
    """Change one digit of the hash of the first alert in the log; return the file."""
    bundles = [path for path in (folder / "tile" / "entries").rglob("*") if path.is_file()]
    for path in sorted(bundles, key=_newest):
        content = bytearray(path.read_bytes())
        at = content.find(b'"kind":"alert"')
        at = content.find(b'"sha256":"', at) if at >= 0 else -1
        if at >= 0:
            at += len(b'"sha256":"')
            content[at] = ord("0") if content[at] != ord("0") else ord("1")
            path.chmod(0o644)
            path.write_bytes(content)
            return str(path.relative_to(folder))
    return "nothing"


def _newest(path: Path) -> tuple[int, str, int]:
    """Full bundles in order, then of the partial one its longest: shorter ones are of earlier checkpoints."""
    partial = path.parent.suffix == ".p"
    return partial, "" if partial else str(path), -int(path.name) if partial else 0
