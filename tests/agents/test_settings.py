"""Settings: from where, in which order, what is refused, and secrets that do not show themselves."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import ssl
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings, allowed, load
from schemas.errors import ConfigurationError
from schemas.secret import Secret


def refused(environment: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(environment, file)
    return str(caught.value)


def test_what_is_given_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('group = "file"\npartitions = 5\nweb_port = 0\nstart_timeout_s = 3\n')
    environment = {"CLOVERWATCH_GROUP": "environment", "CLOVERWATCH_PARTITIONS": "6", "OTHER": "x"}
    found = load(environment, file, group="given", broker=None)
    assert (found.group, found.partitions, found.web_port) == ("given", 6, 0)
    assert found.broker == Settings().broker, "None is not given"
    assert found.start_timeout_s == 3.0
    named = load({"CLOVERWATCH_SETTINGS": str(file)})
    assert (named.group, named.partitions) == ("file", 5)
    other = tmp_path / "t.toml"
    other.write_text('group = "other"')
    assert load({"CLOVERWATCH_SETTINGS": str(file)}, other).group == "other", "the option wins over the variable"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PARTITIONS", "1.5", "'1.5'; allowed: a whole number, at least 1"),
        ("PARTITIONS", "-1", "'-1'"),
        ("PARTITIONS", "", "''"),
        ("PARTITIONS", "9" * 5_000, "a whole number"),
        ("WEB_PORT", "65536", "at most 65535"),
        ("START_TIMEOUT_S", "nan", "allowed: a number, at least 0.1"),
        ("START_TIMEOUT_S", "inf", "allowed: a number"),
        ("START_TIMEOUT_S", "0", "at least 0.1"),
        ("SECURITY_PROTOCOL", "SLS", "did you mean 'SSL'?"),
        ("SECURITY_PROTOCOL", "SASL_PLAINTEXT", "a password without TLS would travel in clear; use SASL_SSL"),
        ("SASL_MECHANISM", "GSSAPI", "SCRAM-SHA-512"),
        ("LOG_FORMAT", "xml", "json"),
        ("GROOP", "x", "unknown setting; did you mean 'group'?"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(name: str, value: str, said: str) -> None:
    error = refused({f"CLOVERWATCH_{name}": value})
    assert error.startswith(f"CLOVERWATCH_{name}: ")
    assert said in error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("partitions = true", "partitions: True; allowed: a whole number"),
        ("partitions = 1.5", "partitions: 1.5; allowed"),
        ("partitions = [1]", "partitions: [1]"),
        ("group = 7", "group: 7; allowed: text"),
        ("policy = 7", "policy: 7; allowed: a path"),
        ("goup = 'x'", "goup: unknown setting; did you mean 'group'?"),
        ("[broker]", "broker: {}; allowed: text"),
        ("sasl_password = 7", "sasl_password: '***'"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(f"# a comment\n\n{line}\n")
    error = refused({}, file)
    assert error.startswith(f"{file}:3: ")
    assert said in error


@pytest.mark.parametrize("content", [b"\xff", b"x = ", b"x = " + b"[" * 50_000, b"x = " + b"9" * 9_000, None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "s.toml"
    if content is not None:
        file.write_bytes(content)
    assert str(file) in refused({}, file)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_SSL needs sasl_username and sasl_password_file"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u"}, "SASL_SSL needs"),
        ({"SASL_USERNAME": "u"}, "PLAINTEXT would not use the sasl_* settings"),
        ({"SECURITY_PROTOCOL": "SSL", "SASL_PASSWORD": "p"}, "SSL would not use the sasl_* settings"),
        ({"SSL_CAFILE": "ca.pem"}, "PLAINTEXT would not use the ssl_* settings"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEYFILE": "k.pem"}, "ssl_keyfile: a key without ssl_certfile"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u", "SASL_PASSWORD_FILE": "none"}, "none cannot be read"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, str], said: str) -> None:
    """What the operator thinks is on must be on."""
    assert said in refused({f"CLOVERWATCH_{name}": value for name, value in given.items()})


def test_brokers_are_verified_wherever_there_is_tls() -> None:
    assert Settings().ssl_context() is None
    context = Settings(security_protocol="SSL").ssl_context()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(ConfigurationError, match="ssl_cafile"):
        Settings(security_protocol="SSL", ssl_cafile=Path("pyproject.toml")).ssl_context()
    with pytest.raises(ConfigurationError, match="ssl_certfile"):
        Settings(security_protocol="SSL", ssl_certfile=Path("none.pem")).ssl_context()


def test_a_password_comes_from_its_file_first(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("from-the-file\n")
    both = {"security_protocol": "SASL_SSL", "sasl_username": "u", "sasl_password": Secret("other")}
    assert Settings(**both).password == "other"  # type: ignore[arg-type]  # of these types
    assert Settings(**both, sasl_password_file=path).password == "from-the-file"  # type: ignore[arg-type]
    assert Settings().password is None


def test_a_secret_does_not_show_itself() -> None:
    environment = {
        "CLOVERWATCH_SECURITY_PROTOCOL": "SASL_SSL",
        "CLOVERWATCH_SASL_USERNAME": "u",
        "CLOVERWATCH_SASL_PASSWORD": "hunter2",
    }
    found = load(environment)
    secret = found.sasl_password
    assert secret is not None
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", repr(found), str(found)]
    assert not any("hunter2" in each for each in shown)
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert secret != "hunter2"
    writers: list[Any] = [pickle.dumps, copy.deepcopy, json.dumps]
    for write in writers:
        with pytest.raises(TypeError):
            write(secret)


def test_every_setting_has_words_for_what_it_may_hold() -> None:
    for field in dataclasses.fields(Settings):
        assert allowed(field.name)
        assert field.metadata["help"].endswith(".")
        assert (field.name.endswith("_s")) is (field.metadata["unit"] == "s"), field.name
