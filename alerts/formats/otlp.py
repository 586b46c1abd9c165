"""An alert as an event of OpenTelemetry's logs: a LogRecord with an `event_name`.

Sources: OpenTelemetry specification 1.54, "Logs Data Model" (fields EventName, SeverityNumber; appendix B, mapping of
syslog's severities); semantic conventions, "Events" (attributes and no body) and the registry's `security_rule`,
`user`, `geo` and `service`. What has no convention is called `cloverwatch.…`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UnsetType
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from alerts.formats.ecs import PSEUDONYM
from alerts.formats.ocsf import revised_at, rule_version
from schemas.alert import Alert, Severity

EVENT_NAME: Final = "cloverwatch.alert"

SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
"""The conventions that the attributes are named by."""

SEVERITY: Final[dict[Severity, SeverityNumber.ValueType]] = {
    "informational": SeverityNumber.SEVERITY_NUMBER_INFO,
    "low": SeverityNumber.SEVERITY_NUMBER_INFO2,
    "medium": SeverityNumber.SEVERITY_NUMBER_WARN,
    "high": SeverityNumber.SEVERITY_NUMBER_ERROR,
    "critical": SeverityNumber.SEVERITY_NUMBER_ERROR2,
}
"""As appendix B maps syslog's informational, notice, warning, error and critical, which the same severities are in
syslog (`rfc5424.py`). FATAL is for a program that ends."""

_NANOSECONDS: Final = 1_000_000

Value = str | int | bool


def request(alerts: Sequence[tuple[Alert, int]], *, host: str, version: str) -> ExportLogsServiceRequest:
    """Return the message that carries alerts.

    Args:
        alerts: each with the time at which it is told, milliseconds since 1970.
        host: the name of this machine.
        version: of the program.
    """
    about = {"service.name": "cloverwatch", "service.version": version, "host.name": host}
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=Resource(attributes=[_pair(name, value) for name, value in about.items()]),
                schema_url=SCHEMA,
                scope_logs=[
                    ScopeLogs(
                        scope=InstrumentationScope(name="cloverwatch.alerts", version=version),
                        schema_url=SCHEMA,
                        log_records=[record(alert, now=now) for alert, now in alerts],
                    )
                ],
            )
        ]
    )


def record(alert: Alert, *, now: int) -> LogRecord:
    """Return one revision of an alert as an event; it happened when the revision came to be."""
    return LogRecord(
        time_unix_nano=revised_at(alert) * _NANOSECONDS,
        observed_time_unix_nano=now * _NANOSECONDS,
        severity_number=SEVERITY[alert.severity],
        severity_text=alert.severity,
        event_name=EVENT_NAME,
        attributes=[_pair(name, value) for name, value in _attributes(alert)],
    )


def _attributes(alert: Alert) -> Iterator[tuple[str, Value]]:
    yield "cloverwatch.alert.id", alert.alert_id
    yield "cloverwatch.alert.revision", alert.revision
    yield "cloverwatch.alert.status", alert.status
    yield "cloverwatch.alert.cause", alert.cause
    yield "cloverwatch.alert.title", alert.title
    yield "cloverwatch.alert.explanation", alert.explanation
    yield "cloverwatch.alert.dedup_key", alert.dedup_key
    yield "cloverwatch.alert.detected_at", alert.detected_at
    yield "cloverwatch.alert.occurred_at", alert.occurred_at
    yield "cloverwatch.policy.version", alert.judged_with.policy
    yield "security_rule.uuid", alert.rule_id
    yield "security_rule.category", alert.family
    yield "security_rule.version", str(rule_version(alert))
    if not isinstance(alert.person, UnsetType):
        yield "user.hash" if PSEUDONYM.fullmatch(alert.person) else "user.id", alert.person
    if not isinstance(alert.event, UnsetType):
        yield "cloverwatch.event.id", alert.event.event_id
    for name, value in (
        ("cloverwatch.dataset.id", alert.dataset_id),
        ("cloverwatch.dataset.sensitivity", alert.sensitivity),
        ("cloverwatch.access.action", alert.action),
        ("cloverwatch.access.outcome", alert.outcome),
    ):
        if not isinstance(value, UnsetType):
            yield name, value
    if not isinstance(alert.place, UnsetType):
        yield "cloverwatch.place.class", str(alert.place.place_class)
        if alert.place.country is not None:
            yield "geo.country.iso_code", alert.place.country
    if not isinstance(alert.transfer, UnsetType):
        yield "cloverwatch.transfer.basis", alert.transfer.basis
    if not isinstance(alert.handled, UnsetType):
        yield "cloverwatch.alert.handling", alert.handled.state
    if alert.test:
        yield "cloverwatch.alert.test", True


def _pair(key: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    # Lone surrogates are no UTF-8, which proto3 asks for.
    text = value if value.isascii() else value.encode("utf-8", "replace").decode()
    return KeyValue(key=key, value=AnyValue(string_value=text))
