"""Who changed the policy, and why: what the log's entries say, and the words where a record was given.

An entry names nobody: keys stand for people, and a hash for the reason. The record of `policy.changes` has the reason;
its text is printed where its hash is the entry's, and the key counts where its signature is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from agents.audit.verifying.acts import Change
from agents.audit.verifying.findings import Findings
from alerts.signatures import good
from schemas.fields import TIME_MAX, iso
from schemas.gateway_topics import POLICY_CHANGES
from schemas.policy_change import PolicyChange, who_of

WHY_SHOWN: Final = 16
"""Digits of a hash that are printed, of a reason's and of a policy's."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a change."""

    step: str
    who: str
    """The id of the key; empty where the log does not say it."""
    auditor: str
    """Name of the auditor whose key it is, of those that were given; empty where no record was given, so that the
    signature was not looked at."""
    at: int
    why: str
    """The hash of the reason; empty where there is none."""
    reason: str | None
    """Its text; None where no record was given, or its hash is not that of the entry."""


def told(
    changes: Sequence[Change],
    records: Mapping[str, PolicyChange],
    auditors: Mapping[str, str],
    findings: Findings,
) -> dict[int, list[Told]]:
    """Return the steps of each change by the index of its entry; what an entry and its record differ in is a finding.

    Args:
        changes: as the log holds them.
        records: those of `policy.changes` that were given, by the SHA-256 of their bytes.
        auditors: public keys, base64, by name.
        findings: takes what does not hold.
    """
    names = {who_of(key): name for name, key in auditors.items()}
    found: dict[int, list[Told]] = {}
    for change in changes:
        record = records.get(change.record)
        if record is not None:
            _compare(change, record, findings)
        steps = [] if record is None else [record.proposed, *record.signed]
        whys = (
            {} if record is None else {each["why"]: step.reason for each, step in zip(record.steps, steps, strict=True)}
        )
        found[change.index] = [
            Told(
                step=each.step, who=each.who, at=each.at, why=each.why,
                auditor="" if record is None else names.get(each.who, ""), reason=whys.get(each.why),
            )
            for each in change.steps or ()
        ]  # fmt: skip
    return found


def _compare(change: Change, record: PolicyChange, findings: Findings) -> None:
    def say(what: str) -> None:
        findings.add(
            "policy", what, index=change.index, topic=POLICY_CHANGES, partition=0, offset=change.offset
        )  # fmt: skip

    if change.steps is not None and [msgspec.to_builtins(each) for each in change.steps] != record.steps:
        say(f"what the entry says of who changed the policy to {change.version}, and why, is not what the record says")
    if (change.sha256, change.before) != (record.sha256, record.before):
        say(
            f"the entry is of a change to {change.sha256[:WHY_SHOWN]}, its record of one to {record.sha256[:WHY_SHOWN]}"
        )
    for step, each in (("proposed", record.proposed), *(("signed", each) for each in record.signed)):
        if each.key and not good(record.step_part(step, each.by, each.at, each.reason), each.signature, each.key):
            say(f"{step} by the key {who_of(each.key)}, says the record, and the signature is not that key's")


def lines(steps: Sequence[Told]) -> list[str]:
    """Return the steps of one change, for a person."""
    return [f"    {each.step} by {_who(each)} at {iso(min(each.at, TIME_MAX))}{_why(each)}" for each in steps] or [
        "    who and why are not in the log: it was written by a version that did not say it"
    ]


def _who(step: Told) -> str:
    name = f" (the auditor {step.auditor})" if step.auditor else ""
    return f"the key {step.who}{name}" if step.who else "a key that the record does not name"


def _why(step: Told) -> str:
    if not step.why:
        return ", without a reason"
    if step.reason is None:
        return f", why: SHA-256 {step.why[:WHY_SHOWN]}…; no record with its text was given"
    return f": {step.reason}"
