"""Which processes of the monitor ran, from when to when: starts, stops, crashes, and times without any of a kind.

Every run has a random id of its own, so that two of a kind side by side are told from one that was started again. A run
that says neither that it goes on nor that it stopped, while the log goes on, has crashed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, get_args

from schemas.coverage import ALIVE_EVERY_S, Coverage, Process, ProcessKind

SILENT_MS: Final = 3 * int(1000 * ALIVE_EVERY_S)
"""A run that was not heard of for so long before the log's end no longer ran: two of its words may be late, or lost."""

KINDS: Final[tuple[ProcessKind, ...]] = get_args(ProcessKind)


@dataclass(slots=True)
class Run:
    """One process, from its start to its end."""

    kind: ProcessKind
    process: str
    since: int
    until: int
    """When it was heard of first and last, milliseconds."""
    started: bool = False
    stopped: bool = False
    speaks: bool = False
    """Whether it says itself that it runs; workers of versions before that are known by what they judged alone."""
    version: str = ""
    policies: list[str] = field(default_factory=list)
    """The hashes of the policy files by which it went, in their order."""
    program: str = ""
    """The hash of the program's files, as it says itself."""


class Processes:
    """Follows what processes say of themselves, and which workers judged."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self._end = 0

    def take(self, record: Coverage, at: int) -> None:
        """Take a record, stored at a time."""
        if isinstance(record, Process):
            process, kind = record.process, record.kind
        else:
            process, kind = record.worker, "match" if getattr(record, "by", "judge") == "match" else "worker"
        at = min(record.at, at)  # nobody says when something is stored before it is
        run = self.runs.get(process)
        if run is None:
            run = self.runs[process] = Run(kind, process, at, at)
        run.since, run.until = min(run.since, at), max(run.until, at)
        if isinstance(record, Process):
            run.speaks = True
            run.started |= record.step == "started"
            run.stopped |= record.step == "stopped"
            run.version, run.program = record.version, record.program
            if record.policy and record.policy not in run.policies[-1:]:
                run.policies.append(record.policy)

    def end(self, until: int) -> None:
        """Take note of the time of the log's last entry."""
        self._end = until

    def of(self, kind: ProcessKind) -> list[Run]:
        """Return the runs of a kind, by their beginning."""
        return sorted((run for run in self.runs.values() if run.kind == kind), key=lambda run: run.since)

    def programs(self) -> dict[str, tuple[str, int, int]]:
        """Return by the hash of a program its version, and when a process first and last ran it, by the first."""
        found: dict[str, tuple[str, int, int]] = {}
        for run in sorted(self.runs.values(), key=lambda run: run.since):
            if run.program:
                _, since, until = found.get(run.program, ("", run.since, run.until))
                found[run.program] = run.version, since, max(until, run.until)
        return found

    def crashed(self, run: Run) -> bool:
        """Whether it started, and neither stopped nor still runs."""
        return run.speaks and not run.stopped and run.until + SILENT_MS < self._end

    def without(self, kind: ProcessKind) -> Iterator[tuple[int, int]]:
        """Yield the times in which none of a kind ran, from the first that says that it runs; [from, to]."""
        reached, known = 0, False
        for run in self.of(kind):
            if known and run.since > reached:
                yield reached, run.since
            known |= run.speaks
            reached = max(reached, run.until)
        if known and reached + SILENT_MS < self._end:
            yield reached, self._end
