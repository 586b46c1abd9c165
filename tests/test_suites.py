"""Each test belongs to exactly one suite."""

from itertools import product

from _pytest.mark.expression import Expression

from tests.suites import SUITES

MARKERS = ("broker", "faults", "slow", "engine", "hypothesis")


def test_each_set_of_markers_is_in_one_suite() -> None:
    compiled = {name: Expression.compile(text) for name, text in SUITES.items()}
    for chosen in product((False, True), repeat=len(MARKERS)):
        marks = dict(zip(MARKERS, chosen, strict=True))
        if marks["engine"] and (marks["broker"] or marks["faults"]):
            continue  # an engine brings its own broker
        found = [
            name for name, text in compiled.items() if text.evaluate(lambda marker, /, marks=marks, **_: marks[marker])
        ]
        assert len(found) == 1, (marks, found)
