"""A witness and a log that is served, asked too much: by whom, how large, how slowly, how many at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.audit.serving import Serving
from agents.audit.tlog import NoteSigner
from agents.audit.tlog.notes import COSIGNATURE, Note
from agents.audit.tlog.store import Folder
from agents.audit.tlog.witness import Answer, Witness
from agents.audit.witness_server import WitnessServer
from agents.cli.audit_parts import witness as command
from agents.gateway.door import Door, network_of
from agents.settings import Settings
from agents.web import listening
from schemas.errors import ConfigurationError
from tests.audit.making import World, write_log
from tests.audit.part import main
from tests.faults.harness import until

_TEXT = f"example.com/unknown\n1\n{'A' * 43}=\n"
NOBODY = b"old 0\n\n" + bytes(Note(_TEXT, (NoteSigner.new("example.com/unknown").sign(_TEXT),)))
"""A request of a log that the witness does not know: answered 404."""

WITHIN_S = 60.0
"""Within which anything is answered, on a busy machine too."""


@dataclass
class Asking:
    """Asks a server that listens on a port."""

    port: int
    door: Door

    async def empty(self) -> bool:
        """Whether nothing is being answered."""
        return self.door.in_flight == 0

    async def raw(self, content: bytes, *, host: str = "127.0.0.1") -> bytes:
        """Send bytes, return all that comes until the connection is closed."""
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(host, 0))
            try:
                writer.write(content)
                return await reader.read()
            finally:
                writer.close()

    async def status(self, body: bytes, path: str = "/add-checkpoint", method: str = "POST", **more: str) -> int:
        """Return the status of an answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        return status_of(await self.raw(head.encode() + body, **more))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


