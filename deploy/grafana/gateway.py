"""The gateways' decisions, accesses against them, and the audit log: what the three processes say of themselves."""

from __future__ import annotations

from typing import Final

from deploy.grafana.auditing import AUDIT, RECENT, or_none
from deploy.grafana.parts import (
    BYTES_A_SECOND,
    EVENTS_A_SECOND,
    NONE_IS_BAD,
    NONE_IS_GOOD,
    NUMBER,
    SECONDS,
    Query,
    Row,
    Sheet,
    W,
    bars,
    graph,
    number,
)


def _quantiles(metric: str) -> tuple[Query, ...]:
    """Half of them, and 99 in 100."""
    return tuple(
        Query(f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{W}}}[{RECENT}])))", name)
        for share, name in ((0.5, "half"), (0.99, "99 in 100"))
    )


_DECIDING: Final = Row(
    "Decisions",
    (
        number(
            "Decision points that are ready",
            "Processes of `cloverwatch gateway` that decide and record. With none, nobody is let through.",
            NUMBER,
            f"sum(cloverwatch_gateway_ready{{{W}}})",
            NONE_IS_BAD,
        ),
        number(
            "Decisions not recorded",
            "Decisions that brokers did not store in time, in the time that is shown: denied, or allowed unrecorded.",
            NUMBER,
            f"sum(increase(cloverwatch_gateway_unrecorded_decisions_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        number(
            "Decisions by what may be old",
            "Decisions while directories or approvals were not known to be read to their end, in the time that is shown: "
            "denied, or allowed where the policy says so.",
            NUMBER,
            f"sum(increase(cloverwatch_gateway_stale_decisions_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        number(
            "Corrected decisions",
            "Allows that were stored after a denial was answered, each followed by a record of the denial.",
            NUMBER,
            f"sum(increase(cloverwatch_gateway_corrected_decisions_total{{{W}}}[$__range]))",
        ),
        number(
            "Old policy or credentials",
            "Decision points that cannot use a new policy, or new tokens and certificates, and go on by older ones.",
            NUMBER,
            f"sum(cloverwatch_gateway_policy_reload_failed{{{W}}} + cloverwatch_gateway_credentials_reload_failed{{{W}}})",
            NONE_IS_GOOD,
        ),
        number(
            "Approvals known",
            "Approvals that the decision points know, of any state.",
            NUMBER,
            f"max(cloverwatch_gateway_approvals{{{W}}})",
        ),
        number(
            "Policies in force",
            "Different policies by which workers and decision points judge: one, but for a change.",
            NUMBER,
            "count(count by (policy) (cloverwatch_policy_info))",
            ((None, "green"), (2, "orange")),
        ),
        graph(
            "Decisions",
            "Decisions that were answered, by effect and caller.",
            EVENTS_A_SECOND,
            Query(
                f"sum by (effect, caller) (rate(cloverwatch_gateway_decisions_total{{{W}}}[{RECENT}]))",
                "{{effect}} {{caller}}",
            ),
            width=8,
            stacked=True,
        ),
        graph(
            "Answered within",
            "From a request's head to its answer, decisions recorded. The goal is 25 ms for 99 in 100.",
            SECONDS,
            *_quantiles("cloverwatch_gateway_answer_seconds"),
            width=8,
            steps=((None, "green"), (0.025, "orange"), (0.1, "red")),
        ),
        graph(
            "Recorded within",
            "From a decision to the brokers' acknowledgement: part of the time to answer.",
            SECONDS,
            *_quantiles("cloverwatch_gateway_record_seconds"),
            width=8,
        ),
        graph(
            "Processor time of a decision",
            "What weighing one takes. The goal is a millisecond for 99 in 100.",
            SECONDS,
            *_quantiles("cloverwatch_gateway_decide_cpu_seconds"),
            width=8,
            steps=((None, "green"), (0.001, "red")),
        ),
        graph(
            "Refused requests",
            "Requests that got no decision, by why, within the hour before.",
            NUMBER,
            Query(f"sum by (reason) (increase(cloverwatch_gateway_refused_requests_total{{{W}}}[1h]))", "{{reason}}"),
            width=8,
        ),
        bars(
            "What denies",
            "The ten rules that stood against most denials within the last hour.",
            NUMBER,
            Query(f"topk(10, sum by (rule) (increase(cloverwatch_gateway_denials_total{{{W}}}[1h])))", "{{rule}}"),
            width=8,
        ),
        graph(
            "Requests in flight",
            "Requests that are being answered, and connections that are open.",
            NUMBER,
            Query(f"sum(cloverwatch_gateway_requests_in_flight{{{W}}})", "requests"),
            Query(f"sum(cloverwatch_gateway_connections{{{W}}})", "connections"),
            width=8,
        ),
        graph(
            "Searches",
            "Searches that were answered, by what was searched.",
            EVENTS_A_SECOND,
            Query(f"sum by (kind) (rate(cloverwatch_gateway_searches_total{{{W}}}[{RECENT}]))", "{{kind}}"),
            width=8,
        ),
        graph(
            "Approvals and directory rows that do not count",
            "Rows that decision points cannot use, and records of approvals that workers put away, within the hour before; "
            "approvals of before each step had a record, of which compaction left one: ask again for those.",
            NUMBER,
            Query(
                or_none(
                    f"sum by (topic) (increase(cloverwatch_gateway_reference_bad_rows_total{{{W}}}[1h]))",
                    "cloverwatch_gateway_ready",
                ),
                "rows of {{topic}}",
            ),
            Query(
                f'sum by (topic) (increase(cloverwatch_dead_letters_total{{topic="gateway.approvals",{W}}}[1h]))',
                "{{topic}}",
            ),
            Query(f"max(cloverwatch_approvals_old_form{{{W}}})", "approvals in the old form"),
            width=8,
            steps=NONE_IS_GOOD,
        ),
        number(
            "Policies refused",
            "Policies that workers refused because the auditors did not sign them, in the time that is shown.",
            NUMBER,
            f"max(increase(cloverwatch_policy_refused_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
            width=8,
        ),
        number(
            "Approvals that do not count",
            "Records of gateway.approvals that were put away in the time that is shown: forged, or not allowed.",
            NUMBER,
            f'max(sum by (instance) (increase(cloverwatch_dead_letters_total{{topic="gateway.approvals",{W}}}[$__range])))',
            NONE_IS_GOOD,
            width=8,
        ),
        number(
            "Findings that an approval covers",
            "Findings of rules that a valid approval takes for right, in the time that is shown.",
            NUMBER,
            f"sum(increase(cloverwatch_approved_findings_total{{{W}}}[$__range]))",
            width=8,
        ),
    ),
)

