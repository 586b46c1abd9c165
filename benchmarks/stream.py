"""What is measured on: the demo's month, with its real share of repeated habits, as messages ready to send."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agents.cli.send import Outgoing
from agents.publisher import partition_of
from demo.accesses import Planned
from demo.files import month
from demo.organisation import DAY, MONTH_DAYS
from rules.catalogue import RULE_IDS
from schemas.codec import DIRECTORY, row_key

SEED: Final = 7
PARTITIONS: Final = 4
POLICY: Final = Path("demo/policy.toml")
ONE_RULE: Final = "place.third_country"

BEHAVIOUR_TABLE: Final = re.compile(r"^\[behaviour\]\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Load:
    """Messages by topic, in the order in which they are sent."""

    rows: list[tuple[str, Outgoing]]
    events: list[Outgoing]

    @property
    def event_bytes(self) -> float:
        """Mean size of an event."""
        return sum(len(event.value) for event in self.events) / len(self.events)


def load(events: int) -> Load:
    """Return the demo's organisation and so many of its accesses."""
    start = int(time.time() * 1000) // DAY * DAY - (MONTH_DAYS + 1) * DAY
    org, stream = month(SEED, start, events)
    given = [(topic, row) for topic, rows in org.rows.items() for row in rows]
    given += [pair for planned in stream for pair in planned.rows_after]
    return Load([row_message(topic, row) for topic, row in given], [event_message(planned) for planned in stream])


def row_message(topic: str, row: dict[str, Any]) -> tuple[str, Outgoing]:
    """Return a directory row as a message."""
    row = {"recorded_at": row["valid_from"], **row}
    value = json.dumps(row, separators=(",", ":")).encode()
    return topic, Outgoing(row_key(DIRECTORY[topic].decode(value)), value, None)


def event_message(planned: Planned) -> Outgoing:
    """Return an access as a message."""
    return outgoing(planned.event)


def outgoing(event: dict[str, Any]) -> Outgoing:
    """Return an access as a message in its person's partition."""
    person = str(event.get("employee_id") or event["principal_id"])
    value = json.dumps(event, separators=(",", ":")).encode()
    return Outgoing(person.encode(), value, partition_of(person, PARTITIONS))


def one_rule(folder: Path) -> Path:
    """Write the demo's policy with one rule left on; return its path."""
    off = "".join(f'\n[rules."{rule}"]\nenabled = false\n' for rule in sorted(RULE_IDS) if rule != ONE_RULE)
    path = folder / "one-rule.toml"
    path.write_text(POLICY.read_text(encoding="utf-8") + off, encoding="utf-8")
    return path


def without_behaviour(folder: Path) -> Path:
    """Write the demo's policy without its `[behaviour]`; return its path."""
    path = folder / "without-behaviour.toml"
    path.write_text(BEHAVIOUR_TABLE.sub("", POLICY.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def crowd(employees: int, active: int, events: int) -> Load:
    """Return a directory of so many employees, of whom `active` do everything: the same accesses whatever its size."""
    start = int(time.time() * 1000) // DAY * DAY - DAY
    rows: list[tuple[str, Outgoing]] = []
    base = {"valid_from": start - 400 * DAY}
    dataset = {"dataset_id": "d-1", "subject_region": "EEA", "sensitivity": "restricted", "site": "dub-1"}
    rows.append(row_message("directory.datasets", {**base, **dataset, "site_country": "IE"}))
    for number in range(employees):
        person = {**base, "employee_id": f"e-{number:07d}"}
        rows.append(row_message("directory.employees", {**person, "status": "active", "employer": "clover-ie"}))
        rows.append(row_message("directory.locations", {**person, "country": "IE", "evidence": "contract"}))
        rows.append(row_message("directory.roles", {**person, "role": "support-agent"}))
    accesses = [
        outgoing(
            {
                "event_id": f"ev-{number}",
                "occurred_at": start + number,
                "employee_id": f"e-{number * 7919 % active:07d}",
                "dataset_id": "d-1",
                "action": ("read", "list", "query")[number // active % 3],
                "purpose": "support",
                "ticket": f"T-{number}",
                "source_ip": "10.16.0.9",
            }
        )
        for number in range(events)
    ]
    return Load(rows, accesses)
