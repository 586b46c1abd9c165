"""Why an event was or was not flagged: every fact with its evidence, every rule with what it says."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from agents.cli.reading import common, known_at, read
from agents.files import Reading, load_directory
from agents.settings import Settings
from agents.text import printable
from rules.facts import Facts
from rules.join import country_name
from rules.judge import Judge, Verdict
from rules.session import Session
from schemas.access import AccessEvent
from schemas.codec import ACCESS
from schemas.errors import BadRecordError
from schemas.fields import iso

NAME = "explain"
EXAMPLES = """\
examples:
  cloverwatch explain --policy policy.toml --directory people/ --event-id ev-17 events.jsonl
  grep ev-17 events.jsonl | cloverwatch explain --policy policy.toml --directory people/ -

each rule either fires, fires in shadow, is exempted, does not fire, or does not apply: because of the principal, the
outcome or the sensitivity of the data. An id that was used for several accesses is explained once for each

exit codes: 0 explained, 1 no such event in the files, 2 usage, policy or files
"""

HOUR_MS = 3_600_000
_TIMES = frozenset({"occurred_at", "valid_from", "valid_until", "recorded_at"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    common(parser)
    parser.add_argument("--event-id", metavar="ID", help="which event; without it, the first that can be read")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")
    parser.add_argument("files", nargs="+", metavar="FILE", help="where to look for the event; - reads stdin")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Find the event and explain its verdict; 1 where it is in none of the files."""
    from agents.offline import session_of

    directory = load_directory(given.directory, known_at(given))
    session = session_of(given.policy, directory, settings, geo_mmdb=given.geo_mmdb, approvals=given.approvals)
    told = 0
    for event, reused in _wanted(given, session):
        verdict = session.judge.judge(event, directory.knowledge.find(event.person), reused=reused)
        found = explanation(verdict, session.judge)
        print(
            json.dumps(found, indent=2, ensure_ascii=False)
            if given.json
            else "\n".join(map(printable, readable(found)))
        )
        told += 1
    if told:
        return 0
    which = "no event that can be read" if given.event_id is None else f"no event {given.event_id!r}"
    print(f"cloverwatch: {which} in {', '.join(given.files)}", file=sys.stderr)
    return 1


def _wanted(given: argparse.Namespace, session: Session) -> Iterator[tuple[AccessEvent, bool]]:
    """Yield each access of the id that is asked for, and whether the id was used before with other content."""
    seen: set[bytes] = set()
    wanted = b"" if given.event_id is None else os.fsencode(given.event_id)  # an argument may be any bytes
    for name in given.files:
        for line in read(name, given.source, session.policy.sources, Reading()):
            raw = line.value or b""
            if wanted not in raw and b"\\" not in raw:
                continue  # the id is not even in the bytes: so with most lines of a large file
            try:
                event, canonical = ACCESS.decode_canonical(line.value)
            except BadRecordError:
                continue
            if given.event_id is None:
                yield event, False
                return
            if event.event_id == given.event_id and canonical not in seen:
                yield event, bool(seen)
                seen.add(canonical)


def explanation(verdict: Verdict, judge: Judge) -> dict[str, Any]:
    """Return every fact and what every rule says, as plain values."""
    found = {finding.rule.id: finding for finding in verdict.findings}
    unlit = {finding.rule.id: finding for finding in verdict.shadowed}
    hidden = {exempted.finding.rule.id: exempted for exempted in verdict.exempted}
    granted = {approved.finding.rule.id: approved for approved in verdict.approved}
    failed = {failure.rule.id: failure for failure in verdict.failures}
    facts = verdict.facts
    rules: dict[str, dict[str, Any]] = {}
    for rule in judge.rules:
        said: dict[str, Any]
        if rule.id in found:
            said = {"says": "fires", "severity": found[rule.id].severity, "because": found[rule.id].sentence}
        elif rule.id in hidden:
            by = hidden[rule.id].exemption
            said = {"says": "exempted", "by": by.id, "because": f"{by.owner}: {by.reason}, until {iso(by.until)}"}
        elif rule.id in granted:
            grant = granted[rule.id].approval
            said = {
                "says": "approved",
                "by": grant.approval_id,
                "because": f"{grant.approved.by if grant.approved else ''}: {grant.requested.reason}, "
                f"until {iso(grant.ends)}",
            }
        elif rule.id in unlit:
            said = {"says": "fires in shadow", "severity": unlit[rule.id].severity, "because": unlit[rule.id].sentence}
        elif rule.id in failed:
            said = {"says": "failed", "because": failed[rule.id].error}
        elif facts.principal not in rule.principals:
            said = _gate("principal", facts.principal, rule.principals)
        elif facts.outcome not in rule.outcomes:
            said = _gate("outcome", facts.outcome, rule.outcomes)
        elif not judge.applies(rule, facts):
            said = {
                "says": "does not apply",
                "gate": "sensitivity",
                "because": f"it does not look at {facts.sensitivity}",
            }
        else:
            said = {"says": "does not fire"}
        rules[rule.id] = said
    return {
        "event": msgspec.to_builtins(facts.event),
        "facts": _facts(facts, sorted(verdict.missing)),
        "rules": rules,
        "flagged": bool(verdict.findings),
        "judged_with": {
            "policy": judge.policy.version,
            "legal_table": judge.joiner.legal.digest,
        },
    }


