"""A small store of data over HTTP, as it stands behind a gateway: it serves rows and reports each access to Kafka.

It decides nothing: whoever reaches its port gets data. That is what makes a bypass of the gateway possible, and what
the monitor has to see.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import orjson
from aiohttp import web
from aiokafka import AIOKafkaProducer

from agents.publisher import partition_of
from schemas.topics import ACCESS_EVENTS

ROWS: Final = 25
"""Rows of one answer."""

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
        event: dict[str, Any] = {
            "event_id": f"store-{uuid.uuid4().hex}",
            "occurred_at": time.time_ns() // 1_000_000,
            "employee_id": person,
            "dataset_id": request.match_info["dataset"],
            "action": ACTIONS.get(request.method, "read"),
            "record_count": ROWS,
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
        return web.json_response({"rows": [f"row {number}" for number in range(ROWS)]})
