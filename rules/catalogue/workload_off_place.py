"""A role that a machine uses, used from elsewhere."""

from rules.cases import Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import ATTEMPTS, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the address is known and in none of the workload's networks."""
    if facts.workload is None or facts.on_site is not False:
        return None
    return Flag("a machine's role was used from an address outside the machine's networks")


_MACHINE = {"principal_type": "workload", "principal_id": "proxy", "employee_id": None}

RULE = Rule(
    id="workload.off_place",
    title="Machine's role used off its place",
    why="Credentials of a machine that turn up elsewhere were taken from it: the pattern of well-known breaches.",
    example="The role of a reverse proxy lists buckets from a laptop.",
    tune="`networks` of the workload's row.",
    references=("MITRE ATT&CK T1552.005",),
    severity="high",
    principals=frozenset({"workload"}),
    outcomes=ATTEMPTS,
    reads=frozenset({"workload", "on_site"}),
    check=check,
    cases=(
        Case(name="from a laptop", fires=True, workload={"networks": ["10.0.0.0/16"]},
             event={**_MACHINE, "source_ip": "1.2.3.4"}),
        Case(name="from a laptop, with its port", fires=True, workload={"networks": ["10.0.0.0/16"]},
             event={**_MACHINE, "source_ip": "1.2.3.4:443"}),
        Case(name="from its own network", fires=False, workload={"networks": ["10.0.0.0/16"]},
             event={**_MACHINE, "source_ip": "10.0.255.255"}),
        Case(name="one address beyond its network", fires=True, workload={"networks": ["10.0.0.0/16"]},
             event={**_MACHINE, "source_ip": "10.1.0.0"}),
        Case(name="no networks are listed", fires=False, workload={}, event={**_MACHINE, "source_ip": "1.2.3.4"}),
        Case(name="the address is not known", fires=False, workload={"networks": ["10.0.0.0/16"]}, event=_MACHINE),
        Case(name="a malformed address", fires=False, workload={"networks": ["10.0.0.0/16"]},
             event={**_MACHINE, "source_ip": "a proxy"}),
        Case(name="a machine that no row knows", fires=False, event={**_MACHINE, "source_ip": "1.2.3.4"}),
    ),
)  # fmt: skip
