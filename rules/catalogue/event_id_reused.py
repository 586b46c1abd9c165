"""An event id used again with other content."""

from rules.cases import Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import ANYBODY, ATTEMPTS, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where the id was seen before on another access of the same person."""
    return Flag("its event id was used before, for an access with other content") if facts.reused else None


RULE = Rule(
    id="event.id_reused",
    title="Event id used again",
    why="An id must not be a way to hide: a second access under the id of the first would pass as a repetition.",
    example="A gateway restarts its counter, or somebody writes records by hand.",
    tune="Repair the producer; an exemption for its dataset with an end.",
    references=("docs/delivery.md",),
    severity="medium",
    principals=ANYBODY,
    outcomes=ATTEMPTS,
    reads=frozenset({"reused"}),
    check=check,
    cases=(
        Case(name="the same id, other content", fires=True, reused=True),
        Case(name="a new id", fires=False),
        Case(name="denied, other content", fires=True, reused=True, event={"outcome": "denied"}),
    ),
)
