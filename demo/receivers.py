"""Whom the demo delivers to: a file as a SIEM reads it, and a pager that is a webhook of the demo's own."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Final

from aiohttp import web

from agents.cli.receipts import read_receipts
from agents.delivering.looking_back import look_back
from agents.settings import Settings
from schemas.codec import ALERT
from schemas.topics import ALERTS

SIEM: Final = "siem"
PAGER: Final = "pager"

DELIVERED_WITHIN_S: Final = 60.0
"""From the last alert to its last receipt: the pager's groups collect for some seconds, its limit for more."""

LOOK_EVERY_S: Final = 0.5
"""Between two looks at the receipts."""

SECRET_BYTES: Final = 32
"""Of the key that signs webhooks: the middle of what Standard Webhooks allows."""

MAINTENANCE: Final = timedelta(days=1)
"""How long the demo's silence lasts, from its start: longer than the demo."""

SECTIONS: Final = """
[destinations.siem]
kind = "file"
path = "{folder}/siem.jsonl"
format = "ocsf"

[destinations.pager]
kind = "webhook"
url = "http://127.0.0.1:{port}/page"
secrets = [{{ file = "{folder}/webhook-secret" }}]
group_interval = "5s"

[[routes]] # a SIEM has everything; a pager what somebody should look at now
to = ["siem"]
[[routes]]
severity = "high"
to = ["pager"]

[[silences]] # a window that hides nothing: no dataset is called so
id = "archive-move"
owner = "dpo@clover.example"
reason = "the archive moves to another hall, and whoever carries it reads from it"
since = {since}
until = {until}
dataset = ["archive-*"]
"""


@dataclass(slots=True)
class Pager:
    """Counts the messages that come: the first of an incident wakes somebody, the others change what they see."""

    messages: int = 0
    digests: int = 0
    incidents: set[str] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen on loopback."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/page", self._page)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        data = (await request.json())["data"]
        self.messages += 1
        self.digests += bool(data.get("digest"))
        self.incidents.add(data["key"])
        return web.Response(status=204)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of delivering."""

    alerts: int
    """How many there are, by id."""
    settled: int
    """Of them, those with a receipt of their last revision from every destination."""
    states: Counter[str]
    """Receipts by `destination: state`."""


async def delivered(settings: Settings) -> Delivery:
    """Return when every alert has its receipts, or `DELIVERED_WITHIN_S` is over."""
    partitions = list(range(settings.partitions))
    deadline = time.monotonic() + DELIVERED_WITHIN_S
    while True:
        last: dict[str, int] = {}
        async for record in look_back(settings, ALERTS, partitions):
            alert = ALERT.decode(record.value)
            last[alert.alert_id] = max(alert.revision, last.get(alert.alert_id, 0))
        receipts = await read_receipts(settings, partitions)
        settled = sum(
            all(
                (found := receipts.get((name, alert_id))) is not None and found.revision >= revision
                for name in (SIEM, PAGER)
            )
            for alert_id, revision in last.items()
        )
        if settled == len(last) or time.monotonic() > deadline:
            states = Counter(f"{each.destination}: {each.state}" for each in receipts.values())
            return Delivery(len(last), settled, states)
        await asyncio.sleep(LOOK_EVERY_S)


def policy_for(policy: Path, folder: Path, port: int) -> Path:
    """Write the demo's policy with the destinations of this run; return the file."""
    secret = folder / "webhook-secret"
    secret.write_text(f"whsec_{b64encode(token_bytes(SECRET_BYTES)).decode()}\n", encoding="utf-8")
    secret.chmod(0o600)
    found = folder / "policy.toml"
    now = datetime.now(UTC).replace(microsecond=0)
    times = {"since": now.isoformat(), "until": (now + MAINTENANCE).isoformat()}
    text = policy.read_text(encoding="utf-8") + SECTIONS.format(folder=folder, port=port, **times)
    found.write_text(text, encoding="utf-8")
    return found
