"""A webhook's receiver as Standard Webhooks ask: signature and timestamp verified, each id taken once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from demo.broker import free_port
from tests.receivers.served import Journal, Served, listen, read_journal

SECRET = "whsec_" + base64.b64encode(b"a secret of tests, 32 bytes long").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the one before, 32 bytes as well").decode()
TOLERANCE_S = 300


def verified(secret: str, headers: Any, body: bytes, now: float) -> str | None:
    """Why a message is not taken, or None. Written from the specification, without the sender's code."""
    try:
        message, stamp, given = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        age = now - int(stamp)
    except (KeyError, ValueError):
        return "a header is missing or malformed"
    if abs(age) > TOLERANCE_S:
        return "the timestamp is too far away"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    for each in given.split(" "):
        version, _, signature = each.partition(",")
        if version == "v1" and hmac.compare_digest(signature, expected):
            return None
    return "no signature fits"


def application(journal: Journal, secret: str) -> web.Application:
    """Takes messages at `/hook`; journals a repeated id only once."""
    seen = {record["id"] for record in journal.read()}

    async def hook(request: web.Request) -> web.Response:
        at = time.time()
        body = await request.read()
        if why := verified(secret, request.headers, body, time.time()):
            return web.Response(status=401, text=why)
        message = request.headers["webhook-id"]
        if message not in seen:
            journal.add({"id": message, "at": at, "body": json.loads(body)})
            seen.add(message)
        return web.Response(status=204)

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/hook", hook)
    return app


class WebhookReceiver:
    """It, as a process of its own, for messages of groups.

    It recognises a repeated message. After a crash a group may be cut otherwise, and its alerts come in a message with
    another id: so an alert may count twice.
    """

    exact = False
    kind = "webhook"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "messages.jsonl"
        self.port = free_port()
        command = Served.python("tests.receivers.webhook", str(self._journal), str(self.port))
        self._served = Served(self.port, command, folder / "log")

    @staticmethod
    def missing() -> str | None:
        return None

    def start(self) -> None:
        self._served.start()

    def kill(self) -> None:
        self._served.kill()

    def stop(self) -> None:
        self._served.stop()

    def policy(self, name: str) -> str:
        return (
            f'[destinations.{name}]\nkind = "{self.kind}"\nurl = "http://127.0.0.1:{self.port}/hook"\n'
            'secrets = [{ env = "TEST_WEBHOOK_SECRET" }]\n'
        )

    def environment(self) -> dict[str, str]:
        return {"TEST_WEBHOOK_SECRET": SECRET}

    def messages(self) -> list[dict[str, Any]]:
        return [record["body"] for record in read_journal(self._journal)]

    def arrivals(self) -> dict[str, float]:
        """When the first message came that lists an alert, seconds since 1970."""
        found: dict[str, float] = {}
        for record in read_journal(self._journal):
            for alert in record["body"]["data"]["alert_ids"]:
                found.setdefault(alert, record["at"])
        return found

    def received(self) -> Counter[str]:
        """How many messages that something fires list each alert."""
        fires = [each["data"] for each in self.messages() if each["data"]["state"] == "firing"]
        return Counter(alert for data in fires for alert in data["alert_ids"])


class WebhookEachReceiver(WebhookReceiver):
    """For messages of one alert each: the id of a message is that of a revision, so a repetition is recognised."""

    exact = True
    kind = "webhook-each"

    def received(self) -> Counter[str]:
        """How often each alert is there in the same revision."""
        told = Counter(
            (alert["alert_id"], alert.get("revision", 0))
            for message in self.messages()
            for alert in message["data"]["alerts"]
        )
        most: Counter[str] = Counter()
        for (alert, _), times in told.items():
            most[alert] = max(most[alert], times)
        return most


if __name__ == "__main__":
    listen(application(Journal(Path(sys.argv[1])), SECRET), int(sys.argv[2]))
