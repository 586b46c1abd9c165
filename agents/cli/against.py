"""What `replay --against` does: the same events under two policies, and which alerts differ."""

import argparse
import io
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.cli.reading import batches, known_at
from agents.comparing import Comparison, Pair, Run, Told, compare
from agents.files import STDIN, Directory, Reading, load_directory
from agents.offline import published_ids, resume, session_of
from agents.settings import Settings
from agents.state_file import load_state
from agents.text import printable
from schemas.errors import ConfigurationError
from schemas.fields import plain

ROWS_MOST: Final = 200
"""Alerts that the table shows: more are read by a program, and `--json` has them all."""

WIDTH_WITHOUT_TERMINAL: Final = 1_000
"""Columns where no terminal says how many there are: no cell is ever wrapped, so that lines can be searched."""


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Judge under both policies and show the difference; 3 where there is one and `--fail-on-change` is given.

    Raises:
        ConfigurationError: what is asked for does not go together, or cannot be read.
    """
    for name in ("fail_on", "shadow", "no_memo"):
        if getattr(given, name):
            raise ConfigurationError(
                f"--{name.replace('_', '-')}: not with --against; allowed: --json --fail-on-change"
            )
    if STDIN in given.files:
        raise ConfigurationError("-: --against reads the events twice; allowed: files")
    began = time.perf_counter()
    reading = Reading(_tell)
    directory = load_directory(given.directory, known_at(given))
    for file, line, error in directory.bad:
        _tell(f"{file}:{line}: {error.reason}: {error.detail}")
    before, version, judged = _judged(given.policy, directory, given, settings, reading)
    wrong = bool(directory.bad or reading.bad)
    # People's habits and the judge's memory hang on the directories, so they are read again; what is wrong with lines
    # and rows was told the first time.
    directory = load_directory(given.directory, known_at(given))
    after, other, _ = _judged(given.against, directory, given, settings, Reading())
    found = compare(before, after)
    spent = time.perf_counter() - began
    _tell(f"{judged} accesses judged twice in {spent:.2f} s: {len(before.told)} and {len(after.told)} alerts")
    sides = {"before": _side(given.policy, version, before), "after": _side(given.against, other, after)}
    if given.json:
        print(json.dumps({**sides, "judged": judged, **as_json(found)}, indent=2, ensure_ascii=False))
    else:
        for side, words in sides.items():
            _tell(f"  {side:<16} {words['policy']} ({words['file']})")
        sys.stdout.write("".join(f"{line}\n" for line in readable(found)))
    if given.fail_on_change and found.differs:
        return 3
    return 1 if given.strict and wrong else 0


def _judged(
    policy: Path, directory: Directory, given: argparse.Namespace, settings: Settings, reading: Reading
) -> tuple[Run, str, int]:
    """Return the alerts under a policy, its version, and how many accesses were judged."""
    session = session_of(policy, directory, settings, geo_mmdb=given.geo_mmdb, approvals=given.approvals)
    if given.state is not None:
        state = load_state(given.state)
        resume(session, state, given.state)
        reading.now = state.now
    found, ids = Run(session.policy.cool_down), published_ids(settings)
    judged = 0
    for batch in batches(given, session.policy.sources, reading):
        haul = session.take(batch, max(line.timestamp for line in batch))
        judged += haul.judged
        found.add(map(ids, haul.alerts))
        for message, error in haul.bad:
            reading.refuse(message.topic, message.offset, error)
    return found, session.policy.version, judged


def _side(policy: Path, version: str, run: Run) -> dict[str, Any]:
    return {"policy": version, "file": str(policy), "alerts": len(run.told)}


def as_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values; times are milliseconds, as in alerts."""
    return {
        "appear": msgspec.to_builtins(found.appear),
        "vanish": msgspec.to_builtins(found.vanish),
        "changed": [_pair(pair) for pair in found.changed],
        "moved": [_pair(pair) for pair in found.moved],
        "same": len(found.same),
        "rules": msgspec.to_builtins(found.by_rule()),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {"changes": pair.changes, **msgspec.to_builtins(pair)}


def readable(found: Comparison) -> list[str]:
    """Return the alerts that differ and the counts by rule, as lines of tables."""
    rows = [
        *(("appears", _one(told)) for told in found.appear),
        *(("vanishes", _one(told)) for told in found.vanish),
        *(("changes", _both(pair)) for pair in found.changed),
        *(("moves", _both(pair)) for pair in found.moved),
    ]
    said = []
    if rows:
        shown = [(word, *cells) for word, cells in rows[:ROWS_MOST]]
        said += _table(("alert", "severity", "rules", "revisions", "about", "since", "id"), shown)
        if len(rows) > ROWS_MOST:
            said.append(f"… and {len(rows) - ROWS_MOST} more: --json has them all")
        said.append("")
    counts = [
        (rule, *map(str, (each.before, each.after, each.appear, each.vanish, each.changed)))
        for rule, each in found.by_rule().items()
    ]
    said += _table(("rule", "before", "after", "appear", "vanish", "changed"), counts, numbers_from=1) if counts else []
    said.append(
        f"{len(found.appear)} appear, {len(found.vanish)} vanish, {len(found.changed)} change, "
        f"{len(found.moved)} move, {len(found.same)} stay as they are"
    )
    return said


def _one(told: Told) -> tuple[str, ...]:
    rules = ", ".join(told.rules)
    return told.severity, rules, str(told.revisions), told.about or "-", plain(told.since), told.alert_id


def _both(pair: Pair) -> tuple[str, ...]:
    before, after, changes = pair.before, pair.after, pair.changes
    rules = changes.get("rules", {"more": [], "less": []})
    both = sorted({*before.rules} & {*after.rules})
    words = [*both, *(f"+{rule}" for rule in rules["more"]), *(f"-{rule}" for rule in rules["less"])]
    return (
        _arrow(before.severity, after.severity),
        ", ".join(words),
        _arrow(str(before.revisions), str(after.revisions)),
        after.about or "-",
        _arrow(plain(before.since), plain(after.since)),
        after.alert_id,
    )


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]], numbers_from: int | None = None) -> list[str]:
    """Return a table as lines: with borders on a terminal, else plain columns that never wrap."""
    terminal = Console().is_terminal
    table = Table(box=ROUNDED if terminal else None, pad_edge=terminal)
    for number, head in enumerate(heads):
        right = numbers_from is not None and number >= numbers_from
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    into = io.StringIO()
    width = Console().width if terminal else WIDTH_WITHOUT_TERMINAL
    Console(file=into, width=width, force_terminal=terminal, no_color=not terminal).print(table)
    return [line.rstrip() for line in into.getvalue().splitlines()]


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
