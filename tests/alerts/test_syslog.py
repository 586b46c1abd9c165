"""The line to a syslog receiver, against a TLS server that does what a test tells it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerts.notice import Delivered, Refused
from alerts.syslog import KIND, Syslog, SyslogConfig
from alerts.syslog_link import Link, LinkError
from alerts.tls import Tls, client_context
from schemas.errors import ConfigurationError
from tests.alerts.stream_alerts import CONTEXT, alert, notice, until
from tests.alerts.test_rfc5424 import deframe, parse
from tests.receivers.certificates import Certificates, certificates


@dataclass
class Peer:
    """Accepts one connection after the other; reads unless it is told not to."""

    certificates: Certificates
    reading: bool = True
    connections: list[bytes] = field(default_factory=list)
    """What came on each."""
    goodbyes: int = 0
    """Connections that ended by close_notify, and not by a broken connection."""
    break_now: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificates.server, self.certificates.server_key)
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self.listening.settimeout(0.05)
        while not self.over.is_set():
            try:
                plain, _ = self.listening.accept()
            except TimeoutError:
                continue
            # Small on purpose: what is not read stays with the sender, and is seen there.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(5)
            try:
                with self._context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as line:
                    self._take(line)
            except OSError:
                continue

    def _take(self, line: ssl.SSLSocket) -> None:
        self.connections.append(b"")
        line.settimeout(0.02)
        while not self.over.is_set() and not self.break_now.is_set():
            if not self.reading:
                time.sleep(0.02)
                continue
            try:
                got = line.recv(65536)
            except TimeoutError:
                continue
            if not got:
                self.goodbyes += 1
                return
            self.connections[-1] += got
        self.break_now.clear()

    def close(self) -> None:
        self.over.set()
        self._thread.join(10)
        self.listening.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(certificates(tmp_path / "certificates"))
    yield made
    made.close()


def sender(peer: Peer, **more: Any) -> Syslog:
    return Syslog(
        SyslogConfig(host="127.0.0.1", port=peer.port, tls=Tls(ca=str(peer.certificates.ca)), **more), CONTEXT
    )


async def test_frames_arrive_in_order_and_goodbye_is_said(peer: Peer) -> None:
    made = sender(peer)
    await made.start()
    outcomes = await made.send([notice(alert(number)) for number in range(20)])
    assert outcomes == [Delivered({"acknowledged": "tcp", "tls": "TLSv1.3"})] * 20
    await made.stop()
    (stream,) = peer.connections
    ids = [dict(parse(each).data[0][1])["alertId"] for each in deframe(stream)]
    assert ids == [alert(number).alert_id for number in range(20)]
    assert peer.goodbyes == 1


async def test_after_a_break_the_last_messages_come_first_and_then_the_new_ones(peer: Peer) -> None:
    made = sender(peer)
    await made.start()
    await made.send([notice(alert(1)), notice(alert(2))])
    await until(lambda: b"<107>" in peer.connections[0], 10)
    peer.break_now.set()
    await until(lambda: not peer.break_now.is_set(), 10)
    await made.send([notice(alert(3))])
    await made.stop()
    ids = [dict(parse(each).data[0][1])["alertId"] for each in deframe(peer.connections[-1])]
    assert ids[:2] == [alert(1).alert_id, alert(2).alert_id]
    assert alert(3).alert_id in ids


async def test_what_is_older_than_resend_for_is_not_sent_again(peer: Peer) -> None:
    made = sender(peer, resend_for="0s")
    await made.start()
    await made.send([notice(alert(1))])
    await until(lambda: b"<107>" in peer.connections[0], 10)
    await made.send([notice(alert(2))])  # the connection was seen to stand: the first is forgotten
    await until(lambda: peer.connections[0].count(b"<107>") == 2, 10)
    peer.break_now.set()
    await until(lambda: not peer.break_now.is_set(), 10)
    await made.send([notice(alert(3))])
    await made.stop()
    assert alert(1).alert_id.encode() not in peer.connections[-1]


def test_what_the_receiver_does_not_take_is_not_acknowledged(peer: Peer) -> None:
    """Written is not delivered: our own kernel takes it long before the peer's does."""
    peer.reading = False
    link = Link("127.0.0.1", peer.port, client_context(Tls(ca=str(peer.certificates.ca)), "tls"), "127.0.0.1", 0.0)
    began = time.monotonic()
    with pytest.raises(LinkError, match="in time"):
        link.send(b"x" * 400_000, began + 0.5)
    assert time.monotonic() - began < 5
    link.drop()


async def test_an_alert_that_cannot_fit_is_refused_and_the_others_go(peer: Peer) -> None:
    made = sender(peer, max_bytes=2048)
    await made.start()
    outcomes = await made.send([notice(alert(1)), notice(alert(2, alert_id="😀" * 600)), notice(alert(3))])
    await made.stop()
    assert [type(each) for each in outcomes] == [Delivered, Refused, Delivered]
    assert len(deframe(peer.connections[0])) == 2


async def test_an_ocsf_document_that_does_not_fit_becomes_a_sentence(peer: Peer) -> None:
    made = sender(peer, max_bytes=2048, message="ocsf")
    await made.start()
    outcomes = await made.send([notice(alert(1, facts={"many": "x" * 4000}))])
    await made.stop()
    assert isinstance(outcomes[0], Delivered)
    (message,) = deframe(peer.connections[0])
    assert parse(message).text == f"{alert(1).title}: {alert(1).explanation}"


@pytest.mark.parametrize(
    ("more", "what"),
    [({"host": " "}, "host: ' ': empty"), ({"host": "h", "resend_for": "30"}, "resend_for: '30' is no duration")],
)
def test_configurations_that_cannot_be_meant(more: dict[str, Any], what: str) -> None:
    found = KIND.check(SyslogConfig(**more))
    assert found is not None
    assert what in found


def test_a_certificate_that_is_not_there_is_said_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"destinations\.test\.tls\.ca"):
        Syslog(SyslogConfig(host="h", tls=Tls(ca=str(tmp_path / "none.pem"))), CONTEXT)
