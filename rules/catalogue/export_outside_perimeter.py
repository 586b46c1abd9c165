"""Data exported or opened to somewhere outside the perimeter."""

from rules.cases import Case
from rules.facts import Facts
from rules.join import country_name
from rules.policy import Policy
from rules.rule import ANYBODY, SENSITIVE, Flag, Rule
from schemas.places import PlaceClass

LEAVES = frozenset({"export", "grant"})
"""Actions by which data goes, or is opened, to a destination."""


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the destination is not inside; severity by the destination's class."""
    to = facts.destination
    if to is None or facts.action not in LEAVES or to.place_class is PlaceClass.INSIDE:
        return None
    where = f"{to.name}, which is no known site" if to.country is None else country_name(to.country)
    verb = "exported to" if facts.action == "export" else "opened to"
    return Flag(f"{verb} {where}, outside the perimeter", to.place_class)


RULE = Rule(
    id="export.outside_perimeter",
    title="Export or grant to outside the perimeter",
    why="A copy or a share outside the perimeter takes the data out of every control at once.",
    example="A database snapshot is shared with an account that is no site of the policy.",
    tune="List the site or account under `sites` and `sources.*.accounts`; `sensitivities` of the rule.",
    references=("GDPR Art. 44", "MITRE ATT&CK T1537"),
    sensitivities=SENSITIVE,
    principals=ANYBODY,
    reads=frozenset({"destination", "action"}),
    check=check,
    cases=(
        Case(name="to the site in Singapore", fires=True, event={"action": "export", "destination": "sin-1"}),
        Case(name="to the site in Dublin", fires=False, event={"action": "export", "destination": "dub-1"}),
        Case(name="a grant to an account that nobody knows", fires=True,
             event={"action": "grant", "destination": "aws:111122223333"}),
        Case(name="to a country by its alias, inside", fires=False,
             event={"action": "export", "destination": "EL"}),
        Case(name="an export without a destination", fires=False, event={"action": "export"}),
        Case(name="a read is no export", fires=False, event={"destination": "SG"}),
    ),
)  # fmt: skip
