"""What a report of transfers is made from: accesses and approvals, of files or of Kafka, each access once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from agents.approvals.offline import approvals_in, standing_by
from agents.cli.reading import NATIVE, known_at, read
from agents.files import Reading, lines, load_directory
from agents.settings import Settings
from agents.text import printable
from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.policy import Policy
from schemas.access import AccessEvent
from schemas.approval import Approval
from schemas.codec import ACCESS
from schemas.errors import BadRecordError, ConfigurationError

REPEATED_WITHIN: Final = 500_000
"""Accesses among which a repetition is noticed, 100 bytes each: logs deliver again within minutes."""


class Once:
    """Hands on each access once: logs deliver again."""

    def __init__(self, take: Callable[[AccessEvent], object]) -> None:
        self._take = take
        self._recent: dict[int, None] = {}
        self.taken = self.again = self.bad = 0

    def record(self, value: bytes | None) -> None:
        """Take a record.

        Raises:
            BadRecordError: it is no access.
        """
        event = ACCESS.decode(value)
        recent = self._recent
        mark = hash((event.event_id, event.occurred_at, event.person, event.dataset_id, event.action))
        if mark in recent:
            self.again += 1
            return
        if len(recent) >= REPEATED_WITHIN:
            del recent[next(iter(recent))]
        recent[mark] = None
        self.taken += 1
        self._take(event)


def check_sources(given: argparse.Namespace) -> None:
    """Refuse files without directories, and the other way round.

    Raises:
        ConfigurationError: names what is missing.
    """
    if given.files and given.directory is None:
        raise ConfigurationError(f"--directory: required with files ({given.files[0]}); without files, Kafka is read")
    if given.directory is not None and not given.files:
        raise ConfigurationError("files: none given; --directory goes with files of events, - reads stdin")
    if given.directory is None:
        for name in ("approvals", "geo_mmdb"):
            if getattr(given, name) is not None:
                raise ConfigurationError(f"--{name.replace('_', '-')}: only with --directory DIR and files")
        if given.source != NATIVE:
            raise ConfigurationError(f"--source: {given.source!r} only with files; access.events holds native records")


def directories(given: argparse.Namespace, settings: Settings) -> tuple[Knowledge, tuple[str, str]]:
    """Return the directories, and what a report says of where they are from.

    Raises:
        ConfigurationError: the folder or a topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    if given.directory is None:
        import asyncio

        from agents.where import topics

        return asyncio.run(topics.directories(settings, tell)), ("directories", f"directory.* at {settings.broker}")
    directory = load_directory(given.directory, known_at(given))
    for file, line, error in directory.bad:
        tell(f"{file}:{line}: {error.reason}: {error.detail}")
    known = "" if given.as_known_at is None else f", as known at {given.as_known_at}"
    return directory.knowledge, ("directories", f"{given.directory}, {directory.digest}{known}")


def accesses(
    given: argparse.Namespace,
    settings: Settings,
    policy: Policy,
    span: tuple[int, int],
    take: Callable[[AccessEvent], object],
) -> tuple[tuple[str, str], list[str]]:
    """Hand every access to `take`, also those outside the range `span`.

    Returns what a report says of where they are from, and what it must add.

    Raises:
        ConfigurationError: a file or a topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    once = Once(take)
    notes = []
    if given.files:
        reading = Reading(tell)
        for name in given.files:
            for number, value in _records(name, given.source, policy, reading):
                try:
                    once.record(value)
                except BadRecordError as error:
                    reading.refuse(name, number, error)
        once.bad = sum(reading.bad.values())
        where = ", ".join(given.files)
    else:
        notes += _from_kafka(settings, policy, span, once)
        where = f"access.events at {settings.broker}"
    if once.bad:
        notes.append(f"{once.bad:,} records could not be read; they are in no count.")
    again = f", {once.again:,} delivered again and counted once" if once.again else ""
    return ("accesses", f"{once.taken:,} read from {where}{again}"), notes


def _records(name: str, source: str, policy: Policy, reading: Reading) -> Iterator[tuple[int, bytes | None]]:
    """Yield the records of a file with their lines; when a native one was received is not asked here."""
    if source == NATIVE:
        yield from ((number, line) for number, line in enumerate(lines(name), 1) if line.strip())
        return
    yield from ((line.offset, line.value) for line in read(name, source, policy.sources, reading))


def _from_kafka(settings: Settings, policy: Policy, span: tuple[int, int], once: Once) -> list[str]:
    import asyncio

    from agents.where import topics

    def record(given: Any) -> None:
        try:
            once.record(given.value)
        except BadRecordError:
            once.bad += 1  # the worker put it away, with the reason (`cloverwatch dead-letters`)

    # An access is appended after it happened, by as much as the policy still takes for on time, or before it by as
    # much as a clock may be wrong.
    begin, end = max(0, span[0] - policy.clock_ahead), span[1] + policy.late
    log = asyncio.run(topics.accesses(settings, begin, end, record))
    if not log.cut:
        return []
    return ["access.events no longer reaches back to the first day: what was deleted by then is in no count."]


def approvals(
    given: argparse.Namespace, settings: Settings, content: bytes, joiner: Joiner
) -> tuple[list[Approval], list[str]]:
    """Return the approvals that count, verified as a worker verifies them, and what a report must add.

    Args:
        given: what was asked.
        settings: the brokers'.
        content: the policy's bytes: its people.
        joiner: over the directories, under that policy.

    Raises:
        ConfigurationError: a file or the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    if given.directory is None:
        import asyncio

        from agents.where import topics

        standing = standing_by(content, joiner)
        bad = asyncio.run(topics.approvals(settings, standing))
        found = list(standing.approvals.values())
    elif given.approvals is None:
        return [], ["No approvals were read: --approvals FILE names them."]
    else:
        found, lines_bad = approvals_in(given.approvals, content, joiner)
        bad = [(f"{given.approvals}:{number}", error) for number, error in lines_bad]
    for where, error in bad:
        tell(printable(f"{where}: does not count: {error.detail}"))
    notes = []
    if joiner.policy.gateway is None:
        notes.append("The policy has no [gateway]: no approval counts.")
    if bad:
        notes.append(
            f"{len(bad):,} records of approvals do not count under this policy (its people, its terms); they are in no "
            "number. Which, and why, is said beside the report."
        )
    return found, notes


def tell(line: str) -> None:
    """Say something beside the report."""
    print(line, file=sys.stderr)
