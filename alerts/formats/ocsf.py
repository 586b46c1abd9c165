"""An alert as OCSF 1.8.0: class 2004, Detection Finding."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.alert import Alert


def finding(alert: Alert, *, now: int, version: str) -> dict[str, Any]:
    """Return an alert as a Detection Finding, plain JSON values.

    Args:
        alert: one revision of an alert.
        now: milliseconds since 1970.
        version: of the program.
    """
    raise NotImplementedError


def encode(alert: Alert, *, now: int, version: str) -> bytes:
    """Return `finding` as JSON, one line."""
    return orjson.dumps(finding(alert, now=now, version=version))
