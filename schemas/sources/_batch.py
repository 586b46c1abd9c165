"""A message of many records, each translated on its own: what sources of other systems share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from schemas.access import AccessEvent
from schemas.errors import BadRecordError
from schemas.sources.base import Translated
from schemas.sources.documents import documents
from schemas.sources.expand import expand

One = Callable[[dict[str, Any]], list[AccessEvent] | str]
"""Translates one record: its accesses, or why it is none. Raises `BadRecordError`."""


def translated(raw: bytes | None, one: One) -> Iterator[Translated]:
    """Yield what each record is: events (several may share an index), `bad`, or `skipped`."""
    try:
        data = expand(raw)
    except BadRecordError as error:
        yield Translated(index=0, bad=error)
        return
    for index, document in enumerate(documents(data)):
        try:
            found = one(_record(document))
        except BadRecordError as error:
            yield Translated(index=index, bad=error)
            continue
        if isinstance(found, str):
            yield Translated(index=index, skipped=found)
        else:
            for event in found:
                yield Translated(index=index, event=event)


def _record(document: Any) -> dict[str, Any]:
    if isinstance(document, BadRecordError):
        raise document
    if not isinstance(document, dict):
        raise BadRecordError("wrong_type", "a record is no object")
    return document
