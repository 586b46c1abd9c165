"""Who may ask: files of tokens, certificates, and what a decision point refuses to start with."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.callers import Callers, Tokens, names_in, new_token, read_tokens
from agents.gateway.rates import Rates
from agents.gateway.refusal import Refusal
from agents.gateway.tls import server_tls
from agents.settings import Settings
from demo.broker import free_port
from schemas.errors import ConfigurationError
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture
from tests.gateway.conftest import FIXTURE
from tests.receivers.certificates import OURS, certificates


def file_of(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    path = folder / "tokens.toml"
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(mode)
    return path


def test_a_token_names_its_caller(tmp_path: Path) -> None:
    (one, line), (other, second) = new_token("one"), new_token("two")
    replaced, third = new_token("two")
    both = f'"two" = [{second.partition(" = ")[2]}, {third.partition(" = ")[2]}]'
    tokens = read_tokens(file_of(tmp_path, line, both))
    assert [tokens.caller(token) for token in (one, other, replaced, "none", "")] == ["one", "two", "two", None, None]
    assert tokens.names == {"one", "two"}
    assert one not in line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("one = 'secret-token'", "tokens.toml:1: one: no hash"),
        ("one = 'sha256:abc'", "tokens.toml:1: one: no hash"),
        ("one = [1]", "tokens.toml:1: one: no hash"),
        ("'o n e' = 'sha256:abc'", "a caller's name"),
        ("one", "not TOML"),
    ],
)
def test_a_file_of_tokens_that_is_wrong_is_refused_and_not_quoted(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"allowed|TOML") as caught:
        read_tokens(file_of(tmp_path, line))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mode 0644"):
        read_tokens(file_of(tmp_path, new_token("one")[1], mode=0o644))


def test_names_of_a_certificate_are_looked_for_in_an_order() -> None:
    certificate = {
        "subject": ((("commonName", "common"),),),
        "subjectAltName": (("URI", "spiffe://x/uri"), ("DNS", "dns"), ("IP Address", "192.0.2.1"), ("DNS", "common")),
    }
    assert names_in(certificate) == ("dns", "common", "spiffe://x/uri")
    callers = Callers(None, frozenset({"spiffe://x/uri"}))
    assert callers.caller(None, certificate) == "spiffe://x/uri"
    with pytest.raises(Refusal) as caught:
        Callers(None, frozenset({"other"})).caller(None, certificate)
    assert caught.value.status == 403


def test_nobody_asks_without_credentials() -> None:
    callers = Callers(Tokens(()), frozenset({"one"}))
    for authorization in (None, "", "Bearer", "Bearer x", "Bearer \udcff"):
        with pytest.raises(Refusal) as caught:
            callers.caller(authorization, None)
        assert caught.value.status == 401


def test_tls_is_as_the_settings_say(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls")
    tls: dict[str, Any] = {"gateway_tls_cert": made.server, "gateway_tls_key": made.server_key}
    tokens = file_of(tmp_path, new_token("one")[1])
    assert server_tls(Settings(gateway_tokens=tokens)) is None
    for settings, mode in (
        (Settings(gateway_tokens=tokens, **tls), ssl.CERT_NONE),
        (Settings(gateway_tokens=tokens, gateway_client_ca=made.ca, **tls), ssl.CERT_OPTIONAL),
        (Settings(gateway_client_ca=made.ca, **tls), ssl.CERT_REQUIRED),
    ):
        context = server_tls(settings)
        assert context is not None
        assert (context.verify_mode, context.minimum_version) == (mode, ssl.TLSVersion.TLSv1_2)
    made.server_key.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"gateway_tls_key.*mode 0644"):
        server_tls(Settings(gateway_tokens=tokens, **tls))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "neither is set, so anybody could ask"),
        ({"gateway_tokens": "TOKENS", "gateway_host": "0.0.0.0"}, "loopback"),
        ({"gateway_client_ca": "TOKENS"}, "need gateway_tls_cert"),
        ({"gateway_tokens": "TOKENS", "gateway_client_crl": "TOKENS"}, "gateway_client_crl: needs gateway_client_ca"),
        ({"gateway_tokens": "/nowhere"}, "cannot be read"),
        ({"gateway_tokens": "TOKENS", "policy": "PLAIN"}, "no [gateway]"),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, dict) else "",
)
def test_it_refuses_to_start_where_anybody_could_ask_or_nothing_could_be_decided(
    run: Run,  # noqa: F811
    tmp_path: Path,
    given: dict[str, str],
    says: str,
) -> None:
    """Exit 2, before any broker is asked: there is none."""
    plain = tmp_path / "plain.toml"
    plain.write_text((FIXTURE / "policy.toml").read_text().partition("[gateway]")[0])
    paths = {"TOKENS": file_of(tmp_path, new_token("one")[1]), "PLAIN": plain}
    settings = {name: paths.get(value, value) for name, value in given.items()}
    settings = {"policy": FIXTURE / "policy.toml", "broker": f"127.0.0.1:{free_port()}", **settings}
    said = run("gateway", start_timeout_s=0.1, **settings)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_a_new_token_is_shown_once_and_only_its_hash_goes_into_the_file(run: Run) -> None:  # noqa: F811
    said = run("gateway", "--new-token", OURS)
    assert said.code == 0
    lines = said.out.splitlines()
    assert f'"{OURS}" = "sha256:' in lines[-1]
    assert lines[1] not in lines[-1]
    assert run("gateway", "--new-token", 'a "b').code == 2


def test_a_caller_has_so_much_a_second_and_each_its_own() -> None:
    now = [0.0]
    rates = Rates(10, "evaluations", lambda: now[0])
    for _ in range(10):
        rates.take("one")
    with pytest.raises(Refusal) as caught:
        rates.take("one")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    rates.take("two", 100)  # the last one may take more than there is, which the next pay for
    now[0] = 1.0
    rates.take("one")
    with pytest.raises(Refusal) as caught:
        rates.take("two")
    assert caught.value.headers == {"Retry-After": "9"}
    now[0] = 10.2
    rates.take("two")
