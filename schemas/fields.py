"""Field types that the records share: identifiers, times, countries, and what is optional."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, TypeVar

from msgspec import Meta, UnsetType

T = TypeVar("T")

ID_MAX = 256
"""Characters of an identifier. Longer ones are payloads in disguise, and every identifier is a key somewhere."""

TIME_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999: what RFC 3339 can write."""

COUNT_MAX = 2**53 - 1
"""The greatest integer that every JSON reader keeps exactly."""

TEXT_MAX = 1024
"""Characters of a free text (a client's name, a sentence of a producer)."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Id = Annotated[str, Meta(min_length=1, max_length=ID_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_MAX)]
Address = Annotated[str, Meta(min_length=1, max_length=ID_MAX)]
Country = Annotated[str, Meta(min_length=2, max_length=2)]
Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
_Milliseconds = Annotated[int, Meta(ge=0, le=TIME_MAX)]

if TYPE_CHECKING:
    Time = int
    """Integer milliseconds since 1970, UTC."""
else:
    # On the wire a time may be RFC 3339 too; `schemas.codec` leaves integer milliseconds in its place.
    Time = _Milliseconds | Annotated[datetime, Meta(tz=True)]

OptionalId = Id | UnsetType
OptionalText = Text | UnsetType
OptionalCountry = Country | UnsetType
OptionalCount = Count | UnsetType
OptionalTime = Time | UnsetType


def milliseconds(moment: datetime) -> int:
    """Return an aware datetime as integer milliseconds since 1970, rounded down."""
    return (moment - EPOCH) // _MILLISECOND


def iso(at_ms: int) -> str:
    """Return integer milliseconds as RFC 3339 in UTC, for sentences and reports."""
    second, part = divmod(at_ms, 1_000)
    return f"{_iso_second(second)}.{part:03}Z"


@lru_cache(maxsize=1_024)
def _iso_second(second: int) -> str:
    """Return a second without its zone; many things are said of the same one."""
    return (EPOCH + timedelta(seconds=second)).isoformat(timespec="seconds").removesuffix("+00:00")


def plain(at_ms: int) -> str:
    """Return integer milliseconds as a person reads them, to the minute, in UTC; machines have the field itself."""
    return (EPOCH + timedelta(milliseconds=at_ms)).strftime("%d %b %Y %H:%M UTC")


def known(value: T | UnsetType) -> T | None:
    """Return an optional field's value, or None where the record does not have it."""
    return None if isinstance(value, UnsetType) else value
