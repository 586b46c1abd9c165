"""HTTP to receivers: what is answered, what goes wrong, and that no secret is told."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from alerts.http import Answer, Auth, Basic, Http, bounded, check_url, outcome_of, retry_after
from alerts.notice import Delivered, Failed, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.tls import Tls, client_context
from demo.broker import free_port
from schemas.errors import ConfigurationError
from tests.alerts.scripted import Reply, serving


async def posted(url: str, http: Http | None = None, headers: dict[str, str] | None = None) -> Answer | Failed:
    http = http or Http(what="destinations.it")
    await http.start()
    try:
        return await http.post(url, b"{}", headers or {})
    finally:
        await http.stop()


async def test_an_answer_comes_back_with_its_status_whatever_it_is() -> None:
    async with serving(Reply(418, b"tea")) as server:
        assert await posted(server.url + "/x") == Answer(418, b"tea")
        (got,) = server.got
    assert (got.path, got.body, got.headers["Content-Type"]) == ("/x", b"{}", "application/json")


async def test_a_redirect_is_not_followed_and_takes_no_credentials_along() -> None:
    async with serving() as elsewhere, serving(Reply(307, headers={"Location": elsewhere.url})) as server:
        answer = await posted(server.url, headers={"Authorization": "Bearer x"})
        assert isinstance(answer, Answer)
        assert answer.status == 307
        assert elsewhere.got == []
    said = outcome_of(answer)
    assert isinstance(said, Failed)
    assert "redirects are not followed" in said.reason


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    async with serving(Reply(200, b"x" * 1_000_000)) as server:
        answer = await posted(server.url, Http(what="it", answer_max=1000))
    assert answer == Answer(200, b"x" * 1000, truncated=True)


async def test_an_answer_as_long_as_is_read_is_whole() -> None:
    async with serving(Reply(200, b"x" * 1000)) as server:
        assert await posted(server.url, Http(what="it", answer_max=1000)) == Answer(200, b"x" * 1000)


async def test_silence_ends_after_the_timeout() -> None:
    async with serving(Reply(hangs=True)) as server:
        said = await posted(server.url + "/secret-path", Http(what="it", timeout_s=0.2))
    assert isinstance(said, Failed)
    assert said.reason.endswith("no answer within 0.2 s")
    assert "secret-path" not in said.reason


async def test_a_reset_is_a_failure_without_the_url() -> None:
    async with serving(Reply(resets=True)) as server:
        said = await posted(server.url + "/services/T0/secret")
    assert isinstance(said, Failed)
    assert "the connection was closed before an answer" in said.reason
    assert "secret" not in said.reason


async def test_nobody_listens() -> None:
    port = free_port()
    said = await posted(f"http://127.0.0.1:{port}/secret")
    assert said == Failed(f"127.0.0.1:{port}: cannot be reached: Connection refused")


async def test_a_header_that_would_break_out_is_a_failure_and_not_shown() -> None:
    async with serving() as server:
        said = await posted(server.url, headers={"X": "secret\r\nY: z"})
        assert server.got == []
    assert isinstance(said, Failed)
    assert "secret" not in said.reason


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca, tmp_path


def server_side(ca: trustme.CA, name: str, *, mutual: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
    return context


async def test_a_certificate_of_an_own_authority_is_trusted_only_where_it_is_named(
    authority: tuple[trustme.CA, Path],
) -> None:
    ca, folder = authority
    async with serving(tls=server_side(ca, "127.0.0.1")) as server:
        said = await posted(server.url)
        assert isinstance(said, Failed)
        assert "TLS: the certificate is not trusted" in said.reason
        http = Http(what="it", tls=Tls(ca=str(folder / "ca.pem")))
        assert await posted(server.url, http) == Answer(200, b"")


async def test_a_certificate_of_another_name_is_not_taken(authority: tuple[trustme.CA, Path]) -> None:
    ca, folder = authority
    async with serving(tls=server_side(ca, "elsewhere.example")) as server:
        said = await posted(server.url, Http(what="it", tls=Tls(ca=str(folder / "ca.pem"))))
        assert server.got == []
    assert isinstance(said, Failed)
    assert "TLS: the certificate is not trusted" in said.reason


async def test_a_client_certificate_is_shown_where_it_is_asked_for(authority: tuple[trustme.CA, Path]) -> None:
    ca, folder = authority
    own = ca.issue_cert("monitor.example")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    async with serving(tls=server_side(ca, "127.0.0.1", mutual=True)) as server:
        tls = Tls(ca=str(folder / "ca.pem"), cert=str(folder / "own.pem"))
        assert await posted(server.url, Http(what="it", tls=tls)) == Answer(200, b"")
        assert isinstance(await posted(server.url, Http(what="it", tls=Tls(ca=str(folder / "ca.pem")))), Failed)


def test_files_that_are_no_certificates_are_errors_that_name_key_and_file(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    for tls, said in (
        (Tls(ca=str(tmp_path / "none.pem")), "d.tls.ca: the file .*none.pem cannot be read: No such file"),
        (Tls(ca=str(tmp_path / "empty.pem")), "d.tls.ca: .*empty.pem holds no certificate"),
        (Tls(cert=str(tmp_path / "empty.pem")), "d.tls: .*empty.pem and its key do not fit"),
        (Tls(key=str(tmp_path / "empty.pem")), "d.tls.key: there is a key and no certificate"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            client_context(tls, "d.tls")


def test_an_encrypted_key_is_an_error_and_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    own = trustme.CA().issue_cert("monitor.example")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(ConfigurationError, match="the key is encrypted"):
        client_context(Tls(cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem")), "d.tls")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, Delivered), (202, Delivered), (204, Delivered), (301, Failed), (308, Failed)]
    + [(status, Refused) for status in (400, 401, 403, 404, 410, 413, 422)]
    + [(status, Failed) for status in (408, 425, 429, 500, 502, 503, 504, 529)],
)
def test_what_a_status_means(status: int, kind: type[Outcome]) -> None:
    said = outcome_of(Answer(status, b"secret body", 7.0))
    assert isinstance(said, kind)
    match said:
        case Delivered(answer=answer):
            assert answer == {"status": str(status)}
        case Failed(reason=reason, retry_after_s=wait):
            assert wait == 7.0
            assert "secret" not in reason
        case Refused(reason=reason):
            assert reason == f"answered {status}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 3600.0),
        ("Wed, 25 Nov 2026 00:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 0.0),
        ("Thu, 25 Nov 2027 00:00:00 GMT", 3600.0),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("", None),
    ],
)
def test_retry_after_in_both_its_forms(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, 1_795_564_800.0) == seconds


@pytest.mark.parametrize(
    ("url", "plaintext", "wrong"),
    [
        ("https://pager.example/x", False, None),
        ("http://127.0.0.1:9093", False, None),
        ("http://[::1]:9093", False, None),
        ("http://localhost", False, None),
        ("http://pager.example", True, None),
        ("http://pager.example", False, "in clear"),
        ("http://127.0.0.1.example", False, "in clear"),
        ("https://user:word@pager.example", False, "a user or a password"),
        ("https:///path", False, "name a host"),
        ("ftp://pager.example", False, "begin with https"),
        ("pager.example", False, "begin with https"),
        ("https://pager.example:99999", False, "cannot be read"),
        ("https://pager.example/#x", False, "#fragment"),
    ],
)
def test_which_urls_may_be_used(url: str, plaintext: bool, wrong: str | None) -> None:
    said = check_url(url, allow_plaintext=plaintext)
    assert (said is None) == (wrong is None)
    assert said is None or (wrong is not None and wrong in said)
    assert said is None or "word" not in said.replace("password", "")


def test_credentials_become_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", "se:cret")
    ref = SecretRef(env="S")
    assert Auth(bearer=ref).headers("a") == {"Authorization": "Bearer se:cret"}
    assert Auth(basic=Basic(user="me", password=ref)).headers("a") == {"Authorization": "Basic bWU6c2U6Y3JldA=="}
    for auth in (Auth(), Auth(bearer=ref, basic=Basic(user="me", password=ref))):
        with pytest.raises(ConfigurationError, match="a: one of bearer and basic"):
            auth.headers("a")
    monkeypatch.setenv("S", "two\nlines")
    with pytest.raises(ConfigurationError, match=r"a\.bearer: the secret holds more than one line") as caught:
        Auth(bearer=ref).headers("a")
    assert "two" not in str(caught.value)


def test_bounded_text_is_one_line() -> None:
    assert bounded("a\n b\t c") == "a b c"
    assert bounded("x" * 600) == "x" * 511 + "…"


async def test_a_proxy_is_asked_where_one_is_named_and_the_environment_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Reply(200, b"by the proxy")) as proxy, serving() as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await posted(server.url) == Answer(200, b"")
        assert proxy.got == []
        named = Http(what="it", proxy=proxy.url)
        assert await posted("http://pager.invalid/x", named) == Answer(200, b"by the proxy")
        assert proxy.got[0].headers["Host"] == "pager.invalid"
