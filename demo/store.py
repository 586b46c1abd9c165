"""A small store of data over HTTP, as it stands behind a gateway: it serves rows and reports each access to Kafka.

It decides nothing: whoever reaches its port gets data. That is what makes a bypass of the gateway possible, and what
the monitor has to see. It honours the obligations that come with a decision, and reports which view it showed.
"""

from __future__ import annotations

import secrets
import time
import uuid
from hashlib import blake2b
from typing import Any, Final

import orjson
from aiohttp import web
from aiokafka import AIOKafkaProducer

from agents.publisher import partition_of
from schemas.topics import ACCESS_EVENTS

ROWS: Final = 25
"""Rows of one answer."""

USERS: Final = [f"u-{number:04}" for number in range(ROWS)]
"""Whose rows they are."""

KEY: Final = secrets.token_bytes(32)
"""Of the pseudonyms of this run."""

ACTIONS: Final = {"GET": "read", "POST": "query", "PUT": "update", "DELETE": "delete"}
"""Which action a method is."""


class Store:
    """Serves `/datasets/NAME` on loopback.

    Args:
        producer: started; access events go there.
        partitions: of `access.events`.
    """

    def __init__(self, producer: AIOKafkaProducer, partitions: int) -> None:
        self._producer, self._partitions = producer, partitions
        self._runner: web.AppRunner | None = None
        self.reported: list[str] = []
        """Ids of the access events reported, in order."""

    async def start(self, port: int) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_route("*", "/datasets/{dataset}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        """Report the access, then answer: nothing is served that is not reported."""
        headers = request.headers
        person: str = headers.get("x-cloverwatch-subject") or headers.get("x-user") or "nobody"
        obligations = obliged(headers.get("x-cloverwatch-obligations", ""))
        rows = [f"row {number} of {USERS[number]}" for number in range(ROWS)]
        if "pseudonymised" in obligations:
            rows = [f"row {number} of {pseudonym(USERS[number])}" for number in range(ROWS)]
        rows = rows[: int(obligations.get("row_limit", ROWS))]
        event: dict[str, Any] = {
            "event_id": f"store-{uuid.uuid4().hex}",
            "occurred_at": time.time_ns() // 1_000_000,
            "employee_id": person,
            "dataset_id": request.match_info["dataset"],
            "action": ACTIONS.get(request.method, "read"),
            "record_count": len(rows),
            "view": "pseudonymised" if "pseudonymised" in obligations else "clear",
            "client": "store",
        }
        for field, header in (
            ("decision_id", "x-cloverwatch-decision-id"),
            ("source_ip", "x-cloverwatch-ip"),
            ("session_id", "x-cloverwatch-session"),
            ("purpose", "x-cloverwatch-purpose"),
            ("ticket", "x-cloverwatch-ticket"),
        ):
            if value := headers.get(header):
                event[field] = value
        await self._producer.send_and_wait(
            ACCESS_EVENTS,
            key=person.encode(),
            value=orjson.dumps(event),
            partition=partition_of(person, self._partitions),
        )
        self.reported.append(event["event_id"])
        return web.json_response({"rows": rows})


def obliged(header: str) -> dict[str, str]:
    """Return the obligations of a header (`pseudonymised,row_limit=100,ticket`), with their values, empty for none."""
    return {name: value for name, _, value in (word.partition("=") for word in header.split(",") if word)}


def pseudonym(user: str) -> str:
    """Return what stands for a user: a keyed hash, whose key is gone with the process."""
    return blake2b(user.encode(), key=KEY, digest_size=8).hexdigest()
