"""Match accesses with gateways' decisions: told to stop, or from files."""

import argparse
import asyncio
import logging
import sys
from collections import Counter
from pathlib import Path

from agents.cli.reading import batches, common, known_at
from agents.files import Reading, load_directory
from agents.logs import configure
from agents.settings import Settings
from schemas.codec import encode
from schemas.errors import ConfigurationError

NAME = "match"
EXAMPLES = """\
examples:
  CLOVERWATCH_POLICY=policy.toml cloverwatch match       match the stream, until told to stop
  cloverwatch match --policy policy.toml --directory people/ --decisions decisions.jsonl events.jsonl > alerts.jsonl

the policy's [gateway] says which accesses need a decision, and how long one may be late: docs/matching.md

with FILE alerts go to standard output in the order of the accesses, one JSON object a line, and name people; a line's
`received_at` is when its record counts as appended: without it an access's own time, a decision's `decided_at`

--approvals are verified by the keys of the policy's [people], as the stream does; what does not count is told, and no
decision rests on it. When the broker stored them is not in a file: that none was dated back is not checked

exit codes: 0 done, 1 a failure, 2 usage or configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    common(parser)
    for action in parser._actions:  # the same options as `replay`, here only with files
        if action.dest in {"policy", "directory"}:
            action.required = False
    parser.add_argument(
        "--decisions", action="append", default=[], metavar="FILE", help="decisions, JSON lines, plain or gzip"
    )
    parser.add_argument(
        "--unsigned-approvals",
        action="store_true",
        help="let approvals count that nobody signed; for files that were made up",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="accesses, JSON lines, plain or gzip; none: the stream"
    )


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Match the stream, or files."""
    if given.files or given.decisions:
        return _files(given, settings)
    if given.policy is not None or given.directory is not None:
        raise ConfigurationError("--policy, --directory: only with files; the stream's policy is CLOVERWATCH_POLICY")
    from agents.matching.running import match

    configure(settings.log_level, settings.log_format)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    return asyncio.run(match(settings))


def _files(given: argparse.Namespace, settings: Settings) -> int:
    from agents.matching.offline import matched_files
    from agents.offline import published_ids

    for name, values in (("FILE", given.files), ("--decisions", given.decisions)):
        if not values:
            raise ConfigurationError(f"{name}: none given; matching files needs accesses and decisions")
    for name in ("policy", "directory"):
        if getattr(given, name) is None:
            raise ConfigurationError(f"--{name}: not given; matching files needs it")
    ids, reading = published_ids(settings), Reading(_tell)
    directory = load_directory(given.directory, known_at(given))
    for file, line, error in directory.bad:
        _tell(f"{file}:{line}: {error.reason}: {error.detail}")
    counts: Counter[str] = Counter()
    told: Counter[str] = Counter()
    lines = (line for batch in batches(given, {}, reading) for line in batch)
    found = matched_files(
        Path(given.policy),
        directory,
        settings,
        lines,
        given.decisions,
        given.approvals,
        reading,
        counts,
        given.geo_mmdb,
        unsigned=given.unsigned_approvals,
    )
    if given.unsigned_approvals and given.approvals is not None:
        _tell(f"NOT VERIFIED: whoever wrote {given.approvals} approved what they liked; no signature is looked at")
    for alert in found:
        told.update(reason.rule_id for reason in alert.reasons)
        sys.stdout.buffer.write(encode(ids(alert)) + b"\n")
    sys.stdout.buffer.flush()
    _tell(", ".join(f"{count} {what}" for what, count in counts.items()) + f", {sum(told.values())} findings")
    for rule, count in sorted(told.items()):
        _tell(f"  found            {count:>6} {rule}")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
