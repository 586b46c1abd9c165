"""Access under a role that had expired or had not begun."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import LET_THROUGH, Flag, Rule
from schemas.fields import iso


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where no role held allows it, but one that is past or to come does."""
    asked = (facts.sensitivity, facts.action, facts.dataset_id)
    if any(role.allows(*asked) for role in facts.roles.values()):
        return None
    covering = [lapsed for lapsed in facts.lapsed if lapsed.role.allows(*asked)]
    past = [lapsed for lapsed in covering if lapsed.until <= facts.at]
    if past:
        last = max(past, key=lambda lapsed: lapsed.until)
        return Flag(f"the role {last.name} had expired at {iso(last.until)}")
    if covering:
        first = min(covering, key=lambda lapsed: lapsed.since)
        return Flag(f"the role {first.name} begins only at {iso(first.since)}")
    return None


RULE = Rule(
    id="role.out_of_time",
    title="Role expired or not begun",
    why="A right that outlives its reason is how most standing access comes about; gateways cache roles.",
    example="A role for a migration ended last week, and its holder still reads the tables.",
    tune="Prolong the role in the directory; shorten the gateway's cache.",
    references=("ISO/IEC 27001:2022 A.5.18",),
    outcomes=LET_THROUGH,
    reads=frozenset({"roles", "lapsed", "sensitivity", "action", "dataset_id"}),
    check=check,
    cases=(
        Case(name="expired yesterday", fires=True, roles=(("reader", -30 * DAY, -DAY),)),
        Case(name="begins tomorrow", fires=True, roles=(("reader", DAY, None),)),
        Case(name="ended this millisecond", fires=True, roles=(("reader", -30 * DAY, 0),)),
        Case(name="ends in a millisecond", fires=False, roles=(("reader", -30 * DAY, 1),)),
        Case(name="begins this millisecond", fires=False, roles=(("reader", 0, None),)),
        Case(name="another role covers it", fires=False,
             roles=(("reader", -30 * DAY, -DAY), ("inside-only", -DAY, None))),
        Case(name="never had a role", fires=False, roles=()),
        Case(name="let through, then failed", fires=True, roles=(("reader", -30 * DAY, -DAY),),
             event={"outcome": "error"}),
    ),
)  # fmt: skip
