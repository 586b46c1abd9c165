"""A worker that copies every record's value to an output topic: what the transport's tests run as a process.

It stands for any agent: process each record, await every delivery, ack last.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from aiokafka import AIOKafkaProducer
from mode import Service

from agents.ledger import TP
from agents.transport import Delivery, StreamApp, StreamSettings, deliveries
from agents.transport.lag import LagService
from agents.watchdog import Watchdog, WatchdogSettings


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--input", action="append", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--datadir", type=Path, required=True)
    parser.add_argument("--session-timeout", type=float, default=6.0)
    parser.add_argument("--max-poll-records", type=int, default=50)
    parser.add_argument("--batch-delay", type=float, default=0.0, help="seconds that a batch takes")
    parser.add_argument("--raise-at", help="raise in the middle of the batch with this value")
    parser.add_argument("--raise-once", type=Path, help="raise only while this file exists, and remove it")
    parser.add_argument("--hold-every", type=int, default=0, help="hold every n-th batch open ...")
    parser.add_argument("--hold-for", type=float, default=0.0, help="... for so many seconds, then ack it")
    parser.add_argument("--stuck-at", help="wait for ever at the record with this value")
    parser.add_argument("--print-lag", action="store_true", help="print what LagService knows")
    parser.add_argument("--auto-ack", action="store_true", help="read as no agent may: acked by the stream")
    parser.add_argument("--refuse-commits", action="store_true", help="what must be stored before a commit fails")
    parser.add_argument("--stuck-limit", type=float, default=60.0)
    return parser.parse_args()


class RefuseCommits:
    """A store of behaviour state that is broken."""

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        raise RuntimeError(f"nothing can be stored below {dict(offsets)}")


class PrintLag(Service):
    """One line a round: the sums of what LagService knows."""

    def __init__(self, lag: LagService) -> None:
        super().__init__()
        self._lag_service = lag

    @Service.task
    async def _print(self) -> None:
        while not self.should_stop:
            known = self._lag_service.partitions().values()
            ends = sum(lag.end or 0 for lag in known)
            committed = sum(lag.committed or 0 for lag in known)
            print(f"LAG end={ends} position={sum(lag.position for lag in known)} committed={committed}", flush=True)
            await self.sleep(0.2)


def main() -> None:
    args = arguments()
    settings = StreamSettings(
        group=args.group,
        brokers=tuple(args.brokers.split(",")),
        datadir=args.datadir,
        session_timeout=args.session_timeout,
        max_poll_records=args.max_poll_records,
        commit_interval=0.2,
    )
    app = StreamApp(settings, before_commit=RefuseCommits() if args.refuse_commits else None)
    lag = LagService(app, interval=0.5)
    watchdog = Watchdog(app, lag, WatchdogSettings(stuck_head=args.stuck_limit, no_assignment=60.0, interval=0.5))

    app.beside(lag, watchdog)
    if args.print_lag:
        app.beside(PrintLag(lag))

    producer: AIOKafkaProducer | None = None
    held: set[asyncio.Task[None]] = set()
    count = 0

    async def later(delivery: Delivery) -> None:
        await asyncio.sleep(args.hold_for)
        delivery.ack()

    @app.agent(app.batches(*args.input))
    async def copy(stream):  # type: ignore[no-untyped-def]  # Faust's decorator reads no annotations here
        nonlocal producer, count
        if producer is None:
            producer = AIOKafkaProducer(bootstrap_servers=args.brokers, linger_ms=2, acks="all")
            await producer.start()
        if args.auto_ack:
            async for _batch in stream:
                pass
        async for delivery in deliveries(stream):
            sent = []
            for record in delivery.batch.records:
                value = (record.value or b"").decode()
                if value == args.raise_at and (args.raise_once is None or args.raise_once.exists()):
                    if args.raise_once is not None:
                        args.raise_once.unlink()
                    raise RuntimeError(f"planted at {value}")
                if value == args.stuck_at:
                    await asyncio.Event().wait()
                where = f"{record.topic}/{record.partition}/{record.offset}".encode()
                sent.append(await producer.send(args.output, value=record.value, key=where))
            if args.batch_delay:
                await asyncio.sleep(args.batch_delay)
            await asyncio.gather(*sent)
            count += 1
            if args.hold_every and count % args.hold_every == 0:
                delivery.hold()
                task = asyncio.create_task(later(delivery))
                held.add(task)
                task.add_done_callback(held.discard)
            else:
                delivery.ack()

    app.Worker(loglevel="INFO").execute_from_commandline()


if __name__ == "__main__":
    main()
