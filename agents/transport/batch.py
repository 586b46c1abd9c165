"""A fetched run of records as one Faust message."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import faust
import msgspec
from faust.transport.utils import DefaultSchedulingStrategy

from agents.ledger import TP, Span

__all__ = ["BatchScheduler", "Delivery", "RawSchema", "Record", "RecordBatch", "deliveries"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it was fetched.

    aiokafka's own has eleven fields and is a frozen dataclass: making it takes longer than decoding what is in it.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Append time, milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_type: int = 0
    """Kafka's: 0 where the producer set the time, 1 where the broker did."""

    def __repr__(self) -> str:
        """Where it was, not what is in it: key and value are people's."""
        return f"Record({self.topic}-{self.partition}@{self.offset})"


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one partition in offset order, undecoded."""

    topic: str
    partition: int
    records: Sequence[Record] = field(repr=False)
    """Not shown: Faust writes messages into its warnings, and a log holds nothing of a record."""
    span: Span

    @property
    def tp(self) -> TP:
        """(topic, partition)."""
        return self.topic, self.partition

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch with the means to finish it, now or long after the agent has moved on to later ones."""

    batch: RecordBatch
    _event: Any  # faust.EventT: its type parameters are Faust's own business

    def ack(self) -> bool:
        """Every effect of every record is stored. False where the batch was given up meanwhile.

        Call it on the event loop, as the last thing done for the batch.
        """
        return bool(self._event.ack())

    def hold(self) -> None:
        """All but waiting events is done: a rebalance or a stop does not wait for this batch.

        Until it is acked its offsets are not committed; given up, it is read again by the next owner.
        """
        self.batch.span.held = True


class BatchScheduler(DefaultSchedulingStrategy):
    """Hands on each fetched list of records whole, instead of record by record in turn."""

    def iterate(self, records: Mapping[Any, list[Any]]) -> Iterator[tuple[Any, Any]]:
        """One (partition, list of records) for every partition of a fetch."""
        return iter(records.items())


class RawSchema(faust.Schema[Any, Any]):
    """Leaves key and value as they are, so that Faust's codecs never see a batch."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """The message's key, untouched."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """The message's value, untouched: a `RecordBatch`."""
        return message.value


async def deliveries(stream: Any) -> AsyncIterator[Delivery]:
    """The batches of an agent's stream. Acking is explicit: Faust would ack a batch whose agent raised."""
    async for event in stream.noack().events():
        yield Delivery(event.value, event)
