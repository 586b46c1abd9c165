"""Of a policy that changed, what approvals rest on."""

from __future__ import annotations

import pytest

from agents.approvals.bearing import NO_MATTER, bearing
from tests.approvals.office import POLICY_TEXT


@pytest.mark.parametrize("section", sorted(NO_MATTER))
def test_what_says_nothing_of_approvals_makes_nobody_verify_them_anew(section: str) -> None:
    assert bearing(f"{POLICY_TEXT}\n[{section}.added]\nx = 1\n".encode()) == bearing(POLICY_TEXT.encode())


@pytest.mark.parametrize(
    "added",
    [
        "[people.zoe]\nkey = 'k'\n",
        "[gateway.break_glass]\nroles = ['x']\n",
        "[perimeters.x]\ny = 1\n",
        "[networks.x]\ny = 1\n",
        "[something.new]\ny = 1\n",
    ],
)
def test_whatever_else_changes_does(added: str) -> None:
    assert bearing(added.encode()) != bearing(b"")
