"""Reading foreign JSON, in which anything may have any type: what is not what it should be counts as absent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from schemas.errors import BadRecordError
from schemas.fields import ID_MAX

_HASH_DIGITS = 16
"""Hex digits that keep two shortened identifiers apart."""

_NOTHING: dict[str, Any] = {}


def text(table: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that is a string with something in it, else the empty string."""
    for name in names:
        value = table.get(name)
        if value.__class__ is str and value:
            return value
    return ""


def table(parent: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the table at a path of fields, an empty one where there is none."""
    for name in names:
        found = parent.get(name)
        if found.__class__ is not dict:
            return _NOTHING
        parent = found
    return parent


def tables(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the tables in a list, or the one table that stands in its place (XML services write one so)."""
    found = parent.get(name)
    if isinstance(found, dict):
        return [found]
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def texts(value: Any) -> list[str]:
    """Return the strings in a list, or the one string that stands in its place."""
    if isinstance(value, str):
        return [value] if value else []
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """Return a number that is whole and not negative (logs write `89.0`), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53 - 1:
        return None
    return int(value) if value == int(value) else None


def bounded(name: str) -> str:
    """Return an identifier of at most `ID_MAX` characters: a longer one keeps its beginning and gets a hash."""
    if len(name) <= ID_MAX:
        return name
    return f"{name[: ID_MAX - _HASH_DIGITS - 1]}~{digest(name)}"


def digest(name: str) -> str:
    """Return 16 hex digits of a text, the same on every machine."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH_DIGITS // 2).hexdigest()


def record_digest(record: Any) -> str:
    """Return 32 hex digits of a parsed record: the order of keys and white space do not matter.

    Raises:
        BadRecordError: `nested_too_deep`: what can just be read cannot always be written.
    """
    try:
        said = json.dumps(record, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise BadRecordError("nested_too_deep", "nested deeper than any record is") from None
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def refuse_unsound(*values: str) -> None:
    """Refuse strings that no record of ours may hold.

    Raises:
        BadRecordError: `nul_byte`, `not_utf8` (half of a surrogate pair).
    """
    said = "".join(values)
    if "\0" in said:
        raise BadRecordError("nul_byte", "a NUL character in a string")
    if not said.isascii():
        try:
            said.encode()
        except UnicodeEncodeError:
            raise BadRecordError("not_utf8", "half of a surrogate pair in a string") from None
