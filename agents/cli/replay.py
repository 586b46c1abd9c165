"""Judge events from files without a broker: the same verdicts as the stream."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agents.files import Line, Reading, event_lines, load_directory, translated_lines
from agents.settings import Settings
from schemas.alert import SEVERITIES
from schemas.codec import encode
from schemas.errors import ConfigurationError

NAME = "replay"
EXAMPLES = """\
examples:
  cloverwatch replay --policy policy.toml --directory people/ events.jsonl.gz > alerts.jsonl
  cloverwatch replay --policy policy.toml --directory people/ --source cloudtrail trail/*.json.gz
  cloverwatch replay --policy new.toml --directory people/ --fail-on high events.jsonl

alerts go to standard output in the order of the events, one JSON object a line; the summary to standard error
"""

BATCH = 2_000
"""Lines judged at once: what a worker's batch holds."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    common(parser)
    parser.add_argument("--no-memo", action="store_true", help="judge every event in full (the same verdicts, slower)")
    parser.add_argument("--fail-on", choices=SEVERITIES, metavar="SEVERITY", help="exit 3 at such an alert or worse")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a line or a row cannot be used")
    parser.add_argument("files", nargs="+", metavar="FILE", help="events, JSON lines, plain or gzip; - reads stdin")


def common(parser: argparse.ArgumentParser) -> None:
    """Declare what `replay` and `explain` share."""
    parser.add_argument("--policy", type=Path, required=True, help="policy file (TOML)")
    parser.add_argument("--directory", type=Path, required=True, metavar="DIR", help="folder with employees.jsonl …")
    parser.add_argument("--source", default="native", choices=("native", "cloudtrail", "ocsf"), help="whose records")
    parser.add_argument("--as-known-at", metavar="T", help="leave out what was recorded later (RFC 3339)")
    parser.add_argument("--geo-mmdb", type=Path, metavar="FILE", help="table of addresses in MaxMind's format")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Judge, print, sum up."""
    from agents.offline import session_of

    known_at = None if given.as_known_at is None else moment(given.as_known_at)
    directory = load_directory(given.directory, known_at)
    session = session_of(given.policy, directory, settings, geo_mmdb=given.geo_mmdb, memo=not given.no_memo)
    reading = Reading()
    alerts: Counter[tuple[str, str]] = Counter()
    worst, judged, duplicates, late, ahead = -1, 0, 0, 0, 0
    exempted: Counter[tuple[str, str]] = Counter()
    started = time.perf_counter()
    for name in given.files:
        path = None if name == "-" else Path(name)
        found = read(path, given.source, session.policy.sources, reading)
        while batch := list(islice(found, BATCH)):
            clock = max(line.timestamp for line in batch)
            haul = session.take(batch, clock)
            judged, duplicates = judged + haul.judged, duplicates + haul.duplicates
            late, ahead = late + haul.late, ahead + haul.ahead
            exempted.update(haul.exempted)
            reading.bad += [(line.topic, line.offset, error) for line, error in haul.bad]
            for alert in haul.alerts:
                sys.stdout.buffer.write(encode(alert) + b"\n")
                worst = max(worst, SEVERITIES.index(alert.severity))
                alerts.update((reason.rule_id, reason.severity) for reason in alert.reasons)
    sys.stdout.buffer.flush()
    spent = time.perf_counter() - started
    say = Summary()
    for file, line, error in directory.bad + reading.bad:
        say(f"{file}:{line}: {error.reason}: {error.detail}")
    say(
        f"{judged} accesses judged in {spent:.2f} s ({judged / max(spent, 1e-9):,.0f}/s), {duplicates} repetitions, "
        f"{late} late, {ahead} ahead of the clock; policy {session.policy.version}"
    )
    for reason, count in sorted(reading.skipped.items()):
        say(f"  no access to data: {count:>6} {reason}")
    for reason, count in sorted(Counter(error.reason for _, _, error in directory.bad + reading.bad).items()):
        say(f"  cannot be used:    {count:>6} {reason}")
    for (rule, severity), count in sorted(alerts.items()):
        say(f"  found:             {count:>6} {rule} ({severity})")
    for (rule, exemption), count in sorted(exempted.items()):
        say(f"  exempted:          {count:>6} {rule} by {exemption}")
    if given.fail_on and worst >= SEVERITIES.index(given.fail_on):
        return 3
    return 1 if given.strict and (directory.bad or reading.bad) else 0


class Summary:
    """Writes lines to standard error."""

    def __call__(self, line: str) -> None:
        """Write one."""
        print(line, file=sys.stderr)


def read(path: Path | None, source: str, mappings: object, reading: Reading) -> Iterator[Line]:
    """Yield a file's events, translated where they are another system's."""
    from schemas.sources import SOURCES
    from schemas.sources.base import SourceMapping

    if source == "native":
        return event_lines(path)
    assert isinstance(mappings, dict)  # noqa: S101  # the policy's
    return translated_lines(path, SOURCES[source], mappings.get(source, SourceMapping()), encode, reading)


def moment(text: str) -> int:
    """Return an RFC 3339 time in milliseconds.

    Raises:
        ConfigurationError: it is none, or has no offset.
    """
    from datetime import datetime

    from schemas.fields import milliseconds

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no time; write it as 2026-03-01T12:00:00Z") from None
    if found.tzinfo is None:
        raise ConfigurationError(f"{text!r} has no offset; write it as 2026-03-01T12:00:00Z")
    return milliseconds(found)
