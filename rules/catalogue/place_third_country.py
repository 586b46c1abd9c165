"""Access from a third country without an adequacy decision."""

from rules.cases import DAY, HOUR, Case, T
from rules.facts import Facts
from rules.join import country_name
from rules.policy import Policy
from rules.rule import PEOPLE, SENSITIVE, Flag, Rule
from schemas.places import PlaceClass


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the believed place is a third country."""
    if facts.effective is not PlaceClass.THIRD_COUNTRY:
        return None
    presumed = ", presumed from the contract" if facts.place.presumed else ""
    return Flag(f"reached from {country_name(facts.place.country)}, a third country without adequacy{presumed}")


RULE = Rule(
    id="place.third_country",
    title="Access from a third country",
    why="Remote access from a third country can itself be a transfer under chapter V of the GDPR (Irish DPC, "
    "2 May 2025), and the law there may let authorities reach the data.",
    example="An employee whose badge was read in Singapore an hour ago reads a restricted dataset.",
    tune="`sensitivities` of the rule; `perimeter.countries`; the severity matrix; an exemption with an end.",
    references=("GDPR Art. 44-46", "EDPB Guidelines 05/2021"),
    sensitivities=SENSITIVE,
    principals=PEOPLE,
    reads=frozenset({"effective", "place"}),
    check=check,
    cases=(
        Case(name="a badge in Singapore", fires=True, badge="SG"),
        Case(name="a badge in Dublin", fires=False),
        Case(name="a VPN exit in Dublin does not move a badge in Singapore", fires=True, badge="SG",
             locations=(("vpn", "IE", -HOUR, None),)),
        Case(name="the badge in India is a minute too old, the contract in Ireland stands", fires=False,
             badge=None, locations=(("badge", "IN", -30 * DAY, None), ("contract", "IE", -90 * DAY, None))),
        Case(name="the badge in India is as old as it may be", fires=True, badge=None,
             locations=(("badge", "IN", -30 * DAY + 1, None), ("contract", "IE", -90 * DAY, None))),
        Case(name="pseudonymised data may be reached", fires=False, badge="SG",
             dataset={"sensitivity": "pseudonymised"}),
        Case(name="a denied attempt reached nothing", fires=False, badge="SG", event={"outcome": "denied"}),
        Case(name="Brazil became adequate on 26 January 2026", fires=False, badge="BR"),
        Case(name="Brazil the day before", fires=True, badge=None,
             event={"occurred_at": 1_769_385_600_000 - 1},
             locations=(("badge", "BR", 1_769_385_600_000 - T - DAY, None),), roles=(("reader", -90 * DAY, None),),
             employee={"valid_from": T - 200 * DAY}, dataset={"valid_from": T - 200 * DAY}),
        Case(name="no evidence is unknown, not third", fires=False, badge=None),
    ),
)  # fmt: skip
