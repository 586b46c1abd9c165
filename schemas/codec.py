"""Bytes to typed records and back. Whatever is wrong with a record comes out as one `BadRecordError`.

The usual record pays for three things: msgspec's typed decode, one encode, one look for a backslash. The encode
finds repeated keys: a record without them and without unknown fields has exactly as many quotation marks as what we
would write ourselves, since without a backslash none stands inside a string (and where it is just as long, they need
not be counted). Where something is escaped, or we write fields that may have been left out (a repeated key could fill
the gap), the record must be byte for byte what we would write: so it is where we wrote it, as every alert. Else it is
read a second time with care (`_examine`), which takes ten times as long.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec
import orjson
from msgspec import UNSET
from msgspec.structs import force_setattr

from schemas import access, directory
from schemas.access import AccessEvent
from schemas.alert import Alert
from schemas.countries import NAMES, normalise
from schemas.directory import ROWS, CopyRow, DatasetRow, EmployeeRow, LocationRow, Row, SubjectRow, WorkloadRow
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX, milliseconds

R = TypeVar("R", bound=msgspec.Struct)

BACKSLASH: Final = ord("\\")
QUOTE: Final = b'"'
NUL: Final = b"\\u0000"
"""How a NUL character stands in JSON; also where the backslash is itself escaped: then it is looked at with care."""

_ENUM: Final = "Invalid enum value "
ALERT_MAX_BYTES: Final = 1024 * 1024
"""Length of an alert: Kafka's default for a message. An alert is a few KiB."""


class Codec(Generic[R]):
    """Decodes records of one type from JSON of at most `max_bytes`.

    `settle` checks what types cannot say and leaves the record in canonical form; it returns whether the record was
    in that form already. `whole`: we write no field that may be left out.
    """

    def __init__(self, record: type[R], *, max_bytes: int, settle: Callable[[R], bool], whole: bool = True) -> None:
        self.record = record
        self._whole = whole
        self.max_bytes = max_bytes
        self._settle = settle
        self._decode = msgspec.json.Decoder(record).decode
        self._encode = msgspec.json.Encoder().encode

    def decode(self, raw: bytes | None) -> R:
        """Return the record in `raw`.

        Raises:
            BadRecordError: whatever is wrong with it; nothing else.
        """
        return self.decode_canonical(raw)[0]

    def decode_canonical(self, raw: bytes | None) -> tuple[R, bytes]:
        """Return the record in `raw` and its canonical bytes: equal content gives equal bytes.

        White space, the order of keys and unknown fields are not content.

        Raises:
            BadRecordError: whatever is wrong with it; nothing else.
        """
        try:
            record = self._decode(raw)  # type: ignore[arg-type]  # None raises, and is told below
            canonical = self._encode(record)
            settled = self._settle(record)
        except (msgspec.DecodeError, RecursionError, TypeError, ValueError, BadRecordError) as error:
            self._refuse(raw, error)
        assert raw is not None  # noqa: S101  # the decoder refuses it
        if not (
            len(raw) <= self.max_bytes
            and BACKSLASH not in raw
            and self._whole
            and ((settled and len(canonical) == len(raw)) or canonical.count(QUOTE) == raw.count(QUOTE))
        ) and not (canonical == raw and NUL not in raw and len(raw) <= self.max_bytes):
            _examine(raw, self.max_bytes)
        return record, canonical if settled else self._encode(record)

    def _refuse(self, raw: bytes | None, error: Exception) -> NoReturn:
        """Say what is wrong with a record that the decoder refused: the gravest first."""
        _examine(raw, self.max_bytes)
        if isinstance(error, BadRecordError):
            raise error
        text = str(error)
        if isinstance(error, msgspec.ValidationError):
            if text.startswith(_ENUM):  # msgspec quotes the value, which may be anything
                text = f"not a word that is allowed - at {text.rpartition(' - at ')[2]}"
            reason = "missing_field" if "missing required field" in text else "wrong_type"
            raise BadRecordError(reason, text) from None
        if isinstance(error, RecursionError):
            raise BadRecordError("nested_too_deep", "nested deeper than any record is") from None
        raise BadRecordError("not_json", text) from None


def encode(record: msgspec.Struct) -> bytes:
    """Return a record as JSON, one line, keys in the order of its fields."""
    return orjson.dumps(msgspec.to_builtins(record))


