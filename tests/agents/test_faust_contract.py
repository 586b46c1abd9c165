"""What the transport relies on in the installed Faust and aiokafka: an upgrade that breaks it fails here, by
name."""

import importlib.util
import inspect
from importlib.metadata import version
from typing import Any

import faust
import faust.streams
import faust.tables
import faust.transport.conductor
import faust.transport.consumer
import faust.transport.drivers.aiokafka
import faust.transport.utils
import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords

import agents.transport.app as our_app
from agents.transport.batch import BatchScheduler, RawSchema
from agents.transport.committing import LedgerConsumer, _AutoAckRefused
from agents.transport.consumer import BatchConsumer
from agents.transport.thread import BatchConsumerThread

driver = faust.transport.drivers.aiokafka

OVERRIDDEN: list[tuple[type, type, str, list[str]]] = [
    (BatchScheduler, faust.transport.utils.DefaultSchedulingStrategy, "iterate", ["self", "records"]),
    (RawSchema, faust.Schema, "loads_key", ["self", "app", "message", "loads", "serializer"]),
    (RawSchema, faust.Schema, "loads_value", ["self", "app", "message", "loads", "serializer"]),
    (BatchConsumer, driver.Consumer, "_new_consumer_thread", ["self"]),
    (BatchConsumer, driver.Consumer, "getmany", ["self", "timeout"]),
    (BatchConsumer, driver.Consumer, "_to_message", ["self", "tp", "record"]),
    (BatchConsumer, driver.Consumer, "perform_seek", ["self"]),
    (BatchConsumer, driver.Consumer, "seek", ["self", "partition", "offset"]),
    (LedgerConsumer, driver.Consumer, "_add_gap", ["self", "tp", "offset_from", "offset_to"]),
    (LedgerConsumer, driver.Consumer, "ack", ["self", "message"]),
    (LedgerConsumer, driver.Consumer, "_filter_tps_with_pending_acks", ["self", "topics"]),
    (LedgerConsumer, driver.Consumer, "_new_offset", ["self", "tp"]),
    (LedgerConsumer, driver.Consumer, "commit", ["self", "topics", "start_new_transaction"]),
    (LedgerConsumer, driver.Consumer, "_commit_offsets", ["self", "offsets", "start_new_transaction"]),
    (LedgerConsumer, driver.Consumer, "_commit", ["self", "offsets"]),
    (LedgerConsumer, driver.Consumer, "on_partitions_revoked", ["self", "revoked"]),
    (BatchConsumer, driver.Consumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
    (LedgerConsumer, driver.Consumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
    (LedgerConsumer, driver.Consumer, "wait_empty", ["self"]),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "on_start", ["self"]),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread, "verify_event_path", ["self", "now", "tp"]),
    (our_app.StreamApp, faust.App, "_new_transport", ["self"]),
    (our_app.StreamApp, faust.App, "on_started", ["self"]),
    (our_app.NoTables, faust.tables.TableManager, "add", ["self", "table"]),
    (our_app.NoTables, faust.tables.TableManager, "on_start", ["self"]),
]

USED: list[tuple[Any, str]] = [
    (driver.Consumer, "_wait_next_records"),
    (driver.Consumer, "_get_active_partitions"),
    (driver.Consumer, "_wait_for_ack"),
    (driver.Consumer, "force_commit"),
    (driver.Consumer, "assignment"),
    (driver.AIOKafkaConsumerThread, "_ensure_consumer"),
    (faust.tables.TableManager, "_update_channels"),
    (driver, "credentials_to_aiokafka_auth"),
    (driver, "server_list"),
    (PartitionRecords, "_unpack_records"),
    (Fetcher, "fetched_records"),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "name", "parameters"), OVERRIDDEN, ids=lambda part: getattr(part, "__name__", None)
)
def test_what_is_overridden_is_there_with_this_signature(
    ours: type, theirs: type, name: str, parameters: list[str]
) -> None:
    assert issubclass(ours, theirs)
    assert name in vars(ours), "the list names what is overridden"
    installed = getattr(theirs, name, None)
    assert installed is not None, f"{theirs.__name__}.{name} is gone from faust {version('faust-streaming')}"
    assert list(inspect.signature(installed).parameters) == parameters
    own = vars(ours)[name]
    assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(installed)
    assert inspect.isasyncgenfunction(own) == inspect.isasyncgenfunction(installed)


def test_every_override_is_listed() -> None:
    listed = {(ours, name) for ours, _, name, _ in OVERRIDDEN}
    for ours, theirs in {(ours, theirs) for ours, theirs, _, _ in OVERRIDDEN}:
        for name, value in vars(ours).items():
            if inspect.isfunction(value) and hasattr(theirs, name) and not name.startswith("__"):
                assert (ours, name) in listed, f"{ours.__name__}.{name} overrides and is not in the contract"


@pytest.mark.parametrize(("owner", "name"), USED, ids=lambda part: getattr(part, "__name__", part))
def test_what_is_used_is_there(owner: Any, name: str) -> None:
    assert hasattr(owner, name)


def test_attributes_that_the_overrides_read_or_set_are_still_faust_s_own() -> None:
    source = inspect.getsource(faust.transport.consumer.Consumer.__init__)
    for name in (
        "_acked_index",
        "_unacked_messages",
        "_read_offset",
        "_committed_offset",
        "_waiting_for_ack",
    ):
        assert f"self.{name} = " in source, name
    drain = inspect.getsource(faust.transport.consumer.Consumer._drain_messages)
    assert "getmany(timeout=1.0)" in drain
    revoked = inspect.getsource(faust.App._on_partitions_revoked)
    assert "_consumer_wait_empty" in revoked
    thread = inspect.getsource(driver.ConsumerRebalanceListener.on_partitions_assigned)
    assert "consumer_generation_id = generation" in thread


def test_what_holes_are_seen_by_is_still_in_the_fetcher() -> None:
    assert "self._records = collections.OrderedDict()" in inspect.getsource(Fetcher.__init__)
    assert "self._partition_records = partition_records" in inspect.getsource(FetchResult.__init__)
    unpack = inspect.getsource(PartitionRecords._unpack_records)
    for relied_on in (
        "records = self._records",
        "records.has_next()",
        "records.next_batch()",
        "_aborted_producers",
        "consumer_record = self._consumer_record(tp, record)",
    ):
        assert relied_on in unpack, relied_on


def test_the_compiled_stream_iterator_is_loaded() -> None:
    sentence = (
        "Faust's compiled {} is not loaded: this is a pure Python installation, for which the transport is "
        "neither measured nor tested. Install a wheel of faust-streaming for this platform."
    )
    assert getattr(faust.streams, "_CStreamIterator", None) is not None, sentence.format("stream iterator")
    assert getattr(faust.transport.conductor, "ConductorHandler", None) is not None, sentence.format("conductor")
    # aiokafka without its extension decodes a tenth as fast, and its batches have other attributes.
    assert importlib.util.find_spec("aiokafka.record._crecords.default_records") is not None
    assert "_crecords" in type_module("aiokafka.record.memory_records", "MemoryRecords")


def type_module(module: str, name: str) -> str:
    return str(getattr(importlib.import_module(module), name).__module__)


def test_the_compiled_iterator_writes_where_a_stream_ack_is_refused() -> None:
    """It bypasses Consumer.ack and indexes `_acked_index`, which LedgerConsumer makes raise."""
    with pytest.raises(RuntimeError, match="deliveries"):
        _AutoAckRefused()["access.events", 0]


def test_the_pinned_version_is_the_installed_one() -> None:
    assert version("faust-streaming") == "0.15.3"
