"""Who a change of the policy says proposed it: a key that the policy in force knows, or it is said that nobody does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agents.policy_auditors import sig_of
from agents.policy_changes import proposed
from alerts.signatures import Signer
from rules.cases import POLICY, T
from tests.cli.conftest import Run

DANA, EVE, FALSE_DANA = (Signer(name, bytes([at]) * 32) for at, name in enumerate(("dana", "eve", "dana"), 1))


def naming(*people: Signer) -> str:
    """A policy's people."""
    return "".join(f'[people.{each.name}]\nkey = "{each.public}"\nroles = ["analyst"]\n' for each in people)


NOBODY = naming()
FORGED = "the proposal is not signed by 'dana'"
STRANGER = "the proposal is by 'eve', who is not in [people] of the policy in force; allowed: dana"
OF_NONE = "unverified: no policy says what the key of 'eve' is"
OF_ITSELF = "unverified: what the key of 'eve' is says only the policy that is proposed"


@pytest.mark.parametrize(
    ("by", "old", "new", "refused", "words"),
    [
        (DANA, naming(DANA), naming(DANA), False, None),
        (DANA, naming(DANA), NOBODY, False, None),
        (FALSE_DANA, naming(DANA), naming(DANA), True, FORGED),
        (FALSE_DANA, naming(DANA), naming(FALSE_DANA), True, FORGED),
        (FALSE_DANA, NOBODY, naming(DANA), True, FORGED),
        (EVE, naming(DANA), naming(DANA), True, STRANGER),
        (EVE, naming(DANA), naming(DANA, EVE), True, STRANGER),
        (EVE, NOBODY, NOBODY, False, OF_NONE),
        (EVE, NOBODY, naming(EVE), False, OF_ITSELF),
        (EVE, None, NOBODY, False, OF_NONE),
        (EVE, None, naming(EVE), False, OF_ITSELF),
    ],
)
def test_who_proposed_is_verified_or_said_not_to_be(
    run: Run, tmp_path: Path, by: Signer, old: str | None, new: str, refused: bool, words: str | None
) -> None:
    """What is not refused goes on to the brokers, of which there are none: exit 1."""
    place, path = tmp_path / "policy.toml", tmp_path / "new.toml"
    before = None if old is None else (POLICY + old).encode()
    content = (POLICY + "# another\n" + new).encode()
    if before is not None:
        place.write_bytes(before)
    path.write_bytes(content)
    sig_of(path).write_bytes(msgspec.json.encode(proposed(content, before, by, T, "less noise")))
    said = run("policy", "adopt", path, "--to", place, broker="127.0.0.1:1", start_timeout_s="0.2")
    assert said.code == (2 if refused else 1), said.err
    assert ("unverified" in said.err) == (words is not None and not refused)
    if words is not None:
        assert words in said.err
    assert place.exists() == (old is not None)