def _examine(raw: bytes | None, max_bytes: int) -> None:
    """Read a record with care: repeated keys, NUL characters, depth, length, encoding.

    Raises:
        BadRecordError: for any of these.
    """
    if raw is None:
        raise BadRecordError("null_value", "the message has no value")
    if len(raw) > max_bytes:
        raise BadRecordError("too_large", f"{len(raw)} bytes, at most {max_bytes} are allowed")
    try:
        json.loads(raw.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_not_a_number)
    except UnicodeDecodeError as error:
        raise BadRecordError("not_utf8", f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadRecordError("nested_too_deep", "nested deeper than any record is") from None
    except json.JSONDecodeError as error:
        raise BadRecordError("not_json", f"{error.msg} at character {error.pos}") from None
    except ValueError:  # the interpreter's own limit on the digits of an integer
        raise BadRecordError("wrong_type", "a number with thousands of digits") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRecordError("duplicate_key", "the same key twice in one object")
    if _has_nul(found.keys()) or _has_nul(found.values()):
        raise BadRecordError("nul_byte", "a NUL character in a string")
    return found


def _has_nul(values: Any) -> bool:
    return any(
        ("\0" in value) if isinstance(value, str) else isinstance(value, list) and _has_nul(value) for value in values
    )


def _not_a_number(_: str) -> NoReturn:
    raise BadRecordError("not_json", "NaN and Infinity are not JSON")


def _settle_time(record: msgspec.Struct, field: str) -> bool:
    """Leave integer milliseconds where RFC 3339 was read; return whether they stood there already."""
    value = getattr(record, field)
    if not isinstance(value, datetime):
        return True
    at = milliseconds(value)
    # An offset can carry a moment past either end: the years before 1970, and the year 10000 that no date can say.
    if not 0 <= at <= TIME_MAX:
        raise BadRecordError("wrong_type", f"a time before 1970 or after 9999 - at `$.{field}`")
    force_setattr(record, field, at)
    return False


def _settle_country(record: msgspec.Struct, field: str) -> bool:
    """Leave the canonical code; return whether it stood there already."""
    value = getattr(record, field)
    if value is UNSET:
        return True
    try:
        code = normalise(value)
    except ValueError as error:
        raise BadRecordError("invalid_value", f"{error} - at `$.{field}`") from None
    if code != value:
        force_setattr(record, field, code)
        return False
    return True


def _settle_access(event: AccessEvent) -> bool:
    settled = event.occurred_at.__class__ is int or _settle_time(event, "occurred_at")
    if event.principal_type is UNSET or event.principal_type == "employee":
        if event.employee_id is UNSET:
            raise BadRecordError("missing_field", "an employee's access without `employee_id`")
    elif event.principal_id is UNSET:
        raise BadRecordError("missing_field", f"an access of a {event.principal_type} without `principal_id`")
    if event.device_country is not UNSET and event.device_country not in NAMES:
        settled &= _settle_country(event, "device_country")
    return settled


_ROW_COUNTRIES: dict[type[Row], tuple[str, ...]] = {
    EmployeeRow: ("home_country",),
    LocationRow: ("country",),
    DatasetRow: ("site_country",),
    CopyRow: ("site_country",),
}

_WITH_DEFAULTS: Final = (DatasetRow, SubjectRow, WorkloadRow)
"""Rows of which a field that is left out is written by us: always read with care."""


def _settle_row(row: Row) -> bool:
    settled = True
    for field in ("valid_from", "recorded_at", "valid_until"):
        settled &= _settle_time(row, field)
    if row.valid_until is not UNSET and row.valid_until < row.valid_from:
        raise BadRecordError("contradiction", "`valid_until` is before `valid_from`")
    if isinstance(row, DatasetRow | CopyRow):
        settled &= _settle_time(row, "moving_by")
    for field in _ROW_COUNTRIES.get(type(row), ()):
        settled &= _settle_country(row, field)
    if isinstance(row, DatasetRow) and row.subject_region != "EEA":
        settled &= _settle_country(row, "subject_region")
    if isinstance(row, WorkloadRow):
        for network in row.networks:
            _check_network(network)
    return settled


def _check_network(text: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise BadRecordError("invalid_value", "not a network in CIDR notation - at `$.networks[...]`") from None


def _settle_alert(_: Alert) -> bool:
    return True


ACCESS: Final = Codec(AccessEvent, max_bytes=access.MAX_BYTES, settle=_settle_access)
ALERT: Final = Codec(Alert, max_bytes=ALERT_MAX_BYTES, settle=_settle_alert, whole=False)
DIRECTORY: Final[dict[str, Codec[Row]]] = {
    row.topic: Codec(row, max_bytes=directory.MAX_BYTES, settle=_settle_row, whole=row not in _WITH_DEFAULTS)
    for row in ROWS
}


def row_key(row: Row) -> bytes:
    """Return the message key of a directory row: `id|kind|valid_from|recorded_at`, times in milliseconds."""
    return f"{row.subject}|{row.kind}|{row.valid_from}|{row.recorded_at}".encode()


class RowKey(msgspec.Struct, frozen=True):
    """What a directory message's key says: which row it is about."""

    subject: str
    kind: str
    valid_from: int
    recorded_at: int


def parse_row_key(key: bytes | None) -> RowKey:
    """Return what the key of a directory message says.

    Raises:
        BadRecordError: `bad_key`, where it is not of the form of `row_key`.
    """
    try:
        # An identifier may hold a bar itself: the last three parts are ours.
        subject, kind, valid_from, recorded_at = (key or b"").decode("utf-8").rsplit("|", 3)
        found = RowKey(subject, kind, int(valid_from), int(recorded_at))
        if (valid_from, recorded_at) != (str(found.valid_from), str(found.recorded_at)):
            raise ValueError  # another spelling of a number, such as 1_0: no row has such a key
        return found
    except ValueError:
        raise BadRecordError("bad_key", "not of the form `id|kind|valid_from|recorded_at`") from None


def with_recorded_at(row: Row, recorded_at: int) -> Row:
    """Return the row with `recorded_at` filled from the message's timestamp where it has none."""
    return msgspec.structs.replace(row, recorded_at=recorded_at) if row.recorded_at is UNSET else row
