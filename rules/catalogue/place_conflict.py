"""Credible evidence that the person was somewhere worse than where they are believed to have been."""

from rules.cases import DAY, HOUR, Case
from rules.facts import Facts
from rules.join import country_name
from rules.policy import Policy
from rules.rule import PEOPLE, SENSITIVE, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where evidence contradicts the place for the worse; severity by the worse class."""
    if facts.conflict is None:
        return None
    return Flag(
        f"believed in {country_name(facts.place.country)}, yet {_SAYS[facts.conflict.kind]} "
        f"{country_name(facts.conflict.country)}",
        facts.conflict_class,
    )


_SAYS = {
    "device_claim": "the device claims",
    "device": "device management says",
    "badge": "a badge was read in",
    "travel": "travel was announced to",
    "contract": "the contract says",
    "vpn": "the VPN session came from",
    "source_ip": "the address is registered in",
}

RULE = Rule(
    id="place.conflict",
    title="Contradicting evidence of the place",
    why="Two places at once mean that one record is wrong or that somebody else uses the account; neither may "
    "hide an access from outside.",
    example="The laptop claims Ireland while the badge was read in Singapore this morning.",
    tune="Map ranges that say nothing of a place under `networks`; `evidence.max_age`.",
    references=("NIST SP 800-63B 5.2 (session binding)",),
    sensitivities=SENSITIVE,
    principals=PEOPLE,
    reads=frozenset({"conflict", "conflict_class", "place"}),
    check=check,
    cases=(
        Case(name="the device claims Ireland, the badge says Singapore", fires=True, badge="SG",
             event={"device_country": "IE"}),
        Case(name="the badge says Ireland, an Indian address", fires=True, event={"source_ip": "49.32.0.1"}),
        Case(name="an Irish badge and an address at a cloud provider", fires=False,
             event={"source_ip": "52.95.110.1"}),
        Case(name="evidence of a better place is no conflict", fires=False, badge="SG",
             locations=(("vpn", "IE", -HOUR, None),)),
        Case(name="a contract in India does not contradict a badge in Dublin", fires=False,
             locations=(("contract", "IN", -90 * DAY, None),)),
        Case(name="an Indian badge whose time is over", fires=False, badge=None,
             event={"device_country": "IE"}, locations=(("badge", "IN", -30 * DAY, None),)),
    ),
)  # fmt: skip
