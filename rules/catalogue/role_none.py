"""Access that no role of the employee covers, now or at another time."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import LET_THROUGH, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where no role held allows it, and none that lapsed would have (`role.out_of_time` says that)."""
    asked = (facts.sensitivity, facts.action, facts.dataset_id)
    if any(role.allows(*asked) for role in facts.roles.values()):
        return None
    if any(lapsed.role.allows(*asked) for lapsed in facts.lapsed):
        return None
    held = ", ".join(sorted(facts.roles)) or "none"
    return Flag(f"no role allows {facts.action} of {facts.sensitivity} data (held: {held})")


RULE = Rule(
    id="role.none",
    title="No role for this sensitivity and action",
    why="The gateway let through what no role allows: the gateway, the role or the policy is wrong.",
    example="Somebody whose role may read restricted data deletes it.",
    tune="`roles.*.may`; grant the role; `sensitivities` of the rule.",
    references=("GDPR Art. 25(2), 32(4)",),
    outcomes=LET_THROUGH,
    reads=frozenset({"roles", "lapsed", "sensitivity", "action", "dataset_id"}),
    check=check,
    cases=(
        Case(name="a reader deletes", fires=True, event={"action": "delete"}),
        Case(name="a reader reads", fires=False),
        Case(name="no role at all", fires=True, roles=()),
        Case(name="a role that the policy does not know", fires=True, roles=(("wizard", -DAY, None),)),
        Case(name="a lapsed role is another rule's", fires=False, roles=(("reader", -30 * DAY, -DAY),)),
        Case(name="a lapsed role that would not have allowed it either", fires=True,
             roles=(("reader", -30 * DAY, -DAY),), event={"action": "delete"}),
        Case(name="denied, so nothing was reached", fires=False, roles=(), event={"outcome": "denied"}),
        Case(name="let through, then failed", fires=True, roles=(), event={"outcome": "error"}),
    ),
)  # fmt: skip
