"""The verdict part of an alert: what an auditor can compute again, and its hash."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from schemas.alert import Alert

VERDICT: Final = (
    "family", "rule_id", "severity", "reasons", "occurred_at", "principal_type", "dataset_id", "sensitivity", "action",
    "outcome", "place", "transfer",
)  # fmt: skip
"""The verdict part: of `reasons` rule, version and severity; of `place` country, class and whether it is presumed; of
`transfer` basis, the importer's country, regime and the date of the legal table's rows."""


def verdict_part(alert: Alert) -> dict[str, Any]:
    """Return what two judgements of the same access must have in common."""
    built = msgspec.to_builtins(alert)
    found: dict[str, Any] = {name: built.get(name) for name in VERDICT}
    found["reasons"] = [[each.rule_id, each.rule_version, each.severity] for each in alert.reasons]
    for name, parts in (
        ("place", ("country", "place_class", "presumed")),
        ("transfer", ("basis", "importer_country", "regime", "judged_on")),
    ):
        if found[name] is not None:
            found[name] = [found[name].get(part) for part in parts]
    return found


def verdict_hash(alert: Alert) -> str:
    """Return the SHA-256 of the verdict part, hex."""
    return sha256(msgspec.json.encode(verdict_part(alert))).hexdigest()
