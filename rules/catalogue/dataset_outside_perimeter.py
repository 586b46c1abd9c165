"""A dataset that is stored outside its perimeter: one alert per version of the dataset."""

from rules.cases import DAY, Case
from rules.facts import Facts
from rules.join import country_name
from rules.policy import Policy
from rules.rule import ANYBODY, ATTEMPTS, SENSITIVE, Flag, Rule
from schemas.places import PlaceClass


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the directory says that the dataset is stored outside."""
    if facts.stored is None or facts.stored.place_class is PlaceClass.INSIDE:
        return None
    site = f" ({facts.stored.site})" if facts.stored.site else ""
    return Flag(
        f"stored in {country_name(facts.stored.country)}{site}, outside the perimeter",
        facts.stored.place_class,
    )


RULE = Rule(
    id="dataset.outside_perimeter",
    title="Dataset stored outside its perimeter",
    why="Data at rest outside the perimeter is beyond the reach of every rule about access.",
    example="The directory moves a restricted dataset to the site in Singapore.",
    tune="Correct the dataset's row; `sites`; `perimeter.countries`.",
    references=("GDPR Art. 44",),
    sensitivities=SENSITIVE,
    principals=ANYBODY,
    outcomes=ATTEMPTS,
    scope="dataset",
    reads=frozenset({"stored"}),
    check=check,
    cases=(
        Case(name="in Singapore", fires=True, dataset={"site": "sin-1", "site_country": "SG"}),
        Case(name="in Dublin", fires=False),
        Case(name="by its site alone", fires=True, dataset={"site": "sin-1", "site_country": None}),
        Case(name="nobody says where", fires=False, dataset={"site": None, "site_country": None}),
        Case(name="stored in London, inside this perimeter", fires=False,
             dataset={"site": None, "site_country": "GB"}),
        Case(name="a dataset that is not known yet", fires=False,
             dataset={"site_country": "SG", "valid_from_in": DAY}),
    ),
)  # fmt: skip
