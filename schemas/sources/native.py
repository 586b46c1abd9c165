"""The native record: one access a message, as `records.md` says."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.codec import ACCESS
from schemas.errors import BadRecordError
from schemas.sources.base import SourceMapping, Translated


class Native:
    """Reads native records; the mapping has nothing to say."""

    name = "native"

    def translate(self, raw: bytes | None, mapping: SourceMapping) -> Iterator[Translated]:  # noqa: ARG002 - a Source
        """Yield the one access of a message, or what is wrong with it."""
        try:
            yield Translated(index=0, event=ACCESS.decode(raw))
        except BadRecordError as error:
            yield Translated(index=0, bad=error)
