"""The consumer's own thread: everything that touches the aiokafka client."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.consumer.group_coordinator import OffsetCommitRequest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import (
    AIOKafkaConsumerThread,
    credentials_to_aiokafka_auth,
    server_list,
)

from agents.ledger import TP
from agents.transport.holes import SkippedRanges, WatchedRecords

__all__ = ["BatchConsumerThread", "CommitRefusedError", "Start"]

T = TypeVar("T")

FETCH_MAX_WAIT_MS = 500
"""How long the broker may hold an empty fetch. Faust's 1500 only delays what a stop or a seek waits for."""

COMMIT_TIMEOUT = 10.0
"""Seconds for one commit. It bounds how long an unreachable broker keeps a revocation from going on, well
within the rebalance timeout of 30 s; a commit that fails is tried again with the next one."""

START_TIMEOUT = 20.0
"""Seconds to learn where to start reading. Faust itself gives the whole step `broker_request_timeout` (40
s)."""


class CommitRefusedError(Exception):
    """The broker did not take a commit, which is no defect: a rebalance, or it does not answer."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition is read from."""

    offset: int
    committed: int | None
    """What the group had committed; None for a group that never did."""
    log_start: int
    """The first offset that the broker still has."""


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Creates the client with read_committed and answers what the ledger needs to know."""

    skipped: SkippedRanges

    def _create_worker_consumer(self, transport: Any) -> Any:
        conf = self.app.conf
        # Written out rather than inherited: Faust sets the isolation level only under exactly_once, and a
        # table's assignor here would be an error that hangs (see agents/transport/app.py).
        self._assignor = RoundRobinPartitionAssignor
        return AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int((conf.broker_rebalance_timeout) * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def on_start(self) -> None:
        """Start the client, and watch what its fetcher skips."""
        self.skipped = SkippedRanges()
        await super().on_start()
        self._client_consumer()._fetcher._records = WatchedRecords(self.skipped)

    def _client_consumer(self) -> Any:
        return self._ensure_consumer()

    async def ask(self, question: Callable[[], Awaitable[T]], timeout: float) -> T:  # noqa: ASYNC109 - crosses loops
        """Run `question` on this thread's loop, beside its queue of calls, which a long fetch may occupy.

        Raises:
            TimeoutError: no answer within `timeout` seconds.
        """

        async def bounded() -> T:
            return await asyncio.wait_for(question(), timeout)

        future = asyncio.run_coroutine_threadsafe(bounded(), self.thread_loop)
        # The second bound is for a thread that has stopped, whose loop would never look at the question.
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout + 1.0)

    async def starts(self) -> Mapping[TP, Start]:
        """Where the group stands on every assigned partition; seeks there.

        Raises:
            IllegalStateError: the assignment changed meanwhile; Faust starts over with the new one.
            TimeoutError: the broker did not answer.
        """
        client = self._client_consumer()

        async def find() -> dict[TP, Start]:
            tps = list(client.assignment())
            if not tps:
                return {}
            begin = await client.beginning_offsets(tps)
            found = {}
            for tp in tps:
                committed = await client.committed(tp)
                offset = begin[tp] if committed is None else max(committed, begin[tp])
                found[tp.topic, tp.partition] = Start(offset, committed, begin[tp])
            for tp in tps:
                # Faust seeks only to offsets above zero: a partition without a commit would keep its
                # position.
                self.skipped.forget((tp.topic, tp.partition))
                client.seek(tp, found[tp.topic, tp.partition].offset)
            return found

        return await self.ask(find, START_TIMEOUT)

    async def log_starts(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """The first offset that the broker still has, for each partition."""
        wanted = [TopicPartition(*tp) for tp in tps]
        found = await self.ask(lambda: self._client_consumer().beginning_offsets(wanted), START_TIMEOUT)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def log_ends(self, tps: Iterable[TP], within: float) -> Mapping[TP, int]:
        """The log's end as the broker tells it now, for each partition, asked beside the fetches.

        It is the larger of ListOffsets(latest) and the high watermark of the last fetch: some brokers answer
        the former with the base offset of the last batch plus one.
        """
        client = self._client_consumer()
        wanted = [TopicPartition(*tp) for tp in tps]
        found = await self.ask(lambda: client.end_offsets(wanted), within)
        held = client.assignment()
        return {
            (tp.topic, tp.partition): max(offset, (client.highwater(tp) or 0) if tp in held else 0)
            for tp, offset in found.items()
        }

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> None:
        """Commit for the current generation.

        Raises:
            CommitRefusedError: a rebalance is under way, or the broker does not answer.
            KafkaError: anything that trying again would not cure.
        """
        client = self._client_consumer()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}

        async def commit() -> None:
            if client._coordinator.generation == OffsetCommitRequest.DEFAULT_GENERATION_ID:
                # Without a generation the broker takes it for a commit from outside any group and, where the
                # group is empty by then, lets it overwrite a newer one.
                raise CommitFailedError("the session was lost")
            await client.commit(wanted)

        try:
            await self.ask(commit, COMMIT_TIMEOUT)
        except (CommitFailedError, IllegalStateError) as exc:
            raise CommitRefusedError(f"a rebalance is under way: {exc}") from exc
        except TimeoutError as exc:
            raise CommitRefusedError(f"no answer within {COMMIT_TIMEOUT:g} s") from exc
        except KafkaError as exc:
            if not exc.retriable:
                raise
            raise CommitRefusedError(f"the broker does not answer: {exc!r}") from exc

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's own livelock check compares two clocks and only logs; see agents/watchdog.py."""
