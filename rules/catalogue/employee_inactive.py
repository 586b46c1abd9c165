"""Access by somebody who has left, is suspended, is on leave or is not employed yet."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import ATTEMPTS, Flag, Rule

_SAYS = {"terminated": "has left", "suspended": "is suspended", "leave": "is on leave"}


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the employee's status at the time was another than active."""
    if not facts.employee_known:
        return None
    if facts.employee is None:
        return Flag("the employee was not employed at that time")
    if facts.employee.status == "active":
        return None
    return Flag(f"the employee {_SAYS[facts.employee.status]}")


RULE = Rule(
    id="employee.inactive",
    title="Employee not active",
    why="Whoever has left or is away should not reach data; if the account does, somebody else may be using it.",
    example="The account of somebody who left on Friday reads data on Monday.",
    tune="Correct the employee's rows; an exemption with an end for a hand-over.",
    references=("ISO/IEC 27001:2022 A.6.5", "MITRE ATT&CK T1078"),
    severity="high",
    outcomes=ATTEMPTS,
    reads=frozenset({"employee", "employee_known"}),
    check=check,
    cases=(
        Case(name="left", fires=True, employee={"status": "terminated"}),
        Case(
            name="suspended, denied",
            fires=True,
            employee={"status": "suspended"},
            event={"outcome": "denied"},
        ),
        Case(name="on leave", fires=True, employee={"status": "leave"}),
        Case(name="active", fires=False),
        Case(name="the contract ends this millisecond", fires=True, employee={"valid_until_in": 0}),
        Case(name="the contract ends in a millisecond", fires=False, employee={"valid_until_in": 1}),
        Case(name="begins tomorrow", fires=True, employee={"valid_from_in": DAY}),
        Case(name="not known at all", fires=False, employee=None),
    ),
)
