"""`cloverwatch keys`: a key of one's own, and how it is kept."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest

from agents.signing import signer_of
from alerts import key_files
from alerts.people import read_people
from alerts.signatures import Signer, good
from schemas.errors import ConfigurationError
from schemas.secret import Secret
from schemas.toml_file import TomlFile
from tests.cli.conftest import Run

LIGHT = {"operations": 1, "memory": 8 * 1024 * 1024}
"""Argon2id as light as libsodium allows: its cost is not what is tested."""


def given(path: Path, by: str = "anna", **more: str) -> argparse.Namespace:
    """The options of a command that signs."""
    return argparse.Namespace(key=path, by=by, passphrase_file=None, passphrase_env=None, **more)


def test_a_key_is_made_and_its_public_half_is_what_the_policy_reads(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "anna.key"
    said = run("keys", "new", "anna", "--out", path)
    assert said.code == 0, said.err
    assert path.stat().st_mode & 0o777 == 0o600
    file = TomlFile(said.out + 'roles = ["analyst"]\n', "policy")
    person = read_people(file, file.data)["anna"]
    signer = signer_of(given(path))
    assert signer.public == person.key
    assert good(b"part", signer.sign(b"part"), person.key)
    seed = json.loads(path.read_bytes())["seed"]
    assert seed not in said.out + said.err
    assert run("keys", "new", "anna", "--out", tmp_path / "other.key").out != said.out


def test_a_key_is_never_written_over(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "anna.key"
    path.write_bytes(b"mine")
    said = run("keys", "new", "anna", "--out", path)
    assert (said.code, said.out) == (2, "")
    assert f"{path} is there already and is not written over" in said.err
    assert path.read_bytes() == b"mine"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert run("keys", "new", "anna", "--out", path).code == 2, "nor through a link"
    assert run("keys", "new", "a b", "--out", tmp_path / "x").code == 2
    assert run("keys", "new", "anna", "--out", tmp_path / "no" / "x").code == 2


def test_a_file_that_others_may_read_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "anna.key"
    run("keys", "new", "anna", "--out", path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"mode 0640\); do chmod 600"):
        signer_of(given(path))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="is the key of 'anna', --by says 'ben'"):
        signer_of(given(path, by="ben"))
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        signer_of(given(tmp_path / "none"))


@pytest.mark.slow
def test_a_passphrase_comes_from_a_file_or_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, phrase = tmp_path / "anna.key", tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    said = run("keys", "new", "anna", "--out", path, "--passphrase-file", phrase)
    assert said.code == 0, said.err
    assert "seed" not in json.loads(path.read_bytes())
    options = given(path)
    with pytest.raises(ConfigurationError, match="under a passphrase; give --passphrase-file or --passphrase-env"):
        signer_of(options)
    options.passphrase_env = "ANNAS"
    monkeypatch.setenv("ANNAS", "correct horse battery staple")
    assert signer_of(options).public in said.out
    monkeypatch.setenv("ANNAS", "another")
    with pytest.raises(ConfigurationError, match="another passphrase, or changed") as caught:
        signer_of(options)
    assert "correct" not in str(caught.value)
    assert run("keys", "new", "ben", "--out", tmp_path / "b", "--passphrase-file", tmp_path / "none").code == 2


def test_what_is_no_key_is_refused_without_showing_it() -> None:
    signer, seed = key_files.new("anna")
    content = key_files.write(signer, seed, None)
    phrase = Secret("a phrase")
    sealed = key_files.write(signer, seed, phrase, **LIGHT)
    assert key_files.read(content, "f", None).public == key_files.read(sealed, "f", phrase).public == signer.public
    record = json.loads(sealed)
    record["sealed"]["memory"] = 2**40
    other = json.loads(content) | {"public": Signer("x", os.urandom(32)).public}
    for wrong, words in (
        (b"", "no key of ours"),
        (b"x" * 5000, "no key of ours"),
        (content.replace(b'"seed"', b'"sead"'), "no key of ours"),
        (json.dumps(json.loads(content) | {"cloverwatch_key": 2}).encode(), "version 2; this program reads version 1"),
        (json.dumps(json.loads(content) | {"seed": "AAAA"}).encode(), "no seed of a key"),
        (json.dumps(other).encode(), "the public key in it is another key's"),
        (json.dumps(record).encode(), "asks for 1 passes over 1099511627776 bytes; allowed: at most 16"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            key_files.read(wrong, "f", phrase)
        assert words in str(caught.value)
        assert seed.reveal() not in str(caught.value)
