"""An alert as a document of the Elastic Common Schema 9."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.alert import Alert


def document(alert: Alert, *, now: int, version: str) -> dict[str, Any]:
    """Return an alert as an ECS document, plain JSON values.

    Args:
        alert: one revision of an alert.
        now: milliseconds since 1970.
        version: of the program.
    """
    raise NotImplementedError


def encode(alert: Alert, *, now: int, version: str) -> bytes:
    """Return `document` as JSON, one line."""
    return orjson.dumps(document(alert, now=now, version=version))
