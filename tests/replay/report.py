"""The generated parts of `docs/real-data.md`: what was found in the real sets, and Panther's tests beside ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.files import Reading, translated_lines
from schemas.codec import ACCESS
from schemas.sources import SOURCES
from tests.replay.panther import JUDGED, cases, difference, kinds, notes, verdict
from tests.replay.slice import DATA, SETS, alerts_of, described, labelled, records, session

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "real-data.md"
BEGIN: Final = "<!-- {}: written by `python -m tests.replay` -->"
END: Final = "<!-- end of {} -->"


def written(text: str) -> str:
    """Return the document with its generated parts as they should be.

    Raises:
        ValueError: a part's marks are not there.
    """
    for name, part in {"sets": sets(), "labels": labels(), "panther": panther()}.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if not (begin and end):
            raise ValueError(f"no place for the part {name!r}")
        text = f"{before}{begin}\n\n{part}\n{end}{after}"
    return text


def _table(head: list[str], rows: Sequence[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(
        f"{name} {count:,}" for name, count in sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    )


def sets() -> str:
    """What each set is made of, and what was told."""
    rows: list[list[object]] = []
    mapping = session().policy.sources["cloudtrail"]
    for name in SETS:
        reading = Reading()
        people: Counter[str] = Counter()
        accesses = 0
        for line in translated_lines(DATA / f"{name}.jsonl.gz", SOURCES["cloudtrail"], mapping, reading):
            people[ACCESS.decode(line.value or b"").person] += 1
            accesses += 1
        assert not reading.bad
        told = {
            family: [alert for alert in alerts_of(name) if alert.family == family] for family in ("access", "behaviour")
        }
        rows.append(
            [
                f"`{name}`",
                f"{len(records(name)):,}",
                _counts(reading.skipped),
                f"{accesses:,} of {len(people)} principals",
                _counts(Counter(alert.rule_id for alert in told["access"])),
                _counts(Counter(alert.rule_id for alert in told["behaviour"] if not alert.revision)) or "none",
            ]
        )
    return _table(
        ["set", "records", "no access to data", "accesses", "alerts about one access", "about behaviour"], rows
    )


def labels() -> str:
    """Each label, and what is told of its records."""
    rows: list[list[object]] = []
    for name in SETS:
        for label in described("labels.json")["sources"][name]["labels"]:
            ids = [record["eventID"] for record in labelled(name, label["name"])]
            told: dict[str, list[int]] = {}
            for alert in alerts_of(name):
                if alert.event and alert.event.event_id in ids:
                    for reason in alert.reasons:
                        told.setdefault(reason.rule_id, []).append(ids.index(alert.event.event_id) + 1)
            said = [_told(rule, at) for rule, at in sorted(told.items())]
            rows.append([f"`{name}`", label["name"], label["kind"], len(ids), "; ".join(said) or "silent"])
    return _table(["set", "label", "what it asks for", "records", "told"], rows)


def _told(rule: str, at: list[int]) -> str:
    """Of one access each, how many; of behaviour, at which record it was opened and amended."""
    if not rule.startswith("behaviour."):
        return f"`{rule}` of {len(at)}"
    amended = f", amended at {' and '.join(map(str, at[1:]))}" if at[1:] else ""
    return f"`{rule}` at record {at[0]}{amended}"


def panther() -> str:
    """Counts by reason; the tests that ours can judge, one by one; the other rules, each with what it is about."""
    by_kind: dict[str, list[int]] = {kind: [0, 0, 0] for kind in notes()["kinds"]}
    outcomes: Counter[str] = Counter()
    judged: list[list[object]] = []
    rules: dict[str, list[int]] = {}
    for case in cases():
        kind = kinds()[case.rule]
        of_rule = rules.setdefault(case.rule, [0, 0])
        for place in (by_kind[kind], of_rule):
            place[0] += 1
            place[1] += case.expected
        if kind == JUDGED:
            ours = verdict(case)
            why = difference(case, ours)
            told = ", ".join(f"`{rule}`" for rule in ours.findings)
            outcomes["both speak" if case.expected and told else "both silent" if why is None
                     else "only theirs" if case.expected else "only ours"] += 1  # fmt: skip
            times = f" ×{case.times}" if case.times > 1 else ""
            theirs = "alert" if case.expected else "silent"
            judged.append(
                [f"{case.rule}: {case.name}{times}", theirs, told or ours.said, "yes" if why is None else f"no: {why}"]
            )
    for rule, kind in kinds().items():
        by_kind[kind][2] += rule in rules
    summary = [
        [text, counted[2], counted[0], counted[1]]
        for kind, text in notes()["kinds"].items()
        for counted in [by_kind[kind]]
    ]
    summary.append(["all", len(rules), len(cases()), sum(case.expected for case in cases())])
    others = [
        [rule, *rules[rule], notes()["kinds"][kind].partition(":")[0], notes()[kind][rule]]
        for rule, kind in sorted(kinds().items(), key=lambda each: (list(by_kind).index(each[1]), each[0]))
        if kind != JUDGED
    ]
    own = [[rule, text] for rule, text in notes()[JUDGED].items()]
    return (
        _table(["why", "rules", "tests", "of which theirs alerts"], summary)
        + f"\nOf the {len(judged)} that are judged: {_counts(outcomes)}.\n\n"
        + _table(["judged rule", "what it is to ours"], own)
        + "\n"
        + _table(["test", "theirs", "ours", "agree"], judged)
        + "\n"
        + _table(["rule that is not judged", "tests", "theirs alerts", "kind", "about"], others)
    )
