"""Purpose or ticket missing or not allowed."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import LET_THROUGH, SENSITIVE, Flag, Rule


def check(facts: Facts, policy: Policy) -> Flag | None:
    """Fires where every role that allows the access asks for another purpose, or the purpose's ticket is missing."""
    asked = (facts.sensitivity, facts.action, facts.dataset_id)
    allowing = [role for role in facts.roles.values() if role.allows(*asked)]
    if not allowing or any(not role.purposes for role in allowing):
        return None
    allowed = sorted({purpose for role in allowing for purpose in role.purposes})
    if facts.purpose is None:
        return Flag(f"no purpose was given (allowed: {', '.join(allowed)})")
    if facts.purpose not in policy.purposes:
        return Flag("the purpose is none that the policy knows")
    if facts.purpose not in allowed:
        return Flag(f"the purpose {facts.purpose} is not one of the role's ({', '.join(allowed)})")
    if facts.ticket == "missing":
        return Flag(f"the purpose {facts.purpose} asks for a ticket, none was given")
    if facts.ticket == "refused":
        return Flag(f"the ticket is not of the form that {facts.purpose} asks for")
    return None


RULE = Rule(
    id="purpose.not_allowed",
    title="Purpose or ticket missing or not allowed",
    why="Data is held for stated purposes; an access without one cannot be shown to serve any of them.",
    example="A support agent opens a user's record without a ticket.",
    tune="`roles.*.purposes`, `purposes.*.ticket`, `purposes.*.ticket_pattern`; `sensitivities` of the rule.",
    references=("GDPR Art. 5(1)(b)",),
    severity="medium",
    sensitivities=SENSITIVE,
    outcomes=LET_THROUGH,
    reads=frozenset({"roles", "sensitivity", "action", "dataset_id", "purpose", "ticket"}),
    check=check,
    cases=(
        Case(name="no purpose", fires=True, event={"purpose": None}),
        Case(name="no purpose, let through, then failed", fires=True, event={"purpose": None, "outcome": "error"}),
        Case(name="no purpose, and refused", fires=False, event={"purpose": None, "outcome": "denied"}),
        Case(name="a purpose and its ticket", fires=False),
        Case(name="no ticket", fires=True, event={"ticket": None}),
        Case(name="a ticket of another form", fires=True, event={"ticket": "holiday"}),
        Case(name="a purpose that needs no ticket", fires=False, event={"purpose": "audit", "ticket": None}),
        Case(name="a purpose that nobody knows", fires=True, event={"purpose": "curiosity"}),
        Case(name="a role that asks for no purpose", fires=False, event={"purpose": None},
             roles=(("inside-only", -DAY, None),)),
        Case(name="no role at all is another rule's", fires=False, event={"purpose": None}, roles=()),
    ),
)  # fmt: skip
