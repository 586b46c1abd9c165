"""One good record of every kind, as JSON values."""

from __future__ import annotations

from typing import Any

EVENT: dict[str, Any] = {
    "event_id": "ev-1",
    "occurred_at": 1_772_445_600_000,
    "employee_id": "e-1",
    "dataset_id": "users",
    "action": "read",
    "ticket": "T-1",
}
_TIMES = {"valid_from": 1_772_000_000_001, "recorded_at": 1_772_000_000_002}
ROWS: dict[str, dict[str, Any]] = {
    "directory.employees": {
        **_TIMES,
        "employee_id": "e-1",
        "status": "active",
        "home_country": "IE",
        "team": "t",
    },
    "directory.locations": {**_TIMES, "employee_id": "e-1", "country": "IE", "evidence": "badge"},
    "directory.roles": {**_TIMES, "employee_id": "e-1", "role": "reader", "granted_by": "e-2"},
    "directory.datasets": {
        **_TIMES,
        "dataset_id": "users",
        "subject_region": "EEA",
        "sensitivity": "restricted",
        "site_country": "IE",
        "owner": "t",
        "canary": True,
    },
    "directory.duties": {**_TIMES, "employee_id": "e-1", "duty": "on_call"},
    "directory.subjects": {**_TIMES, "subject_id": "s-1", "employee_id": "e-1", "watched": True, "canary": False},
    "directory.workloads": {
        **_TIMES,
        "principal_id": "proxy",
        "owner": "t",
        "networks": ["10.0.0.0/8"],
        "site": "dub-1",
    },
    "directory.copies": {
        **_TIMES,
        "dataset_id": "users",
        "copy_id": "nightly",
        "copy_kind": "backup",
        "site": "osl-1",
        "site_country": "NO",
        "destination": "vault",
        "purpose": "recovery",
        "moving_to": "dub-1",
        "moving_by": 1_773_000_000_000,
    },
}
ALERT_RECORD: dict[str, Any] = {
    "alert_id": "0123",
    "family": "access",
    "rule_id": "place.third_country",
    "severity": "critical",
    "title": "t",
    "explanation": "Employee é read users.",
    "reasons": [{"rule_id": "place.third_country", "rule_version": 1, "severity": "critical", "sentence": "s"}],
    "occurred_at": 1_772_445_600_000,
    "detected_at": 1_772_445_600_001,
    "event": {"event_id": "ev-1", "topic": "access.events", "partition": 3, "offset": 9},
    "person": "e-1",
    "dataset_id": "users",
    "place": {
        "country": "IN",
        "place_class": "third_country",
        "presumed": False,
        "evidence": [
            {"kind": "badge", "country": "IN", "place_class": "third_country", "age_ms": 5, "stood": "believed"},
            {"kind": "source_ip", "country": None, "place_class": None, "age_ms": 0, "stood": "says_nothing"},
        ],
    },
    "transfer": {
        "importer": "clover-in",
        "importer_country": "IN",
        "basis": "none_recorded",
        "judged_on": "2026-03-02",
        "regime": "EU",
        "note": "no basis recorded",
    },
    "facts": {"roles": ["reader"], "exempted": [{"rule_id": "x", "exemption": "y"}], "late": False, "ratio": 0.5},
    "judged_with": {
        "policy": "p",
        "legal_table": "l",
        "geo_table": "g",
        "directories": "d",
        "known": {"directory.employees": "0:5"},
    },
    "dedup_key": "k",
}
