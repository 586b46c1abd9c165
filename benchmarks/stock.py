"""Baseline (a): a stock Faust agent, one event at a time, with our decoder, rules, tables and memo. Prints JSON.

Everything but the framework is ours: the same `Session` judges, so the ratio is that of the transport. Directories are
read from files before the start. With `--empty` the agent does nothing at all: Faust's own limit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import faust

from agents.files import Line, load_directory
from agents.offline import session_of
from agents.settings import Settings
from benchmarks.process import usage
from benchmarks.stream import POLICY
from schemas.codec import encode
from schemas.topics import ACCESS_EVENTS, ALERTS


def main(arguments: list[str]) -> None:
    """Run until so many events are judged, then print and leave."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("directory", type=Path)
    parser.add_argument("events", type=int)
    parser.add_argument("--empty", action="store_true")
    given = parser.parse_args(arguments)
    name = "bench-stock-empty" if given.empty else "bench-stock"
    app = faust.App(
        name,
        broker=f"kafka://{given.bootstrap}",
        datadir=tempfile.mkdtemp(prefix="cloverwatch-stock-"),
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        producer_linger=0.005,
    )
    session = session_of(POLICY, load_directory(given.directory), Settings())
    accesses = app.topic(ACCESS_EVENTS, key_serializer="raw", value_serializer="raw")
    alerts = app.topic(ALERTS, key_serializer="raw", value_serializer="raw")
    state: dict[str, Any] = {"count": 0}

    @app.agent(accesses)
    async def judge(stream: Any) -> None:
        async for event in stream.events():
            if not given.empty:
                # Faust tells seconds; behaviour is judged by the milliseconds of the append time.
                given_at = round(event.message.timestamp * 1000)
                message = Line(event.message.value, given_at, event.message.offset, ACCESS_EVENTS)
                haul = session.take([message], time.time_ns() // 1_000_000)
                for alert in haul.alerts:
                    await alerts.send(key=alert.alert_id.encode(), value=encode(alert))
            state["count"] += 1
            if state["count"] == 1:
                state["began"], state["used"] = time.monotonic(), usage(os.getpid())
            elif state["count"] == given.events:
                spent, now = time.monotonic() - state["began"], usage(os.getpid())
                result = {
                    "events": given.events - 1,
                    "seconds": spent,
                    "cpu_s": now.cpu_s - state["used"].cpu_s,
                    "peak_mib": now.peak_mib,
                }
                print(json.dumps(result), flush=True)
                os._exit(0)

    worker = app.Worker(loglevel="WARNING", redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1:])
