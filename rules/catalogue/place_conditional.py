"""Access from a country that is adequate only for certified organisations, by staff of one that is not."""

from rules.cases import Case
from rules.facts import Facts
from rules.join import country_name
from rules.policy import Policy
from rules.rule import PEOPLE, SENSITIVE, Flag, Rule
from schemas.places import PlaceClass


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the place is conditional and the employer does not meet the condition."""
    if facts.effective is not PlaceClass.CONDITIONAL:
        return None
    return Flag(
        f"reached from {country_name(facts.place.country)}, adequate only for certified organisations, "
        "which the employer is not recorded to be"
    )


RULE = Rule(
    id="place.conditional",
    title="Access from a conditionally adequate country",
    why="The adequacy decisions for the United States and Canada hold for certified or commercial organisations "
    "only; staff of others are in a third country.",
    example="An employee of the Irish entity works from New York, where that entity is not certified.",
    tune="`frameworks` of the employer's entity; `sensitivities` of the rule; the severity matrix.",
    references=("(EU) 2023/1795", "2002/2/EC"),
    sensitivities=SENSITIVE,
    principals=PEOPLE,
    reads=frozenset({"effective", "place"}),
    check=check,
    cases=(
        Case(name="Irish staff in the United States", fires=True, badge="US"),
        Case(name="staff of the certified entity", fires=False, badge="US", employee={"employer": "clover-us"}),
        Case(name="the entity's certificate is for the EU regime, the data is Swiss", fires=True, badge="US",
             employee={"employer": "clover-us"}, dataset={"subject_region": "CH"}),
        Case(name="an employer that the policy does not know", fires=True, badge="US",
             employee={"employer": "acme"}),
        Case(name="in Ireland", fires=False),
        Case(name="in Japan, which is adequate", fires=False, badge="JP"),
    ),
)  # fmt: skip
