"""Why an event was or was not flagged: every fact, every rule."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from agents.cli.replay import common, moment, read
from agents.files import Reading, load_directory
from agents.settings import Settings
from rules.judge import Judge, Verdict
from schemas.codec import ACCESS
from schemas.errors import BadRecordError
from schemas.fields import iso

NAME = "explain"
EXAMPLES = """\
example:
  cloverwatch explain --policy policy.toml --directory people/ --event-id ev-17 events.jsonl
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    common(parser)
    parser.add_argument("--event-id", metavar="ID", help="which event; without it, the first")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")
    parser.add_argument("files", nargs="+", metavar="FILE", help="where to look for the event; - reads stdin")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Find the event and explain its verdict; 1 where it is in none of the files."""
    from agents.offline import session_of

    known_at = None if given.as_known_at is None else moment(given.as_known_at)
    directory = load_directory(given.directory, known_at)
    session = session_of(given.policy, directory, settings, geo_mmdb=given.geo_mmdb)
    for name in given.files:
        for line in read(None if name == "-" else Path(name), given.source, session.policy.sources, Reading()):
            try:
                event = ACCESS.decode(line.value)
            except BadRecordError:
                continue
            if given.event_id in (None, event.event_id):
                verdict = session.judge.judge(event, directory.knowledge.find(event.person))
                told = explanation(verdict, session.judge)
                if given.json:
                    sys.stdout.write(json.dumps(told, indent=2) + "\n")
                else:
                    _print(told)
                return 0
    print(f"cloverwatch: no event {given.event_id!r} in {', '.join(given.files)}", file=sys.stderr)
    return 1


def explanation(verdict: Verdict, judge: Judge) -> dict[str, Any]:
    """Return every fact and what every rule says, as plain values."""
    facts = verdict.facts
    found = {finding.rule.id: finding for finding in verdict.findings}
    hidden = {exempted.finding.rule.id: exempted for exempted in verdict.exempted}
    failed = {failure.rule.id: failure for failure in verdict.failures}
    rules = {}
    for rule in judge.rules:
        if rule.id in found:
            said = f"fires ({found[rule.id].severity}): {found[rule.id].sentence}"
        elif rule.id in hidden:
            exemption = hidden[rule.id].exemption
            said = f"exempted by {exemption.id} ({exemption.owner}: {exemption.reason})"
        elif rule.id in failed:
            said = f"failed: {failed[rule.id].error}"
        elif facts.principal not in rule.principals:
            said = f"does not look at principals of type {facts.principal}"
        elif facts.outcome not in rule.outcomes:
            said = f"does not look at accesses that ended in {facts.outcome}"
        elif not judge.applies(rule, facts):
            said = f"does not look at {facts.sensitivity} data"
        else:
            said = "does not fire"
        rules[rule.id] = said
    return {
        "event": msgspec.to_builtins(facts.event),
        "facts": {
            "at": iso(facts.at),
            "employee": None if facts.employee is None else msgspec.to_builtins(facts.employee),
            "roles_held": sorted(facts.roles),
            "roles_out_of_time": sorted({lapsed.name for lapsed in facts.lapsed}),
            "dataset": None if facts.dataset is None else msgspec.to_builtins(facts.dataset),
            "sensitivity": facts.sensitivity,
            "regime": facts.regime,
            "place": msgspec.to_builtins(facts.place),
            "place_class_for_employer": facts.effective.value,
            "transfer": msgspec.to_builtins(facts.transfer),
            "destination": None if facts.destination is None else facts.destination.name,
            "purpose": facts.purpose,
            "ticket": facts.ticket,
            "unknown": sorted(verdict.missing),
        },
        "rules": rules,
        "policy": judge.policy.version,
    }


def _print(told: dict[str, Any]) -> None:
    print("event")
    for key, value in told["event"].items():
        print(f"  {key:<18} {value}")
    print("facts, as of the event")
    for key, value in told["facts"].items():
        if key != "place":
            print(f"  {key:<18} {value}")
    place = told["facts"]["place"]
    print(f"  {'place':<18} {place['country']} ({place['place_class']}{', presumed' if place['presumed'] else ''})")
    for evidence in place["evidence"]:
        age = evidence["age_ms"] / 3_600_000
        note = f", {evidence['note']}" if evidence["note"] else ""
        print(f"    {evidence['kind']:<14} {evidence['country'] or '-':<3} {evidence['stood']}, {age:.1f} h old{note}")
    print(f"rules, under policy {told['policy']}")
    for rule, said in told["rules"].items():
        print(f"  {rule:<26} {said}")
