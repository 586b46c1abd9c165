"""The reference documents that are written from the code: what they say cannot differ from it."""

from __future__ import annotations

import ast
import dataclasses
import json
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.destination_docs import destinations_markdown
from agents.settings import PREFIX, Settings
from rules.behaviour import RULES as BEHAVIOUR_RULES
from rules.catalogue import RULES
from rules.matching.kinds import KINDS
from schemas.access import AccessEvent
from schemas.action import Action
from schemas.alert import Alert
from schemas.directory import ROWS
from schemas.receipt import Receipt
from schemas.topic import DAY_MS
from schemas.topics import ACCESS_EVENTS, ACTIONS, ALERTS, ALERTS_SHADOW, RECEIPTS, TOPICS

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("schemas", "rules", "alerts", "agents", "demo")
RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    ACCESS_EVENTS: AccessEvent,
    ALERTS: Alert,
    ALERTS_SHADOW: Alert,
    ACTIONS: Action,
    RECEIPTS: Receipt,
    **{row.topic: row for row in ROWS},
}
"""By topic, the record that its messages hold as JSON."""

GENERATED: Final = "<!-- Written by `cloverwatch docs`. -->\n\n"


def documents() -> dict[str, str]:
    """Return every generated document by its path under `docs/`."""
    return {
        **{f"schemas/{topic}.json": _json(_schema(record)) for topic, record in RECORDS.items()},
        "asyncapi.json": _json(asyncapi()),
        "destinations.md": GENERATED + destinations_markdown(),
        "rules.md": rules_markdown(),
        "topics.md": topics_markdown(),
        "settings.md": settings_markdown(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(record)}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.1 document of every topic."""
    schemas: dict[str, Any] = {}
    channels, operations = {}, {}
    for topic in TOPICS:
        channel: dict[str, Any] = {"address": topic.name, "description": topic.holds}
        message: dict[str, Any] = {"contentType": "application/json", "description": f"Key: {topic.key}."}
        if topic.name in RECORDS:
            (found,), components = msgspec.json.schema_components(
                [RECORDS[topic.name]], ref_template="#/components/schemas/{name}"
            )
            schemas.update(components)
            message["payload"] = found
        else:
            message["contentType"] = "application/octet-stream"
        channel["messages"] = {"record": message}
        channels[topic.name] = channel
        if "worker" in topic.writers or "cloverwatch" in topic.writers:
            operations[f"write.{topic.name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{topic.name}"}}
        if "worker" in topic.readers:
            operations[f"read.{topic.name}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{topic.name}"}}
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "cloverwatch", "version": version("cloverwatch"), "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas},
    }


def rules_markdown() -> str:
    """Return the reference of the rules."""
    parts = [
        GENERATED
        + "# Rules about accesses\n\nEach rule is one file in `rules/catalogue/`, with its cases beside it. A severity "
        "of `matrix` follows the sensitivity of the data and the class of the place, as the policy's matrix says.\n"
    ]
    for rule in RULES:
        looks = ", ".join(sorted(rule.sensitivities)) if rule.sensitivities else "all data"
        parts.append(
            f"## {rule.id}\n\n**{rule.title}** (version {rule.version}, severity {rule.severity}). {rule.why}\n\n"
            f"- Example: {rule.example}\n"
            f"- Looks at: {looks}; principals: {', '.join(sorted(rule.principals))}; "
            f"outcomes: {', '.join(sorted(rule.outcomes))}\n"
            f"- Reads: {', '.join(f'`{fact}`' for fact in sorted(rule.reads))}\n"
            f"- To tune: {rule.tune}\n"
            f"- References: {'; '.join(rule.references)}\n\n"
            "| case | fires |\n| --- | --- |\n"
            + "\n".join(_row(case.name, "yes" if case.fires else "no") for case in rule.cases)
            + "\n"
        )
    parts.append(
        "# Rules about behaviour\n\nEach is one file in `rules/behaviour/`; they look where the policy has a "
        "`[behaviour]`. What a history is, when an alert is amended and what is said of somebody new stands in "
        "[semantics](semantics.md#behaviour); how well they tell incidents from life in [evaluation](evaluation/).\n"
    )
    for behaviour in BEHAVIOUR_RULES:
        parts.append(
            f"## {behaviour.id}\n\n**{behaviour.title}** (version {behaviour.version}, severity {behaviour.severity}). "
            f"{behaviour.why}\n\n- Example: {behaviour.example}\n- To tune: {behaviour.tune}\n"
        )
        if behaviour.cases:
            rows = [_row(case.name, "yes" if case.fires else "no") for case in behaviour.cases]
            parts.append("| case | fires |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    parts.append(
        "# Rules about gateways\n\nWhat an access can have against the decision that it needs, and what a gateway can "
        "have: one table, `rules/matching/kinds.py`. They look where the policy has a `[gateway]` and `cloverwatch "
        "match` runs; how they are matched stands in [matching](matching.md). A policy's severity, also `matrix`, and "
        "`enabled` hold for them as for the others.\n"
    )
    parts += [
        f"## {kind.id}\n\n**{kind.title}** (version {kind.version}, severity {kind.severity}). {kind.why}\n\n"
        f"- Example: {kind.example}\n- To tune: {kind.tune}\n"
        for kind in KINDS
    ]
    return "\n".join(parts)


def topics_markdown() -> str:
    """Return the reference of the topics."""
    head = "| topic | holds | key | partitions | cleanup | retention | written by | read by | personal data |\n"
    rows = [
        _row(
            f"`{topic.name}`",
            topic.holds,
            topic.key,
            topic.partitions or "`partitions`",
            topic.cleanup,
            "for ever" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days",
            topic.writers,
            topic.readers,
            topic.personal_data,
        )
        for topic in TOPICS
    ]
    return GENERATED + "# Topics\n\n" + head + "| --- " * 9 + "|\n" + "\n".join(rows) + "\n"


def settings_markdown() -> str:
    """Return the reference of the settings, and of every named number in the code."""
    parts = [
        GENERATED
        + "# Settings\n\nFrom the file that `--settings` or `CLOVERWATCH_SETTINGS` names (TOML), and from the "
        "environment, which wins.\n\n| setting | environment | default | allowed | meaning |\n"
        "| --- | --- | --- | --- | --- |"
    ]
    for field in dataclasses.fields(Settings):
        default = "none" if field.default is None else f"`{field.default}`"
        if field.name == "data_dir":
            default = "`cloverwatch` in the system's temporary folder"
        allowed = ", ".join(field.metadata["allowed"]) or (
            f"at least {field.metadata['least']:g}" if field.metadata["least"] is not None else ""
        )
        environment = f"`{PREFIX}{field.name.upper()}`"
        parts.append(_row(f"`{field.name}`", environment, default, allowed, field.metadata["help"]))
    parts.append(
        "\n## Limits, timeouts and thresholds in the code\n\nNot to be set: each is what its reason says, and a change "
        "is a change of the program.\n\n| name | value | where | reason |\n| --- | --- | --- | --- |"
    )
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts += [
                _row(f"`{name}`", f"`{value}`", f"`{path.relative_to(ROOT)}`", " ".join(reason.split()))
                for name, value, reason in constants(path.read_text(encoding="utf-8"))
            ]
    return "\n".join(parts) + "\n"


def _row(*cells: object) -> str:
    """Return a row of a table; a bar in a cell is no border."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def constants(source: str) -> list[tuple[str, str, str]]:
    """Return (name, value, reason) of every number at the top of a module that is followed by its reason."""
    body = ast.parse(source).body
    found = []
    for statement, following in pairwise(body):
        target: ast.expr
        if isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        else:
            continue
        if (
            isinstance(target, ast.Name)
            and target.id.isupper()
            and value is not None
            and _numeric(value)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found.append((target.id, ast.unparse(value), following.value.value))
    return found


def _numeric(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _numeric(value.left) and _numeric(value.right)
    return isinstance(value, ast.Name) or (isinstance(value, ast.Constant) and isinstance(value.value, (int, float)))