class Held(Witness):
    """Answers once it is let go."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.go = threading.Event()
        self.asked = 0

    def add_checkpoint(self, body: bytes) -> Answer:
        self.asked += 1
        self.go.wait(WITHIN_S)
        return super().add_checkpoint(body)


@asynccontextmanager
async def witness(folder: Path, *, kind: type[Witness] = Witness, **limits: Any) -> AsyncIterator[tuple[Asking, Any]]:
    log, signer = NoteSigner.new("log.example/audit"), NoteSigner.new("witness.example", COSIGNATURE)
    made = kind(signer, {log.public.name: [log.public]}, Folder(folder / "state"), lambda: 1_700_000_000.0)
    server = WitnessServer(made, Settings(**{f"audit_witness_{name}": each for name, each in limits.items()}), print)
    with listening("127.0.0.1", 0, "--port") as listener:
        await server.start(listener)
        try:
            yield Asking(listener.getsockname()[1], server.door), made
        finally:
            await server.stop()


@asynccontextmanager
async def served(folder: Path, **limits: Any) -> AsyncIterator[Asking]:
    world = World(seed=3)
    world.live(20)
    write_log(folder / "log", world.entries)
    settings = Settings(**{f"audit_serve_{name}": each for name, each in limits.items()})
    server = Serving(folder / "log", settings)
    with listening("127.0.0.1", 0, "--port") as listener:
        await server.start(listener)
        try:
            yield Asking(listener.getsockname()[1], server.door)
        finally:
            await server.stop()


# A witness.


async def test_what_is_asked_is_answered_as_before(tmp_path: Path) -> None:
    async with witness(tmp_path) as (asking, _):
        assert await asking.status(NOBODY) == 404
        assert await asking.status(b"nonsense") == 400
        assert await asking.status(NOBODY, path="/elsewhere") == 404
        assert b"Allow: POST" in await asking.raw(
            b"GET /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )


async def test_a_body_that_is_too_large_is_answered_413_and_not_read(tmp_path: Path) -> None:
    async with witness(tmp_path, body_bytes=2_048) as (asking, _):
        head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
        assert status_of(await asking.raw(head + b"Content-Length: 1000000000\r\n\r\n")) == 413
        chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
        assert status_of(await asking.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk)) == 413


async def test_who_sends_too_slowly_is_not_waited_for(tmp_path: Path) -> None:
    async with witness(tmp_path, within_s=1.0) as (asking, _):
        assert await asking.raw(b"POST /add-che") == b""
        slow = await asking.raw(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nold")
        assert status_of(slow) == 408


async def test_who_asks_too_often_is_answered_429_and_others_are_not(tmp_path: Path) -> None:
    async with witness(tmp_path, rate=0.01) as (asking, _):  # one, then one in a hundred seconds
        assert [await asking.status(NOBODY) for _ in range(2)] == [404, 429]
        refused = await asking.raw(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"Retry-After: " in refused
        assert await asking.status(NOBODY, host="127.0.0.2") == 404


async def test_all_together_are_answered_so_often_and_no_more(tmp_path: Path) -> None:
    async with witness(tmp_path, rate_all=0.01) as (asking, _):
        assert await asking.status(NOBODY) == 404
        assert await asking.status(NOBODY, host="127.0.0.2") == 429


async def test_while_as_many_are_answered_as_may_be_others_come_again(tmp_path: Path) -> None:
    async with witness(tmp_path, kind=Held, concurrent=1) as (asking, held):
        first = asyncio.create_task(asking.status(NOBODY))

        async def asked() -> bool:
            return bool(held.asked)

        await until("the first is being answered", asked)
        assert await asking.status(NOBODY) == 503
        held.go.set()
        assert await first == 404


def test_a_witness_of_too_many_logs_does_not_start(tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert main(["keys", "new", "witness.example/w1", "--out", str(key), "--witness"]) == 0
    logs = [str(NoteSigner.new(f"log-{number}.example").public) for number in range(3)]
    given = SimpleNamespace(key=key, state=tmp_path / "state", logs=logs, host="127.0.0.1", port=0)
    with pytest.raises(ConfigurationError, match=r"--log: 3 logs; allowed: 2 \(CLOVERWATCH_AUDIT_WITNESS_LOGS\)"):
        command.run(given, Settings(audit_witness_logs=2))  # type: ignore[arg-type]  # what it has of a namespace


def test_a_port_that_is_taken_is_told_by_its_option() -> None:
    with listening("127.0.0.1", 0, "--port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"--host, --port: 127\.0\.0\.1:{port} .*choose a free port with"):
            listening("127.0.0.1", port, "--port")


# A log that is served.


async def test_a_mirror_that_asks_too_often_is_answered_429(tmp_path: Path) -> None:
    async with served(tmp_path, rate=0.01) as asking:
        found = [await asking.status(b"", "/checkpoint", "GET") for _ in range(2)]
        assert found == [200, 429]
        assert await asking.status(b"", "/checkpoint", "GET", host="127.0.0.2") == 200
    async with served(tmp_path / "all", rate_all=0.01) as asking:
        found = [await asking.status(b"", "/checkpoint", "GET", host=host) for host in ("127.0.0.1", "127.0.0.2")]
        assert found == [200, 429]


async def test_a_log_reads_no_body_and_waits_for_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as asking:
        assert await asking.status(b"body", "/checkpoint", "GET") == 413
    async with served(tmp_path / "soon", within_s=0.2) as asking:
        assert await asking.raw(b"GET /check") == b""


async def test_connections_beyond_the_limit_are_answered_503(tmp_path: Path) -> None:
    async with served(tmp_path, connections=1, within_s=WITHIN_S) as asking:
        _, writer = await asyncio.open_connection("127.0.0.1", asking.port)
        try:
            assert await asking.status(b"", "/checkpoint", "GET") == 503
        finally:
            writer.close()


async def test_who_takes_an_answer_too_slowly_is_cut_off(tmp_path: Path) -> None:
    async with served(tmp_path, answer_within_s=0.5) as asking:
        large = tmp_path / "log" / "tile" / "entries" / "999"
        large.write_bytes(bytes(64 * 1024 * 1024))  # more than the sockets' buffers hold
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", asking.port, limit=1024)
            writer.write(b"GET /tile/entries/999 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await until("it is not waited for any more", asking.empty)  # meanwhile nothing is read
            taken = 0
            with suppress(ConnectionResetError):
                while part := await reader.read(1 << 20):
                    taken += len(part)
            assert taken < 64 * 1024 * 1024, "closed, and not all of it was there"
            writer.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        (None, "no address", True),
    ],
)
def test_clients_are_told_apart_by_their_network(one: str | None, other: str | None, same: bool) -> None:
    found = [network_of(SimpleNamespace(remote=each)) for each in (one, other)]  # type: ignore[arg-type]  # all it has
    assert (found[0] == found[1]) is same
