"""Gzip at bounded memory and time, by its magic bytes; anything else passes as it is."""

from __future__ import annotations

import zlib
from typing import Final

from schemas.errors import BadRecordError

MAX_RAW: Final = 8 * 1024 * 1024
"""Bytes of a raw message, compressed or not: what `docs/records.md` promises. A delivered CloudTrail file is some
hundred KiB."""

MAX_EXPANDED: Final = 64 * 1024 * 1024
"""Bytes that a message may expand to: eight times the longest that comes uncompressed. It is held in memory once."""

MAX_RATIO: Final = 250
"""How much longer than the compressed bytes the expanded ones may be, beyond `RATIO_FROM`. Audit logs expand 10 to 25
times, one whose records are each repeated a hundred times some 100 times; deflate's own limit is 1,032."""

RATIO_FROM: Final = 1024 * 1024
"""Expanded bytes up to which the ratio is not looked at: so little is harmless however small it was."""

MAX_MEMBERS: Final = 1024
"""Gzip members in one message. Files that were put together have some; each costs a new decompressor."""

_MAGIC: Final = b"\x1f\x8b"
_STEP: Final = 64 * 1024
"""Compressed bytes fed at once: what is left behind a member is copied, so it has to be short."""

_GZIP: Final = 16 + zlib.MAX_WBITS


def expand(raw: bytes | None) -> bytes:
    """Return what a message says, expanded where it is gzip (one member or several).

    Memory stays below `MAX_EXPANDED` and a little, time below that of expanding so much.

    Raises:
        BadRecordError: `null_value`, `too_large` (as it is or expanded), `not_compressed_right`.
    """
    if raw is None:
        raise BadRecordError("null_value", "the message has no value")
    if len(raw) > MAX_RAW:
        raise BadRecordError("too_large", f"{len(raw)} bytes, at most {MAX_RAW} are allowed")
    if not raw.startswith(_MAGIC):
        return raw
    allowed = min(MAX_EXPANDED, max(RATIO_FROM, MAX_RATIO * len(raw)))
    out = bytearray()
    at = members = 0
    rest = b""
    try:
        while rest or at < len(raw):
            member = zlib.decompressobj(_GZIP)
            members += 1
            if members > MAX_MEMBERS:
                raise BadRecordError("too_large", f"more than {MAX_MEMBERS} gzip members")
            while not member.eof:
                if not rest:
                    rest, at = raw[at : at + _STEP], at + _STEP
                if not rest:
                    raise BadRecordError("not_compressed_right", "the gzip data ends too early")
                out += member.decompress(rest, allowed + 1 - len(out))
                if len(out) > allowed:
                    raise BadRecordError("too_large", f"expands to more than {allowed} bytes from {len(raw)}")
                rest = member.unconsumed_tail
            rest = member.unused_data.lstrip(b"\0")  # archivers pad with zeros
            if not rest and not raw[at:].strip(b"\0"):
                break
    except zlib.error as error:
        raise BadRecordError("not_compressed_right", str(error)) from None
    return bytes(out)
