"""The record-batch transport: a lossless stream of record batches on Faust."""

from agents.transport.app import BatchTransport, StreamApp, StreamSettings, faust_settings
from agents.transport.batch import BatchScheduler, Delivery, RawSchema, RecordBatch, deliveries
from agents.transport.listener import BeforeCommit, TransportListener, TransportObserver

__all__ = [
    "BatchScheduler",
    "BatchTransport",
    "BeforeCommit",
    "Delivery",
    "RawSchema",
    "RecordBatch",
    "StreamApp",
    "StreamSettings",
    "TransportListener",
    "TransportObserver",
    "deliveries",
    "faust_settings",
]
