"""An alert as a CloudEvent 1.0 on Kafka, binary mode: its attributes are headers, the value is the data.

CloudEvents 1.0.2, "Kafka Protocol Binding", section 3.2: `ce_` before each attribute, `content-type` for the data's.
The record's key is not made here: it is the alert's `dedup_key`, as in `alerts`, so that revisions stay in order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from cloudevents.core.bindings.kafka import to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from alerts.formats import ocsf
from schemas.alert import Alert
from schemas.codec import encode
from schemas.fields import EPOCH

SOURCE: Final = "/cloverwatch/alerts"
"""A path: who knows which installation it is, is who set up the topic."""

TYPES: Final = {
    "ocsf": "io.ocsf.detection_finding",
    "alert": "cloverwatch.alert",
}
"""`type` says what the data is; the activity and the status are in the data."""

DATA_SCHEMA: Final = "https://schema.ocsf.io/1.8.0/classes/detection_finding"

_FORMAT: Final = JSONFormat()


def message(
    alert: Alert, *, data: Literal["ocsf", "alert"], now: int, version: str
) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return the headers and the value of the Kafka record.

    Args:
        alert: one revision of an alert.
        data: what the value is: an OCSF Detection Finding, or the alert's own JSON.
        now: milliseconds since 1970.
        version: of the program.
    """
    attributes = {
        "specversion": "1.0",
        "id": f"{alert.alert_id}:{alert.revision}",  # with the source, the same for the same event alone
        "source": SOURCE,
        "type": TYPES[data],
        "subject": alert.alert_id,
        "time": EPOCH + timedelta(milliseconds=ocsf.revised_at(alert)),
        "datacontenttype": "application/json",
        "partitionkey": alert.dedup_key,
    }
    if data == "ocsf":
        attributes["dataschema"] = DATA_SCHEMA
    value = ocsf.encode(alert, now=now, version=version) if data == "ocsf" else encode(alert)
    made = to_binary(CloudEvent(attributes, value), _FORMAT)
    return list(made.headers.items()), made.value
