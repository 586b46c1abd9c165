"""Access from nobody knows where."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import SENSITIVE, Flag, Rule
from schemas.places import PlaceClass


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where no credible evidence gives a country."""
    if facts.effective is not PlaceClass.UNKNOWN:
        return None
    expired = sum(evidence.stood == "expired" for evidence in facts.place.evidence)
    return Flag("nothing says from where it was reached" + (f"; {expired} evidence too old" if expired else ""))


RULE = Rule(
    id="place.unknown",
    title="Access from an unknown place",
    why="What cannot be placed cannot be shown to have stayed inside; it is judged as the worst that it could be.",
    example="An account without contract, badge or device data reads a restricted dataset over a cloud provider.",
    tune="Feed `directory.locations`; map office and VPN ranges under `networks`; `evidence.max_age`.",
    references=("GDPR Art. 5(2)",),
    sensitivities=SENSITIVE,
    reads=frozenset({"effective", "place"}),
    check=check,
    cases=(
        Case(name="no evidence at all", fires=True, badge=None),
        Case(name="a badge in Dublin", fires=False),
        Case(name="only a contract: presumed, not unknown", fires=False, badge=None,
             locations=(("contract", "IE", -90 * DAY, None),)),
        Case(name="announced travel ended this very millisecond", fires=True, badge=None,
             locations=(("travel", "DE", -DAY, 0),)),
        Case(name="announced travel ends in a millisecond", fires=False, badge=None,
             locations=(("travel", "DE", -DAY, 1),)),
        Case(name="a malformed address says nothing", fires=True, badge=None, event={"source_ip": "253.252.51.07x"}),
        Case(name="a private address says nothing", fires=True, badge=None, event={"source_ip": "10.0.0.1"}),
    ),
)  # fmt: skip
