"""Who signs and who cosigns: what is wrong with a file is said, and a key is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.audit.tlog import NoteSigner
from agents.audit.tlog.notes import COSIGNATURE
from agents.audit.writing.keys import signer_of, witnesses_of
from agents.settings import Settings
from schemas.errors import ConfigurationError

LOG = NoteSigner.new("log.example/audit")
WITNESSES = [NoteSigner.new(f"witness-{number}.example", COSIGNATURE) for number in range(2)]


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_logs_key_is_read_from_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    assert str(signer_of(private(tmp_path / "a", LOG.private())).public) == str(LOG.public)
    with pytest.raises(ConfigurationError, match=r"audit_key: .*chmod 600"):
        signer_of(private(tmp_path / "b", LOG.private(), 0o644))
    with pytest.raises(ConfigurationError, match=r"audit_key: .*cannot be read"):
        signer_of(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="audit_key") as caught:
        signer_of(private(tmp_path / "c", LOG.private()[:-9]))
    assert LOG.private()[-30:-9] not in str(caught.value)


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
)
def test_a_file_of_witnesses_that_is_wrong_is_refused(tmp_path: Path, text: str, needed: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        witnesses_of(settings(tmp_path / "w", text, needed), lambda _: None)
