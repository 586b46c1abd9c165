"""Who takes the record of a look out of `privacy.requests`, or edits it there, is found by the log and the topics."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.request import Step
from schemas.topics import PRIVACY_REQUESTS
from tests.audit.making import World
from tests.audit.test_verify import Verify, verify, world  # noqa: F401 - fixtures


def looked(world: World, number: int, reason: str) -> bytes:
    """A step: somebody looked at a person."""
    step = Step(step_id=f"s-{number}", request_id=f"r-{number}", kind="looked", by="anna", at=world.now, reason=reason)
    return msgspec.json.encode(step)


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    ("manipulation", "words"), [("nothing", None), ("removed", "it was removed"), ("edited", "it was edited")]
)
def test_a_look_that_is_hidden_in_its_topic(
    world: World, verify: Verify, tmp_path: Path, manipulation: str, words: str | None, at: int
) -> None:
    steps = [world.store(PRIVACY_REQUESTS, 0, f"r-{number}", looked(world, number, "night")) for number in range(3)]
    if manipulation == "removed":
        world.stored.remove(steps[at])
    elif manipulation == "edited":
        steps[at].value = looked(world, at, "asked for by the works council")
    said = verify(world, "--topics", str(world.export(tmp_path / "topics")))
    if words is None:
        assert (said.code, said.found) == (0, [])
        return
    (found,) = [each for each in said.found if words in str(each)]
    assert (said.code, found["topic"], found["offset"]) == (1, PRIVACY_REQUESTS, at)
