"""Access to a dataset that the directory does not know."""

from rules.cases import Case
from rules.facts import Facts
from rules.policy import Policy
from rules.rule import ANYBODY, Flag, Rule


def check(facts: Facts, _: Policy) -> Flag | None:
    """Fires where no row says what the dataset was at the time."""
    if facts.dataset is not None:
        return None
    return Flag(
        "the dataset has no valid row at that time; judged as restricted"
        if facts.dataset_known
        else "the directory does not know the dataset; judged as restricted"
    )


RULE = Rule(
    id="dataset.unknown",
    title="Unknown dataset",
    why="Data that nobody has classified may be anything, so it counts as restricted until somebody does.",
    example="A new bucket is read before it was entered into the directory.",
    tune="Enter the dataset; map the foreign name under `sources.*.datasets`.",
    references=("GDPR Art. 30",),
    severity="medium",
    principals=ANYBODY,
    reads=frozenset({"dataset", "dataset_known"}),
    check=check,
    cases=(
        Case(name="no row at all", fires=True, dataset=None),
        Case(name="a known dataset", fires=False),
        Case(name="its row begins a millisecond later", fires=True, dataset={"valid_from_in": 1}),
        Case(name="its row begins this millisecond", fires=False, dataset={"valid_from_in": 0}),
        Case(name="its row ended this millisecond", fires=True, dataset={"valid_until_in": 0}),
    ),
)
