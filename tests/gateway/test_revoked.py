"""A client certificate that is revoked is shut out while the decision point runs, also where it is connected."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from agents.gateway.callers import Callers
from agents.gateway.credentials import CredentialsWatch, stamps
from agents.gateway.door import Door, Limits
from agents.gateway.process import check_reached_as
from agents.gateway.tls import server_tls
from agents.settings import Settings
from schemas.errors import ConfigurationError

WITHIN_S = 30.0


class Authority:
    """Issues certificates into a folder, and lists of revoked ones."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca = folder, trustme.CA()
        folder.mkdir()
        self.ca.cert_pem.write_to_path(folder / "ca.pem")

    def issue(self, name: str) -> Path:
        issued = self.ca.issue_cert(name, common_name=name)
        path = self.folder / f"{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        path.chmod(0o600)
        return path

    def revoke(self, *certificates: Path, days: int = 1) -> Path:
        now = datetime.now(UTC)
        authority = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        listed = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
        listed = listed.last_update(now - timedelta(days=2)).next_update(now + timedelta(days=days))
        for path in certificates:
            serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            listed = listed.add_revoked_certificate(revoked)
        key = load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        made = listed.sign(key, SHA256())  # type: ignore[arg-type] # trustme's keys are such
        path = self.folder / "crl.pem"
        path.write_bytes(made.public_bytes(Encoding.PEM))
        return path


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Ask once over a connection; return the first line of the answer, empty where it was closed."""
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
        return ""
    return head.split(b"\r\n")[0].decode()


async def once(port: int, context: ssl.SSLContext) -> str:
    """Connect, ask, close."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    except (ConnectionError, ssl.SSLError):
        return ""
    try:
        return await talk(reader, writer)
    finally:
        writer.close()


async def test_a_revoked_key_is_shut_out_while_it_is_connected_and_others_go_on(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server = authority.issue("localhost")
    lost, kept = authority.issue("lost.example"), authority.issue("kept.example")
    settings = Settings(
        gateway_tls_cert=server, gateway_client_ca=authority.folder / "ca.pem", gateway_client_crl=authority.revoke()
    )

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="here")

    http = web.Server(answer)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        door = Door(Limits(connections=9, concurrent=9, body_bytes=9, within_s=WITHIN_S))
        await door.open(http, listening, server_tls(settings))
        clients = {}
        for path in (lost, kept):
            clients[path] = ssl.create_default_context(cafile=settings.gateway_client_ca)
            clients[path].load_cert_chain(path)
        failures: list[bool] = []

        watch = CredentialsWatch(settings, Callers(None, ()), door.renew, failures.append, stamps(settings))
        await watch.start()
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=clients[lost], server_hostname="localhost"
            )
            assert await talk(reader, writer) == "HTTP/1.1 200 OK"
            authority.revoke(lost)
            async with asyncio.timeout(WITHIN_S):
                assert await reader.read() == b"", "the connection that was open is closed"
                assert await once(port, clients[lost]) == ""
                assert await once(port, clients[kept]) == "HTTP/1.1 200 OK"
            writer.close()
            (authority.folder / "crl.pem").write_text("nonsense\n")
            async with asyncio.timeout(WITHIN_S):
                while True not in failures:
                    await asyncio.sleep(0.05)
            assert await once(port, clients[kept]) == "HTTP/1.1 200 OK", "what is wrong changes nothing"
            assert await once(port, clients[lost]) == ""
        finally:
            await watch.stop()
            door.close()
            await http.shutdown(1)


async def test_a_broken_file_of_tokens_keeps_no_revoked_key_in_use(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    tokens = tmp_path / "tokens.toml"
    tokens.touch(mode=0o600)
    settings = Settings(
        gateway_tls_cert=authority.issue("localhost"),
        gateway_client_ca=authority.folder / "ca.pem",
        gateway_client_crl=authority.revoke(),
        gateway_tokens=tokens,
    )
    renewed: list[ssl.SSLContext] = []

    async def renew(tls: ssl.SSLContext) -> None:
        renewed.append(tls)

    failures: list[bool] = []
    seen = stamps(settings)
    tokens.write_text("nonsense\n")
    authority.revoke(authority.issue("lost.example"))  # both before the first look: while a process starts, say
    watch = CredentialsWatch(settings, Callers(None, ()), renew, failures.append, seen)
    async with watch, asyncio.timeout(WITHIN_S):
        while not (renewed and True in failures):
            await asyncio.sleep(0.05)
        tokens.write_text("")
        while failures[-1]:
            await asyncio.sleep(0.05)
    assert len(renewed) == 1, "what did not change is not made anew"


async def test_another_authority_takes_the_place_of_one_without_a_restart(tmp_path: Path) -> None:
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    cas = tmp_path / "cas.pem"
    cas.write_bytes((one.folder / "ca.pem").read_bytes())
    settings = Settings(gateway_tls_cert=one.issue("localhost"), gateway_client_ca=cas)
    before = server_tls(settings)
    cas.write_bytes((other.folder / "ca.pem").read_bytes())
    after = server_tls(settings)
    assert before is not None
    assert after is not None
    assert before.get_ca_certs() != after.get_ca_certs()
    assert len(after.get_ca_certs()) == 1, "the old one is gone"


@pytest.mark.parametrize("content", ["", "CA"])
def test_a_file_without_a_list_is_refused(tmp_path: Path, content: str) -> None:
    authority = Authority(tmp_path / "ca")
    path = tmp_path / "crl.pem"
    path.write_bytes((authority.folder / "ca.pem").read_bytes() if content else b"")
    settings = Settings(
        gateway_tls_cert=authority.issue("localhost"),
        gateway_client_ca=authority.folder / "ca.pem",
        gateway_client_crl=path,
    )
    with pytest.raises(ConfigurationError, match="gateway_client_crl"):
        server_tls(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_metadata_never_names_a_wildcard(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"gateway_url: not set.*allowed"):
        check_reached_as(Settings(gateway_host=host))
    check_reached_as(Settings(gateway_host=host, gateway_url="https://pdp.example"))
    check_reached_as(Settings())
