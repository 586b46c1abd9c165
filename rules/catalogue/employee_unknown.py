"""Access by somebody the directory does not know."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import ATTEMPTS, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where no row speaks of the employee, whenever it holds."""
    return None if facts.employee_known else Flag("the directory has no employee of this id")


RULE = Rule(
    id="employee.unknown",
    title="Unknown employee",
    why="An account that belongs to nobody answers to nobody.",
    example="A test account that was never entered reads user data.",
    tune="Enter the employee; map the foreign name under `sources.*.employees`; mark machines as workloads.",
    references=("MITRE ATT&CK T1136",),
    severity="high",
    outcomes=ATTEMPTS,
    reads=frozenset({"employee_known"}),
    check=check,
    cases=(
        Case(name="no row", fires=True, employee=None),
        Case(name="no row, denied", fires=True, employee=None, event={"outcome": "denied"}),
        Case(name="a known employee", fires=False),
        Case(name="known, though not employed yet", fires=False, employee={"valid_from_in": DAY}),
        Case(name="a service is no employee", fires=False, employee=None,
             event={"principal_type": "service", "principal_id": "backup", "employee_id": None}),
    ),
)  # fmt: skip
