"""Decisions from bytes and back; whatever is wrong with one comes out as a `BadRecordError`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec.structs import force_setattr

from schemas import decision
from schemas.codec import Codec
from schemas.decision import Decision
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX, milliseconds


def _settle(record: Decision) -> bool:
    settled = True
    for name in ("decided_at", "expires_at"):
        at = getattr(record, name)
        if isinstance(at, datetime):
            force_setattr(record, name, milliseconds(at))
            settled = False
        if not 0 <= getattr(record, name) <= TIME_MAX:
            raise BadRecordError("invalid_value", f"not a time that can be - at `$.{name}`")
    if record.expires_at < record.decided_at:
        raise BadRecordError("invalid_value", "ends before it was made - at `$.expires_at`")
    return settled


DECISION: Final = Codec(Decision, max_bytes=decision.MAX_BYTES, settle=_settle, whole=False)
