"""An alert as a CloudEvent 1.0 on Kafka, binary mode: its attributes are headers, the value is the data.

Source: CloudEvents 1.0.2, "Kafka Protocol Binding", section 3.2: `ce_` before each attribute, `content-type` for the
data's own. Nine headers: the SDK makes the same in fifty microseconds, most of them spent on checking what is constant
here; the tests read what is made with it. The record's key is not made here: by the binding's section 3.1 it is the
attribute `partitionkey`, the alert's id: revisions stay in order, and a compacted topic keeps the last.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from alerts.formats import ocsf
from alerts.formats.ecs import stamp
from schemas.alert import Alert

SOURCE: Final = b"/cloverwatch/alerts"
"""A path: who knows which installation it is, is who set up the topic."""

TYPES: Final = {"ocsf": b"io.ocsf.detection_finding", "alert": b"cloverwatch.alert"}
"""`type` says what the data is; the activity and the status are in the data."""

DATA_SCHEMA: Final = b"https://schema.ocsf.io/1.8.0/classes/detection_finding"

_write = msgspec.json.Encoder().encode


def message(
    alert: Alert, *, data: Literal["ocsf", "alert"], now: int, version: str
) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return the headers and the value of the Kafka record.

    `ce_id` is the alert's id with its revision: with the source it is the same for the same event alone, however often
    that is sent.

    Args:
        alert: one revision of an alert.
        data: what the value is: an OCSF Detection Finding, or the alert's own JSON.
        now: milliseconds since 1970.
        version: of the program.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{alert.alert_id}:{alert.revision}".encode()),
        ("ce_source", SOURCE),
        ("ce_type", TYPES[data]),
        ("ce_subject", alert.alert_id.encode()),
        ("ce_time", stamp(ocsf.revised_at(alert)).encode()),
        ("ce_partitionkey", alert.alert_id.encode()),
        ("content-type", b"application/json"),
    ]
    if data == "alert":
        return headers, _write(alert)
    headers.append(("ce_dataschema", DATA_SCHEMA))
    return headers, ocsf.encode(alert, now=now, version=version)
