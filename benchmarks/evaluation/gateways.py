"""How well accesses are matched with decisions: vaults with planted incidents, by `cloverwatch match` on their files.

No threshold is tuned: what was decided is compared with what was done. The seeds are those that the behaviour rules are
reported on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import orjson

from agents.files import Reading, event_lines, load_directory
from agents.matching.offline import matched_files
from agents.settings import Settings
from demo.gateways import DEAF, KINDS, vault
from demo.vault import GATEWAYS, USES, VALID, Vault
from rules.matching.kinds import MATCHING_IDS

Figures = dict[str, Any]

START: Final = 1_764_000_000_000
"""When the vaults' lives begin: a day in November 2025. Nothing depends on it."""

POLICY: Final = f"""\
version = 1
[perimeter]
countries = ["EEA"]
regime = "EU"
[gateway]
must_pass = ["vault-*"]
valid_for = "{VALID // 60_000}m"
uses = {USES}
wait = "500ms"
"""


class Matched(msgspec.Struct):
    """One vault's outcome."""

    planted: dict[str, str]
    """Incident → kind."""
    found: dict[str, list[str]]
    """Incident → the rules that told of it."""
    false: Counter[str]
    """Rule → alerts about what nothing is wrong with."""
    falsely: list[str]
    missed: list[str]
    accesses: int
    decisions: int
    seconds: float


def write(folder: Path, made: Vault) -> None:
    """Write a vault's files: policy, directories, decisions, accesses, approvals."""
    listed = "".join(f'[gateway.gateways.{name}]\nquiet_after = "1h"\n' for name in (*GATEWAYS, DEAF))
    (folder / "policy.toml").write_text(POLICY + listed)
    (folder / "directory").mkdir()
    for topic, rows in made.rows.items():
        _lines(folder / "directory" / f"{topic.rsplit('.', 1)[1]}.jsonl", rows)
    for name, records in (("decisions", made.decisions), ("events", made.accesses)):
        _lines(folder / f"{name}.jsonl", [{**record, "received_at": at} for at, record in records])
    _lines(folder / "approvals.jsonl", made.approvals)


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def match_seed(each: int, people: int, seed: int) -> Matched:
    """Return what comes of one vault with so many incidents of each kind."""
    made = vault(seed, START, people=people, each=each)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, made)
        reading: Reading = Reading()
        counts: Counter[str] = Counter()
        began = time.process_time()
        alerts = list(
            matched_files(
                folder / "policy.toml",
                load_directory(folder / "directory"),
                Settings(),
                event_lines(folder / "events.jsonl", reading),
                [str(folder / "decisions.jsonl")],
                folder / "approvals.jsonl",
                reading,
                counts,
                unsigned=True,  # the simulator's people have no keys
            )
        )
        seconds = time.process_time() - began
    by_subject: dict[str, list[str]] = {}
    for label in made.labels:
        by_subject.setdefault(label.subject, []).append(label.incident)
    kinds = {label.incident: label.kind for label in made.labels}
    found: dict[str, list[str]] = {incident: [] for incident in kinds}
    result = Matched(kinds, found, Counter(), [], [], counts["accesses"], counts["decisions"], seconds)
    for alert in alerts:
        subject = getattr(alert.event, "event_id", None) or alert.facts["gateway"]
        rules = [reason.rule_id for reason in alert.reasons]
        incidents = by_subject.get(subject, [])
        for incident in incidents:
            found[incident] += rules
        if not incidents:
            result.false.update(rules)
            result.falsely.append(f"{alert.rule_id}: {alert.explanation}")
    result.missed = [
        f"{label.kind} ({label.how})"
        for label in made.labels
        if label.incident in kinds and f"gateway.{label.kind}" not in found[label.incident]
    ]
    return result


def summed(runs: Sequence[Matched]) -> Figures:
    """Return the figures of some vaults."""
    kinds: Figures = {}
    for kind in KINDS:
        incidents = [(run, incident) for run in runs for incident, each in run.planted.items() if each == kind]
        told = [run.found[incident] for run, incident in incidents]
        kinds[kind] = {
            "planted": len(told),
            "found": sum(bool(rules) for rules in told),
            "as_it": sum(f"gateway.{kind}" in rules for rules in told),
            "false": sum(run.false[f"gateway.{kind}"] for run in runs),
        }
    return {
        "kinds": kinds,
        "accesses": sum(run.accesses for run in runs),
        "decisions": sum(run.decisions for run in runs),
        "us": sum(run.seconds for run in runs) / max(1, sum(run.accesses for run in runs)) * 1e6,
        "missed": sorted({each for run in runs for each in run.missed}),
        "falsely": [each for run in runs for each in run.falsely][:20],
    }


def lines(figures: Figures) -> Iterator[str]:
    """Yield the figures as text."""
    yield (
        f"accesses against gateways' decisions: {figures['accesses']:,} accesses, {figures['decisions']:,} decisions, "
        f"{figures['us']:.1f} µs an access with its line"
    )
    yield f"{'planted':<19}{'found':>12}{'as what it is':>15}{'missed':>8}{'false alerts':>14}"
    for kind, cell in figures["kinds"].items():
        yield (
            f"{kind:<19}{cell['found']:>7}/{cell['planted']:<4}{cell['as_it']:>15}"
            f"{cell['planted'] - cell['found']:>8}{cell['false']:>14}"
        )


assert {f"gateway.{kind}" for kind in KINDS} == MATCHING_IDS  # noqa: S101  # the generator and the rules name the same
