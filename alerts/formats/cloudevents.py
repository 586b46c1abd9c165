"""An alert as a CloudEvent 1.0 on Kafka, binary mode."""

from __future__ import annotations

from typing import Literal

from schemas.alert import Alert


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
    raise NotImplementedError
