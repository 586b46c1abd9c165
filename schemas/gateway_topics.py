"""Topics of the gateways and of the audit: decisions, approvals, what was judged, changes of the policy."""

from __future__ import annotations

from typing import Final

from schemas.topic import DAY_MS, Topic

GATEWAY_DECISIONS: Final = "gateway.decisions"
GATEWAY_APPROVALS: Final = "gateway.approvals"
STATE_MATCHES: Final = "state.matches"
GATEWAY_HEARD: Final = "gateway.heard"
COVERAGE: Final = "monitor.coverage"
POLICY_CHANGES: Final = "policy.changes"

GATEWAY_TOPICS: Final[tuple[Topic, ...]] = (
    Topic(
        name=GATEWAY_DECISIONS,
        key="the person, as `access.events`",
        partitions=None,
        cleanup="delete",
        retention_ms=30 * DAY_MS,
        writers="`cloverwatch gateway`",
        readers="`cloverwatch match`; the audit log",
        personal_data="employees, addresses",
        holds="what gateways asked and were answered, recorded before the answer",
    ),
    Topic(
        name=GATEWAY_APPROVALS,
        key="approval_id|step",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        writers="`cloverwatch approvals`; `cloverwatch gateway` (its API)",
        readers="every worker, `cloverwatch gateway`, `cloverwatch match`; whole",
        personal_data="employees, who asked and approved, their reasons",
        holds="time-boxed grants and break-glass: a record for each step, signed; when each came is the broker's time",
    ),
    Topic(
        name=STATE_MATCHES,
        key="bucket|term",
        partitions=None,
        cleanup="compact",
        retention_ms=None,
        max_message_bytes=8 * 1024 * 1024,
        writers="`cloverwatch match`",
        readers="`cloverwatch match`, a partition by its owner",
        personal_data="employees, what was decided and reached lately",
        holds="decisions and accesses that wait for each other, and how often decisions were used",
    ),
    Topic(
        name=GATEWAY_HEARD,
        key="partition|gateway",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        writers="`cloverwatch match`",
        readers="`cloverwatch match`, whole",
        personal_data="none",
        holds="when the last access under a decision of each gateway was seen, by partition of `access.events`",
    ),
    Topic(
        name=COVERAGE,
        key="topic|partition; of what is said of a process, its run or the worker",
        partitions=1,
        cleanup="delete",
        retention_ms=30 * DAY_MS,
        writers="the workers, `cloverwatch match`; every process of its own starts and stops",
        readers="the audit log",
        personal_data="none",
        holds="offsets judged, or held against decisions, and what they gave; starts, lives and stops; what is held",
    ),
    Topic(
        name=POLICY_CHANGES,
        key="sha256 of the policy file",
        partitions=1,
        cleanup="delete",
        retention_ms=1096 * DAY_MS,
        writers="`cloverwatch policy adopt`",
        readers="the audit log; with `policy_auditors` workers, `deliver`, `gateway`, `match` at their start",
        personal_data="who proposed and signed, their reasons; employees whom the policy names",
        holds="changes of the policy: what, by whom, why, signed by whom",
    ),
)