_MATCHING: Final = Row(
    "Accesses against decisions",
    (
        number(
            "Matchers that are ready",
            "Processes of `cloverwatch match` that match, or stand by. With none, no bypass is noticed.",
            NUMBER,
            f"sum(cloverwatch_matching_ready{{{W}}})",
            NONE_IS_BAD,
        ),
        number(
            "Accesses not matched yet",
            "Accesses that the group has not read.",
            NUMBER,
            "cloverwatch:matching_lag_records:sum",
            ((None, "green"), (1_000, "orange"), (100_000, "red")),
        ),
        number(
            "Begun anew",
            "How often matching failed and was begun anew, in the time that is shown.",
            NUMBER,
            f"sum(increase(cloverwatch_matching_restarts_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        number(
            "Matched by an old policy",
            "Processes that cannot use a new policy and match by the one before.",
            NUMBER,
            f"sum(cloverwatch_matching_policy_reload_failed{{{W}}})",
            NONE_IS_GOOD,
        ),
        number(
            "Decisions read",
            "Decisions that matching has read, a second.",
            EVENTS_A_SECOND,
            f"sum(rate(cloverwatch_matching_decisions_total{{{W}}}[{RECENT}]))",
        ),
        number(
            "Decisions that cannot be read",
            "Records that matching cannot use, in the time that is shown.",
            NUMBER,
            f"sum(increase(cloverwatch_matching_bad_records_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        number(
            "Decisions forgotten in use",
            "Decisions of people who had more than 10,000 at once, the oldest forgotten, in the time that is shown: "
            "accesses under those are told as bypasses.",
            NUMBER,
            f"sum(increase(cloverwatch_matching_crowded_decisions_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        graph(
            "Accesses matched",
            "Accesses that were read, by what became of them.",
            EVENTS_A_SECOND,
            Query(f"sum by (fate) (rate(cloverwatch_matching_accesses_total{{{W}}}[{RECENT}]))", "{{fate}}"),
            width=8,
            stacked=True,
        ),
        graph(
            "Findings",
            "What matching found within the hour before: bypasses, denied yet done and the others.",
            NUMBER,
            Query(f"sum by (rule_id) (increase(cloverwatch_matching_findings_total{{{W}}}[1h]))", "{{rule_id}}"),
            width=8,
            stacked=True,
        ),
        graph(
            "Rows not said under a limit",
            "Accesses under a row limit that say neither record_count nor subject_ids, by gateway: the limit cannot be "
            "checked.",
            EVENTS_A_SECOND,
            Query(f"sum by (gateway) (rate(cloverwatch_matching_rows_unsaid_total{{{W}}}[{RECENT}]))", "{{gateway}}"),
            width=8,
        ),
        graph(
            "From access to alert",
            "From an access's append to that of its alert. The goal is a second.",
            SECONDS,
            *_quantiles("cloverwatch_matching_delay_seconds"),
            width=8,
            steps=((None, "green"), (1, "red")),
        ),
        graph(
            "Wait for their decisions",
            "Accesses whose decisions may yet come; at 20,000 a partition no more are read.",
            NUMBER,
            Query(f"sum by (instance) (cloverwatch_matching_waiting_accesses{{{W}}})", "{{instance}}"),
            width=8,
        ),
        graph(
            "In memory",
            "Decisions, ids of everybody's decisions, and people that matching remembers.",
            NUMBER,
            Query(f"sum(cloverwatch_matching_remembered_decisions{{{W}}})", "decisions"),
            Query(f"max(cloverwatch_matching_remembered_ids{{{W}}})", "ids"),
            Query(f"sum(cloverwatch_matching_remembered_people{{{W}}})", "people"),
            width=8,
        ),
        graph(
            "Memories written",
            "Snapshots that matching writes to state.matches.",
            BYTES_A_SECOND,
            Query(f"sum by (instance) (rate(cloverwatch_matching_state_bytes_total{{{W}}}[{RECENT}]))", "{{instance}}"),
            width=8,
        ),
    ),
)

GATEWAY: Final = Sheet(
    uid="cloverwatch-gateway",
    title="cloverwatch / gateways and audit",
    description="What gateways decide, whether accesses keep to it, and whether all of it can be proved.",
    by="cloverwatch_build_info",
    rows=(_DECIDING, _MATCHING, AUDIT),
)
