"""A real `cloverwatch gateway` for tests: its broker's topics, its directories, its credentials, and who asks it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from aiokafka import TopicPartition

from agents.clients import consumer_of, with_admin
from agents.gateway.callers import new_token
from agents.settings import PREFIX, Settings
from agents.topic_admin import create
from demo.broker import free_port
from schemas import decision
from schemas.decision import Decision
from schemas.gateway_topics import GATEWAY_DECISIONS
from tests.receivers.certificates import Certificates

PARTITIONS: Final = 4
WITHIN_S: Final = 60.0
"""Seconds that a test waits for anything: a slow machine starts three processes, and some."""

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def until(holds: Callable[[], object], what: str, within: float = WITHIN_S) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def prepare(bootstrap: str) -> Settings:
    """Create the topics; return the settings of a broker."""
    settings = Settings(broker=bootstrap, partitions=PARTITIONS, replication_factor=1)
    asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
    return settings


def send(settings: Settings, *files: Path) -> None:
    """Send directory rows, as an operator does."""
    told = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in ("broker", "partitions")}
    subprocess.run(
        [sys.executable, "-c", _MAIN, "send", *map(str, files)],
        env={**_environment(), **told, f"{PREFIX}REPLICATION_FACTOR": "1"},
        check=True,
        timeout=WITHIN_S,
        capture_output=True,
    )


def recorded(settings: Settings) -> list[Decision]:
    """Everything in `gateway.decisions`, partition by partition."""
    return [decision.decode.decode(value) for _, _, value in asyncio.run(_recorded(settings))]


async def _recorded(settings: Settings) -> list[tuple[int, bytes, bytes]]:
    consumer = consumer_of(settings)
    await consumer.start()
    found = []
    try:
        tps = [TopicPartition(GATEWAY_DECISIONS, partition) for partition in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found += [(tp.partition, record.key, record.value) for record in records]
    finally:
        await consumer.stop()
    return found


def raw_records(settings: Settings) -> list[tuple[int, bytes, bytes]]:
    """Partition, key and value of everything in `gateway.decisions`."""
    return asyncio.run(_recorded(settings))


_MAIN: Final = "import sys; from agents.cli import main; sys.exit(main(sys.argv[1:]))"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


@dataclass
class Gateway:
    """One process.

    `more` are further settings, by their names. With `certificates` it speaks TLS, and knows our client certificate.
    """

    settings: Settings
    folder: Path
    policy: Path
    callers: tuple[str, ...] = ("certification",)
    more: Mapping[str, Any] = field(default_factory=dict)
    certificates: Certificates | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.web_port = free_port(), free_port()
        self.log = self.folder / "gateway.log"
        self.tokens_file = self.folder / "tokens.toml"
        made = {name: new_token(name) for name in self.callers}
        self.tokens = {name: token for name, (token, _) in made.items()}
        self.tokens_file.write_text("".join(f"{line}\n" for _, line in made.values()))
        self.tokens_file.chmod(0o600)
        self.token = next(iter(self.tokens.values()), "")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        told: dict[str, Any] = {
            "broker": self.settings.broker,
            "partitions": PARTITIONS,
            "replication_factor": 1,
            "policy": self.policy,
            "policy_check_s": 0.1,
            "gateway_port": self.port,
            "gateway_web_port": self.web_port,
            "gateway_tokens": self.tokens_file,
        }
        if self.certificates is not None:
            told |= {
                "gateway_tls_cert": self.certificates.server,
                "gateway_tls_key": self.certificates.server_key,
                "gateway_client_ca": self.certificates.ca,
            }
        told |= self.more
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in told.items() if value is not None}

    def start(self) -> None:
        """Start; return when it is ready."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, "gateway"],
                env={**_environment(), **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        until(self.ready, "ready")

    def stop(self, *, kill: bool = False) -> int:
        """End it; return its exit code."""
        if self.process is None:
            return 0
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            return self.process.wait(timeout=WITHIN_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ready(self) -> bool:
        """Whether it says that it is; fails where it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def why_not_ready(self) -> str:
        """What it says of why it is not ready, empty where it is."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/readyz", timeout=5):
                return ""
        except urllib.error.HTTPError as answer:
            return answer.read().decode()

    def metrics(self) -> dict[str, float]:
        """Its metrics by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/metrics", timeout=WITHIN_S) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def connection(self, *, certificate: bool = False) -> http.client.HTTPConnection:
        """A connection; with our client certificate where that is asked for."""
        if self.certificates is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
        context = ssl.create_default_context(cafile=self.certificates.ca)
        if certificate:
            context.load_cert_chain(self.certificates.client, self.certificates.client_key)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=WITHIN_S, context=context)

    def ask(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        token: str | None = "",
        certificate: bool = False,
    ) -> Answered:
        """Ask; `body` is JSON unless it is bytes. `token` None: none is shown; empty: the first caller's."""
        sent = dict(JSON if method == "POST" else {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        sent |= headers or {}
        connection = self.connection(certificate=certificate)
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
