"""Judge events from files without a broker: the same verdicts as the stream."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from agents.cli.reading import batches, common, known_at
from agents.files import STDIN, Directory, Line, Reading, load_directory
from agents.settings import Settings
from agents.state_file import Input, content_digest, load_state, save_state, state_there, taken
from rules.haul import Haul
from rules.session import Session
from schemas.alert import SEVERITIES, Alert
from schemas.codec import encode
from schemas.errors import ConfigurationError

NAME = "replay"
EXAMPLES = """\
examples:
  cloverwatch replay --policy policy.toml --directory people/ events.jsonl.gz > alerts.jsonl
  cloverwatch replay --policy policy.toml --directory people/ --source cloudtrail trail/*.json.gz
  cloverwatch replay --policy new.toml --directory people/ --fail-on high events.jsonl
  cloverwatch replay --policy policy.toml --directory people/ --state habits.state january.jsonl.gz
  cloverwatch replay --policy now.toml --against new.toml --directory people/ --state habits.state february.jsonl.gz
  zcat month.gz | cloverwatch replay --policy policy.toml --directory people/ -

alerts go to standard output in the order of the events, one JSON object a line; bad lines and the summary to
standard error. Time is the line's `received_at`, else the latest `occurred_at` so far. Alerts name people: they go no
further than this terminal. With the keys of pseudonyms (docs/privacy.md) their ids are those of the stream

--state FILE goes on from the habits in the file, where it is there, and writes them back at the end: history warms up
the judgement of behaviour. Events that are replayed into a state twice count twice; a file that was is warned of

--against FILE judges the events under both policies and prints, in place of alerts, which of them appear, vanish,
change or move (an anomaly that begins at another event) under FILE, and counts by rule. It reads --state and never
writes it

exit codes: 0 judged, 1 with --strict a line or a row cannot be used, 2 usage, policy or files,
3 --fail-on was reached, or with --fail-on-change an alert differs
"""

_ORDER: Final[dict[str, int]] = {word: rank for rank, word in enumerate(SEVERITIES)}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    common(parser)
    parser.add_argument("--no-memo", action="store_true", help="judge every event in full (the same verdicts, slower)")
    parser.add_argument(
        "--fail-on",
        choices=SEVERITIES,
        metavar="SEVERITY",
        help=f"exit 3 at such an alert or worse: {', '.join(SEVERITIES)}",
    )
    parser.add_argument("--shadow", action="store_true", help="print what rules in shadow found, too")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a line or a row cannot be used")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="habits to go on from, if it is there, and to write at the end"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="another policy: show which alerts would be others under it"
    )
    parser.add_argument("--json", action="store_true", help="with --against: one JSON object in place of tables")
    parser.add_argument("--fail-on-change", action="store_true", help="with --against: exit 3 where an alert differs")
    parser.add_argument("files", nargs="+", metavar="FILE", help="events, JSON lines, plain or gzip; - reads stdin")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Judge, print, sum up."""
    if given.against is not None:
        from agents.cli.against import run as run_against

        return run_against(given, settings)
    for name in ("json", "fail_on_change"):
        if getattr(given, name):
            raise ConfigurationError(f"--{name.replace('_', '-')}: only with --against FILE")
    from agents.offline import published_ids, refuse_without_behaviour, resume, session_of

    ids = published_ids(settings)
    directory = load_directory(given.directory, known_at(given))
    session = session_of(
        given.policy, directory, settings, geo_mmdb=given.geo_mmdb, memo=not given.no_memo, approvals=given.approvals
    )
    totals = Totals(Reading(_tell))
    inputs: tuple[Input, ...] = ()
    if given.state is not None:
        before: tuple[Input, ...] = ()
        if state_there(given.state):
            state = load_state(given.state)
            resume(session, state, given.state)
            totals.reading.now, before = state.now, state.inputs
        else:
            refuse_without_behaviour(session, given.state)
        inputs = _inputs(before, given.files)
    for file, line, error in directory.bad:
        _tell(f"{file}:{line}: {error.reason}: {error.detail}")
    started = time.perf_counter()
    for batch in batches(given, session.policy.sources, totals.reading):
        _judge(session, batch, totals, ids, shadow=given.shadow)
    sys.stdout.buffer.flush()
    if given.state is not None:
        state = taken(session, totals.reading.now, inputs)
        save_state(given.state, state)
        _tell(f"{given.state}: the habits of {len(state.people)} people")
    for told in totals.summary(directory, session, time.perf_counter() - started):
        _tell(told)
    if given.fail_on and totals.worst >= SEVERITIES.index(given.fail_on):
        return 3
    return 1 if given.strict and (directory.bad or totals.reading.bad) else 0


def _inputs(inputs: tuple[Input, ...], files: list[str]) -> tuple[Input, ...]:
    """Return the inputs of a state with more files; warn of those that are in it already."""
    for name in files:
        if name == STDIN or not Path(name).is_file():
            continue  # what can be read only once is judged, and not remembered
        digest = content_digest(Path(name))
        before = next((each for each in inputs if each.digest == digest), None)
        if before is None:
            inputs = (*inputs, Input(digest, name))
        else:
            _tell(f"{name}: already applied to this state, as {before.name}: its events count twice")
    return inputs


def _judge(
    session: Session, batch: list[Line], totals: "Totals", ids: Callable[[Alert], Alert], *, shadow: bool
) -> None:
    haul = session.take(batch, max(line.timestamp for line in batch))
    totals.add(len(batch), haul)
    for alert in chain(haul.alerts, haul.shadow if shadow else ()):
        sys.stdout.buffer.write(encode(ids(_detected(alert))) + b"\n")


def _detected(alert: Alert) -> Alert:
    """Return an alert as detected when its event was received, whichever batch the event came in."""
    appended = alert.facts.get("appended_at")
    return msgspec.structs.replace(alert, detected_at=appended) if isinstance(appended, int) else alert


class Totals:
    """Counts of a whole run."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.lines = self.judged = self.duplicates = self.late = self.ahead = self.alerts = 0
        self.worst = -1
        self.found: Counter[tuple[str, str]] = Counter()
        self.shadow: Counter[tuple[str, str]] = Counter()
        self.exempted: Counter[tuple[str, str]] = Counter()
        self.approved: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def add(self, lines: int, haul: Haul) -> None:
        """Add what came of a batch."""
        self.lines += lines
        self.judged += haul.judged
        self.duplicates += haul.duplicates
        self.late += haul.late
        self.ahead += haul.ahead
        self.exempted.update(haul.exempted)
        self.approved.update(haul.approved)
        self.failures.update(haul.failures)
        for message, error in haul.bad:
            self.reading.refuse(message.topic, message.offset, error)
        self.alerts += len(haul.alerts)
        for alert in haul.alerts:
            self.worst = max(self.worst, SEVERITIES.index(alert.severity))
            self.found.update((reason.rule_id, reason.severity) for reason in alert.reasons)
        for alert in haul.shadow:
            self.shadow.update((reason.rule_id, reason.severity) for reason in alert.reasons)

    def summary(self, directory: Directory, session: Session, spent: float) -> list[str]:
        """Return the lines that sum up."""
        rows = ", ".join(f"{count} {topic.rsplit('.', 1)[1]}" for topic, count in directory.knowledge.rows.items())
        speed = self.judged / max(spent, 1e-9)
        told = [
            f"{self.lines} accesses read, {self.judged} judged in {spent:.2f} s ({speed:,.0f}/s), {self.alerts} alerts",
            f"  policy           {session.policy.version}",
            f"  directory        {directory.digest}: {rows or 'no rows'}",
        ]
        plain = {"duplicates": self.duplicates, "late": self.late, "clock ahead": self.ahead}
        told += [f"  {name:<16} {count}" for name, count in plain.items() if count]
        unused = Counter(error.reason for _, _, error in directory.bad)
        told += [f"  row refused      {count:>6} {reason}" for reason, count in sorted(unused.items())]
        told += [f"  refused          {count:>6} {reason}" for reason, count in sorted(self.reading.bad.items())]
        told += [f"  no access        {count:>6} {reason}" for reason, count in sorted(self.reading.skipped.items())]
        for word, counts in (("found", self.found), ("shadow", self.shadow)):
            order = sorted(counts.items(), key=lambda each: (-_ORDER[each[0][1]], each[0][0]))
            told += [f"  {word:<16} {count:>6} {rule} ({severity})" for (rule, severity), count in order]
        told += [f"  exempted         {count:>6} {rule} by {by}" for (rule, by), count in sorted(self.exempted.items())]
        told += [f"  approved         {count:>6} {rule}" for rule, count in sorted(self.approved.items())]
        told += [f"  rule failed      {count:>6} {rule}" for rule, count in sorted(self.failures.items())]
        return told


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
