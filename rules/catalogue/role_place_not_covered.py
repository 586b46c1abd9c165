"""A role used from a class of place that it does not cover."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import LET_THROUGH, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where roles allow the access, but none of them from such a place."""
    asked = (facts.sensitivity, facts.action, facts.dataset_id)
    allowing = {name: role for name, role in facts.roles.items() if role.allows(*asked)}
    if not allowing or any(facts.effective in role.places for role in allowing.values()):
        return None
    names = ", ".join(sorted(allowing))
    return Flag(f"the role {names} does not cover access from a place of class {facts.effective.value}")


RULE = Rule(
    id="role.place_not_covered",
    title="Role used from a place it does not cover",
    why="A role is granted for work in certain places; from elsewhere the same right is another risk.",
    example="A role that covers work inside the perimeter is used on a trip to Japan.",
    tune="`roles.*.places`; `sensitivities` of the rule.",
    references=("GDPR Art. 32",),
    outcomes=LET_THROUGH,
    reads=frozenset({"roles", "sensitivity", "action", "dataset_id", "effective"}),
    check=check,
    cases=(
        Case(name="inside-only, used in Japan", fires=True, badge="JP", roles=(("inside-only", -DAY, None),)),
        Case(name="used in Japan, let through, then failed", fires=True, badge="JP",
             roles=(("inside-only", -DAY, None),), event={"outcome": "error"}),
        Case(name="used in Japan and refused", fires=False, badge="JP",
             roles=(("inside-only", -DAY, None),), event={"outcome": "denied"}),
        Case(name="inside-only, used in Ireland", fires=False, roles=(("inside-only", -DAY, None),)),
        Case(name="another role covers Japan", fires=False, badge="JP",
             roles=(("inside-only", -DAY, None), ("reader", -DAY, None))),
        Case(name="an unknown place is not covered", fires=True, badge=None, roles=(("inside-only", -DAY, None),)),
        Case(name="no role allows it anyway", fires=False, badge="JP", roles=()),
    ),
)  # fmt: skip