def _gate(gate: str, value: str, looks_at: frozenset[Any]) -> dict[str, str]:
    return {
        "says": "does not apply",
        "gate": gate,
        "because": f"it looks at {', '.join(sorted(looks_at))}, not at {value}",
    }


def _facts(facts: Facts, missing: list[str]) -> dict[str, Any]:
    return {
        "as_of": iso(facts.at),
        "principal": facts.principal,
        "employee": None if facts.employee is None else msgspec.to_builtins(facts.employee),
        "roles_held": sorted(facts.roles),
        "roles_out_of_time": sorted({lapsed.name for lapsed in facts.lapsed}),
        "dataset": None if facts.dataset is None else msgspec.to_builtins(facts.dataset),
        "sensitivity": facts.sensitivity,
        "regime": facts.regime,
        "place": msgspec.to_builtins(facts.place),
        "place_class_for_employer": facts.effective.value,
        "stored": None if facts.stored is None else f"{facts.stored.country} ({facts.stored.place_class.value})",
        "destination": None
        if facts.destination is None
        else f"{facts.destination.name} ({facts.destination.place_class.value})",
        "transfer": msgspec.to_builtins(facts.transfer),
        "purpose": facts.purpose,
        "ticket": facts.ticket,
        "workload": None if facts.workload is None else msgspec.to_builtins(facts.workload),
        "workload_on_its_networks": facts.on_site,
        "id_used_before_with_other_content": facts.reused,
        "nothing_known_of": missing,
    }


def readable(told: dict[str, Any]) -> list[str]:
    """Return an explanation as lines that a person reads."""
    event, facts = told["event"], told["facts"]
    place = facts["place"]
    said = ["event", *(f"  {key:<26} {_plain(value, key)}" for key, value in event.items())]
    said.append(f"facts, as of {facts['as_of']}")
    said += [f"  {key:<26} {_plain(value, key)}" for key, value in facts.items() if key not in {"place", "as_of"}]
    presumed = ", presumed" if place["presumed"] else ""
    said.append(
        f"  {'place':<26} {country_name(place['country'])} ({place['place_class']}{presumed}), on the evidence of"
    )
    for evidence in place["evidence"]:
        note = f" ({evidence['note']})" if evidence["note"] else ""
        age = f"{evidence['age_ms'] / HOUR_MS:,.1f} h old" if evidence["age_ms"] else "the access itself"
        where = evidence["country"] or "no country"
        said.append(f"    {evidence['kind']:<24} {where}, {age}: {evidence['stood'].replace('_', ' ')}{note}")
    if not place["evidence"]:
        said.append("    nothing at all")
    said.append(f"rules, under policy {told['judged_with']['policy']}")
    for rule, words in told["rules"].items():
        level = f" ({words['severity']})" if "severity" in words else ""
        gate = f" ({words['gate']})" if "gate" in words else ""
        by = f" by {words['by']}" if "by" in words else ""
        because = f": {words['because']}" if "because" in words else ""
        said.append(f"  {rule:<26} {words['says']}{level}{gate}{by}{because}")
    said.append("flagged" if told["flagged"] else "not flagged")
    return said


def _plain(value: Any, key: str) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(each, name)}" for name, each in value.items() if each not in (None, ""))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and key in _TIMES:
        return iso(value)
    return "-" if value is None else str(value)
