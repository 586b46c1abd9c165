"""`audit keys` and the errors of `audit witness`: exit 2, the key, what is allowed, and no private key shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.audit.note_keys import note_signer
from agents.audit.tlog import vkey
from agents.audit.tlog.notes import COSIGNATURE
from agents.cli.audit_parts.witness import logs_of
from tests.audit.part import main

LOG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "log.key"
    assert main(["keys", "new", "example.com/log", "--out", str(out)]) == 0
    printed = vkey(capsys.readouterr().out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert note_signer(out).public == printed
    assert note_signer(out, COSIGNATURE).public == printed.cosigning()
    assert main(["keys", "new", "example.com/log", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["keys", "new", "a b", "--out", str(tmp_path / "other")]) == 2
    assert "allowed: no spaces" in capsys.readouterr().err


def test_a_witness_that_is_told_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    main(["keys", "new", "witness.example/w1", "--out", str(key), "--witness"])
    private = key.read_text()
    capsys.readouterr()

    def said(*more: str) -> str:
        assert main(["witness", "--key", str(key), "--state", str(tmp_path / "state"), *more]) == 2
        found = capsys.readouterr().err
        assert private[-30:] not in found
        return found

    assert "--port: 70000; allowed: 0 to 65535" in said("--log", LOG, "--port", "70000")
    assert "--log" in said("--log", "nonsense")
    assert "key id" in said("--log", LOG.replace("033de0ae", "033de0af"))
    key.write_text(private[:-9])
    key.chmod(0o600)
    assert "--key" in said("--log", LOG)
    key.write_text(private)
    key.chmod(0o644)
    assert "chmod 600" in said("--log", LOG)


def test_a_log_may_have_another_origin_and_several_keys() -> None:
    found = logs_of([LOG, f"sum.golang.org={LOG}", f"a=b={LOG}"])
    assert {origin: len(keys) for origin, keys in found.items()} == {"sum.golang.org": 2, "a=b": 1}
