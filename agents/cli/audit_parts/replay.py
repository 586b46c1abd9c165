"""Judge a range again from exported events and directories, and compare with what the log says."""

import argparse
import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from agents.cli.reading import known_at
from agents.settings import Settings
from agents.text import printable
from schemas.errors import ConfigurationError

NAME = "replay"
EXAMPLES = """\
examples:
  cloverwatch audit replay LOG --key KEY --policy policy.toml --events export/ --partition 3 --first 1200 --last 8000

--events is what `cloverwatch audit export --for-replay` wrote: accesses, directories with superseded rows, alerts. Each
range is judged with the directories as they were when it was stored; where the log's hash of their offsets is found,
exactly with those. Compared are the alerts of the families access and gateway, by the place of their event: rules and
their versions, severities, dataset, action, outcome, place and legal basis. What is not judged again is counted by
family, with why (docs/auditor.md says what each means)

exit codes: 0 nothing differs (what was not judged again is told), 1 something differs, nothing was compared, or the
log's files are not what was signed, 2 usage
"""

SHOWN_MOST = 50
"""Differences that are printed; `--json` has them all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("log", type=Path, metavar="LOG", help="folder of the log")
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="public key of the log, or a file"
    )
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy that was in force")
    parser.add_argument("--events", type=Path, required=True, metavar="DIR", help="export with events and directories")
    parser.add_argument("--topic", default="access.events", metavar="NAME", help="default: access.events")
    parser.add_argument("--partition", type=int, required=True, metavar="N", help="partition of the events")
    parser.add_argument("--first", type=int, required=True, metavar="OFFSET", help="first offset")
    parser.add_argument("--last", type=int, required=True, metavar="OFFSET", help="last offset")
    parser.add_argument("--as-known-at", metavar="T", help="directories as of then, for all of it (RFC 3339)")
    parser.add_argument("--json", action="store_true", help="one JSON object, with the verdict hash of each alert")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Verify the files, judge again, compare."""
    from agents.audit.replay_log import Log
    from agents.audit.replaying import replay
    from agents.audit.verifying.notes import NoteError, Verifier
    from agents.audit.verifying.verify import Asked, verify
    from agents.cli.audit_parts.verify import vkeys
    from agents.policy_watch import read_policy

    if not 0 <= given.first <= given.last or given.partition < 0:
        raise ConfigurationError("--partition, --first, --last: 0 and more, --first not beyond --last")
    if given.topic != "access.events":
        raise ConfigurationError(
            f"--topic: {given.topic!r}; allowed: access.events (records of other systems are moved)"
        )
    content, policy = read_policy(given.policy)
    log = Log(given.topic, given.partition, given.first, given.last)
    try:
        outcome = verify(Asked(given.log, [Verifier.read(text) for text in vkeys(given.key)], seen=log.seen))
    except NoteError as error:
        print(f"checkpoint: is no checkpoint: {printable(str(error))}")
        return 1
    broken = outcome.findings.counts["tree"] + outcome.findings.counts["checkpoint"]
    found = replay(log, given.events, policy, content, settings, known_at=known_at(given))
    whole = sha256("\n".join(found.hashes).encode()).hexdigest()
    code = 1 if found.differ or found.nothing or broken else 0
    if given.json:
        print(
            json.dumps(
                {
                    "topic": given.topic, "partition": given.partition, "first": given.first, "last": given.last,
                    "events": found.events, "judged": found.judged, "matched": found.matched,
                    "compared": found.compared, "nothing": found.nothing,
                    "ranges": found.ranges, "exact": found.exact, "same": found.same, "differ": found.differ,
                    "limits": found.limits, "hash": whole,
                    "families": {name: asdict(each) for name, each in sorted(found.families.items())},
                    "verdicts": found.hashes, "files_hold": not broken,
                }
            )
        )  # fmt: skip
        return code
    print(f"{given.topic}/{given.partition} offsets {given.first} to {given.last}, judged again under {policy.version}")
    judged = f"{found.judged:,} judged, {found.matched:,} matched with decisions"
    print(f"  {found.events:,} events of {found.ranges:,} ranges; {judged}")
    print(f"  {found.exact:,} ranges with the directories exactly as the worker said")
    print(f"  {found.same:,} alerts are the same, {len(found.differ):,} differences")
    for name, family in sorted(found.families.items()):
        print(
            f"  {printable(name)}: {family.equal:,} equal, {family.different:,} different, "
            f"{family.missing:,} missing, {family.extra:,} extra, {sum(family.not_judged.values()):,} not judged again"
        )
        for why, count in sorted(family.not_judged.items()):
            print(f"    {count:,} not judged again: {printable(why)}")
    print(f"  hash of the verdicts {whole}")
    for limit in found.limits:
        print(f"  not compared: {printable(limit)}")
    for each in found.differ[:SHOWN_MOST]:
        print(f"  differs: {printable(each)}")
    if len(found.differ) > SHOWN_MOST:
        print(f"  … and {len(found.differ) - SHOWN_MOST:,} more")
    if broken:
        print("  the log's files are not what was signed: `cloverwatch audit verify` says where")
    if found.nothing:
        print(f"  {printable(found.nothing)}")
    return code
