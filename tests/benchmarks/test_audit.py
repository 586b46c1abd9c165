"""The figures of the audit log, small: the goals with room for a busy machine."""

from pathlib import Path

import pytest

from benchmarks.audit import LARGE, Large, measure


@pytest.mark.slow
def test_figures_are_far_from_where_they_would_hurt(tmp_path: Path) -> None:
    found = measure(40_000, LARGE, 20, tmp_path)
    assert found.appended_cpu > 20_000
    assert found.inclusion[0] < 100
    assert found.consistency[0] < 100


def test_the_simulated_log_is_a_tree() -> None:
    """Of a size that has tiles at every level: what is measured is what a real one would be."""
    large = Large(70_001)
    tree = large.tree()
    assert tree.root_at(70_001) == large.root
    assert list(tree.problems())[:1][0].where.startswith("tile/entries/"), "it has tiles, and no entries"
