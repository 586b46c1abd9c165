"""Who cosigns: what is wrong with the file is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.audit.tlog import NoteSigner
from agents.audit.tlog.notes import COSIGNATURE
from agents.audit.writing.witnesses import witnesses_of
from agents.settings import Settings
from schemas.errors import ConfigurationError

WITNESSES = [NoteSigner.new(f"witness-{number}.example", COSIGNATURE) for number in range(2)]


def settings(path: Path, text: str, needed: int = 1) -> Settings:
    path.write_text(text)
    return Settings(audit_witnesses=path, audit_witnesses_needed=needed)


def lines(count: int) -> str:
    return "# who cosigns\n\n" + "".join(
        f"{each.public} http://127.0.0.1:{9000 + number}/w\n" for number, each in enumerate(WITNESSES[:count])
    )


def test_witnesses_are_a_key_and_an_url_a_line(tmp_path: Path) -> None:
    found = witnesses_of(settings(tmp_path / "w", lines(2), 2), lambda _: None)
    assert [str(each) for each in found.policy.witnesses] == [str(each.public) for each in WITNESSES]
    assert found.policy.needed == 2
    assert witnesses_of(Settings(), lambda _: None).clients == ()


@pytest.mark.parametrize(
    ("text", "needed", "said"),
    [
        (lines(1), 2, "audit_witnesses_needed"),
        (lines(1) + lines(1), 1, "twice"),
        ("nobody http://127.0.0.1/", 1, r"w:1: .*public key"),
        (f"{WITNESSES[0].public} ftp://127.0.0.1/", 1, r"w:1: .*http"),
    ],
    ids=["too few", "twice", "no key", "no http"],
)
def test_a_file_of_witnesses_that_is_wrong_is_refused(tmp_path: Path, text: str, needed: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        witnesses_of(settings(tmp_path / "w", text, needed), lambda _: None)
