"""The records that the keeper of `cloverwatch deliver` reads and writes: actions, and revisions with its mark."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.action import Action
from schemas.errors import BadRecordError

WRITER: Final = "cloverwatch-writer"
"""Header of a record that the keeper wrote."""

KEEPER: Final = b"keeper"
INCLUDES: Final = "cloverwatch-includes"
"""Header of such a record: the greatest revision of a worker's that is in it, decimal."""

ACTION_MAX_BYTES: Final = 16 * 1024
"""An action is an id, a name and a sentence."""

_action: Final = msgspec.json.Decoder(Action).decode


def headers_of(by_worker: int) -> list[tuple[str, bytes]]:
    """Return the headers of a revision that the keeper writes; `by_worker`: the worker's revision that is in it."""
    return [(WRITER, KEEPER), (INCLUDES, str(by_worker).encode())]


def includes(record: Any) -> int | None:
    """Return the greatest revision of a worker's in a record that a keeper wrote; None: no keeper did."""
    headers = dict(record.headers)
    if headers.get(WRITER) != KEEPER:
        return None
    text = headers.get(INCLUDES, b"")
    return int(text) if text.isdigit() else -1


def decoded(value: bytes | None) -> Action:
    """Return the action in a record.

    Raises:
        BadRecordError: it is none.
    """
    if value is None:
        raise BadRecordError("null_value", "an action without a value")
    if len(value) > ACTION_MAX_BYTES:
        raise BadRecordError("too_large", f"an action of {len(value)} bytes; at most {ACTION_MAX_BYTES}")
    try:
        return _action(value)
    except msgspec.ValidationError as error:
        raise BadRecordError("wrong_type", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRecordError("not_json", "an action that is no JSON document") from None
