"""An HTTP Event Collector as Splunk documents it, in a process of its own: stricter than the others that there are.

It checks the token, wants a channel where acknowledgement is on, and acknowledges only what is in its journal and
fsync'ed there, some time after it answered 200: a kill between the two loses events, as it does at an indexer. An
acknowledgement is told once, then forgotten; after a restart none is known.

Sources: Splunk Enterprise, "Troubleshoot HTTP Event Collector" (status and code of each error), "About HTTP Event
Collector Indexer Acknowledgment".
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from demo.broker import end, free_port, wait_for_port

TOKEN: Final = "6f1c2a4e-0000-4000-8000-tests0000001"
VARIABLE: Final = "TEST_HEC_TOKEN"
INDEXES: Final = {None, "main", "security"}
CONTENT_MAX: Final = 1_000_000
"""Bytes of a body, expanded; more is 413."""

INDEXING: Final = 0.15
"""Seconds from an answer until the events are in the journal."""

START_TIMEOUT: Final = 30.0
TEXTS: Final = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    17: (200, "HEC is healthy"),
    18: (503, "HEC is unhealthy, queues are full"),
    19: (503, "HEC is unhealthy, ack service unavailable"),
    20: (503, "HEC is unhealthy, queues are full, ack service unavailable"),
    21: (400, "Invalid token"),
    22: (400, "Token disabled"),
    23: (503, "Server is shutting down"),
    24: (200, "HEC queue is approaching its capacity limit"),
    25: (200, "HEC ACK is approaching its capacity limit"),
    26: (429, "HEC queue is at capacity and cannot process any more requests"),
    27: (429, "HEC ACK channel is at capacity and cannot process any more requests"),
}
"""Code → status and text, as documented."""


class HecError(Exception):
    """A request that is not taken, or only up to an event."""

    def __init__(self, code: int, event: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.event = event


@dataclass
class Collector:
    """The collector's state: what it was told to do, what waits for its index, which acknowledgements it owes."""

    journal: Path
    acknowledge: bool
    forced: list[tuple[str, int]] = field(default_factory=list)
    """`(path, code)` of the next answers."""
    acks: dict[str, dict[int, bool]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=100 * 1024 * 1024)
        app.router.add_post("/services/collector/event", self.events)
        app.router.add_post("/services/collector/ack", self.acknowledgements)
        app.router.add_post("/control", self.control)
        app.router.add_get("/control", self.told)
        return app

    async def control(self, request: web.Request) -> web.Response:
        """For tests: `{"path": "event", "codes": [9, 9]}` are the next answers; `{"acknowledge": false}`."""
        said = await request.json()
        self.forced += [(said.get("path", "event"), code) for code in said.get("codes", ())]
        self.acknowledge = said.get("acknowledge", self.acknowledge)
        self.requests.clear()
        return web.json_response({})

    async def told(self, _: web.Request) -> web.Response:
        """For tests: the requests since the last control."""
        return web.json_response(self.requests)

    async def events(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append({"path": "event", "bytes": len(body), "headers": dict(request.headers)})
        try:
            self._permit(request, "event")
            channel = self._channel(request)
            if request.headers.get("Content-Encoding") == "gzip":
                try:
                    body = gzip.decompress(body)
                except OSError:
                    raise HecError(6) from None
            if len(body) > CONTENT_MAX:
                return web.json_response({"text": "content length limit", "code": 27}, status=413)
            taken, error = _parse(body.decode())
            answer = self._take(taken, channel) if taken and (error is None or error.event) else {}
            if error is not None:
                raise error
        except HecError as error:
            return _say(error.code, {} if error.event is None else {"invalid-event-number": error.event})
        return _say(0, answer)

    def _take(self, taken: list[dict[str, Any]], channel: str) -> dict[str, Any]:
        lines = b"".join(json.dumps(each).encode() + b"\n" for each in taken)
        number = self.numbers.get(channel, 0)
        self.numbers[channel] = number + 1
        task = asyncio.create_task(self._index(lines, channel, number))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if not self.acknowledge:
            return {}
        self.acks.setdefault(channel, {})[number] = False
        return {"ackId": number}

    async def _index(self, lines: bytes, channel: str, number: int) -> None:
        await asyncio.sleep(INDEXING)
        with self.journal.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if number in self.acks.get(channel, {}):
            self.acks[channel][number] = True

    async def acknowledgements(self, request: web.Request) -> web.Response:
        self.requests.append({"path": "ack", "headers": dict(request.headers)})
        try:
            self._permit(request, "ack")
            if not self.acknowledge:
                raise HecError(14)
            channel = request.query.get("channel") or self._channel(request)
            asked = (await request.json())["acks"]
            known = self.acks.get(channel, {})
            answer = {str(number): bool(known.get(number)) for number in asked}
            for number in asked:  # told once
                if known.get(number):
                    del known[number]
        except HecError as error:
            return _say(error.code, {})
        except (ValueError, KeyError, TypeError):
            return _say(6, {})
        return web.json_response({"acks": answer})

    def _permit(self, request: web.Request, path: str) -> None:
        for index, (where, code) in enumerate(self.forced):
            if where == path:
                del self.forced[index]
                raise HecError(code)
        if "token" in request.query:
            raise HecError(16)
        said = request.headers.get("Authorization")
        if said is None:
            raise HecError(2)
        if not said.startswith("Splunk "):
            raise HecError(3)
        if said != f"Splunk {TOKEN}":
            raise HecError(4)

    def _channel(self, request: web.Request) -> str:
        channel = request.headers.get("X-Splunk-Request-Channel", "")
        if not self.acknowledge:
            return channel
        if not channel:
            raise HecError(10)
        try:
            return str(uuid.UUID(channel))
        except ValueError:
            raise HecError(11) from None


def _parse(text: str) -> tuple[list[dict[str, Any]], HecError | None]:
    """The events of a body up to the first that is none, and what is wrong with that one."""
    events: list[dict[str, Any]] = []
    at, end_of = 0, len(text)
    decoder = json.JSONDecoder()
    while True:
        while at < end_of and text[at].isspace():
            at += 1
        if at == end_of:
            return events, None if events else HecError(5)
        try:
            event, at = decoder.raw_decode(text, at)
        except ValueError:
            return events, HecError(6, len(events))
        code = _wrong(event)
        if code:
            return events, HecError(code, len(events))
        events.append(event)


def _wrong(event: Any) -> int:
    if not isinstance(event, dict):
        return 6
    if "event" not in event:
        return 12
    if event["event"] in ("", None):
        return 13
    if event.get("index") not in INDEXES:
        return 7
    if any(isinstance(each, dict) for each in event.get("fields", {}).values()):
        return 15
    return 0


def _say(code: int, more: dict[str, Any]) -> web.Response:
    status, text = TEXTS[code]
    headers = {"Retry-After": "1"} if status in {429, 503} else None
    return web.json_response({"text": text, "code": code, **more}, status=status, headers=headers)


class HecReceiver:
    """A collector in a process of its own. Implements `tests.receivers.base.Receiver`."""

    exact = False

    def __init__(self, folder: Path, *, acknowledge: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self.acknowledge = acknowledge
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def missing() -> str | None:
        """It is here always."""
        return None

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start on the journal of before; return when it listens."""
        arguments = [str(self.folder / "journal"), str(self.port), str(int(self.acknowledge))]
        root = Path(__file__).resolve().parents[2]
        with (self.folder / "hec.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.receivers.hec", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=root,
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL, as a power cut would: what is not in the journal is lost."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End it for good."""
        process, self._process = self._process, None
        if process is not None:
            end(process, 5.0)

    def policy(self, name: str) -> str:
        return (
            f'[destinations.{name}]\nkind = "splunk-hec"\nurl = "{self.url}"\ntoken = {{ env = "{VARIABLE}" }}\n'
            f"acknowledge = {str(self.acknowledge).lower()}\n"
        )

    def environment(self) -> dict[str, str]:
        return {VARIABLE: TOKEN}

    def received(self) -> Counter[str]:
        """How often each alert id is in the journal."""
        return Counter(event["fields"]["alert_id"] for event in self.events())

    def events(self) -> list[dict[str, Any]]:
        """The events in the journal, in order; a line that a kill cut is none."""
        journal = self.folder / "journal"
        whole, _, _ = journal.read_bytes().rpartition(b"\n") if journal.exists() else (b"", b"", b"")
        return [json.loads(line) for line in whole.splitlines()]


def main() -> None:
    journal, port, acknowledge = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"
    whole, newline, _ = journal.read_bytes().rpartition(b"\n") if journal.exists() else (b"", b"", b"")
    journal.write_bytes(whole + newline)
    asyncio.run(_serve(Collector(journal, acknowledge).application(), port))


async def _serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)  # it is the collector's own business
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
