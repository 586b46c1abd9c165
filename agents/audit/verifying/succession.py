"""That a log goes on from the one before it: held against what was verified of that one.

What carries over from one log to the next is small: which tree the old one ended with, and at which offset each
partition stood. Both are in the report of its verification (`audit verify --json`), which the auditor keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.audit.verifying.continuity import positions
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.log_files import read_file
from schemas.entry import Entry
from schemas.errors import ConfigurationError

SAID: Final = "continues"


class _Logged(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    last: int


class Report(msgspec.Struct, frozen=True):
    """Of the report of a verification, what is carried over."""

    origin: str
    size: int
    root: str
    logged: tuple[_Logged, ...]
    counts: dict[str, int]

    def __str__(self) -> str:
        return f"{self.origin}, {self.size:,} entries, root {self.root}"


def report(file: Path) -> Report:
    """Return a report that was kept.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    try:
        return msgspec.json.decode(read_file(file), type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--follows: {file} is no report of `audit verify --json`: {error}") from None


SETTLED_MS: Final = 15 * 60_000
"""How long after its beginning a log that goes on from another one may show what only that one explains: a policy that
was adopted then, which every process reads within minutes; as long as a partition may be without a worker at an end."""


@dataclass(slots=True)
class Beginning:
    """What a log says of its beginning; `take` is handed its entries."""

    said: dict[str, Any] | None = None
    """The log that it goes on from: origin, size, root."""
    at: dict[tuple[str, int], int] = field(default_factory=dict)
    """Where it began with each partition."""
    opened: int = 0
    """When, milliseconds."""
    _parts: int = 1

    def take(self, index: int, entry: Entry) -> None:
        """Take an entry."""
        if index >= self._parts or entry.kind != "opened":
            return
        if index == 0:
            parts, said = entry.about.get("parts"), entry.about.get(SAID)
            self._parts = parts if isinstance(parts, int) else 1
            self.said = said if isinstance(said, dict) else None
            self.opened = entry.at
        self.at.update(positions(entry.about.get("topics")))

    @property
    def continues(self) -> bool:
        """Whether it goes on from another one."""
        return self.said is not None

    def older(self, place: tuple[str, int], offset: int) -> bool:
        """Whether a record of a topic and partition is from before the log, where it goes on from another one."""
        return self.continues and offset < self.at.get(place, 0)

    def near(self, at: int) -> bool:
        """Whether what was stored at a time may rest on what the log before says alone."""
        return self.continues and at <= self.opened + SETTLED_MS

    def named(self) -> str:
        """Return the name of the log that it goes on from; empty where it is the first."""
        return "" if self.said is None else str(self.said.get("origin"))

    def compare(self, before: Report, findings: Findings) -> None:
        """Name what is not as the log before ended."""
        told = {"origin": before.origin, "size": before.size, "root": before.root}
        if self.said is None:
            findings.add("history", f"the log does not say that it goes on from {before}", index=0)
        elif self.said != told:
            there = ", ".join(f"{name} {str(self.said.get(name))[:80]}" for name in told)
            findings.add("history", f"the log goes on from {there}; the report is of {before}", index=0)
        ends = {(each.topic, each.partition): each.last + 1 for each in before.logged}
        for (topic, partition), begin in sorted(self.at.items()):
            end = ends.pop((topic, partition), 0)
            if begin != end:
                lost = f"{end} to {begin - 1} are in neither" if begin > end else f"{begin} to {end - 1} are in both"
                findings.add(
                    "history",
                    f"the log begins at offset {begin}, the one before ended at {end}: offsets {lost}",
                    index=0, topic=topic, partition=partition, offset=min(begin, end),
                )  # fmt: skip
        for (topic, partition), end in sorted(ends.items()):
            findings.add(
                "history",
                f"the log before ended at offset {end}, and this one does not say where it begins",
                index=0, topic=topic, partition=partition, offset=end,
            )  # fmt: skip
