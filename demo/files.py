"""The organisation and its month as files, for `replay` and for a look at what the demo sends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from demo.accesses import Planned, Writer
from demo.conduct import conducted
from demo.housing import house
from demo.incidents import planted
from demo.life import ordinary
from demo.organisation import EMPLOYEES, Organisation, build, settle

EVENTS: Final = 180_000
"""Ordinary accesses of the month: some 90 a head. With the weeks that those who play a part live through it is 200,000,
a quarter of a minute to stream."""


def month(
    seed: int, start: int, events: int = EVENTS, employees: int = EMPLOYEES, *, conduct: bool = True
) -> tuple[Organisation, list[Planned]]:
    """Return the organisation with all its rows, and its month of accesses in the order of their time.

    `conduct`: with what people do over hours and weeks too; then it begins with some people's weeks before the month.
    """
    org = build(seed, start, employees)
    writer = Writer(seed)
    parts = list(planted(org, writer))
    if conduct:
        parts += conducted(org, writer)
    settle(org)
    house(org, seed)
    stream = parts + list(ordinary(org, writer, events))
    stream.sort(key=lambda planned: planned.at)
    return org, stream


def write(folder: Path, org: Organisation, stream: Iterable[Planned]) -> None:
    """Write `directory/*.jsonl` (late rows too), `events.jsonl` and `labels.jsonl`."""
    directory = folder / "directory"
    directory.mkdir(parents=True, exist_ok=True)
    stream = list(stream)
    rows = {topic: list(given) for topic, given in org.rows.items()}
    for planned in stream:
        for topic, row in planned.rows_after:
            rows.setdefault(topic, []).append(row)
    for topic, given in rows.items():
        _lines(directory / f"{topic.rsplit('.', 1)[1]}.jsonl", given)
    _lines(folder / "events.jsonl", (planned.event for planned in stream))
    labels = (
        {
            "event_id": planned.event["event_id"],
            "dataset_id": planned.event["dataset_id"],
            "kind": planned.label.kind,
            "incident": planned.label.incident,
            "sentence": planned.label.sentence,
            **({"case": planned.label.case} if planned.label.case else {}),
        }
        for planned in stream
        if planned.label is not None
    )
    _lines(folder / "labels.jsonl", labels)


def _lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
