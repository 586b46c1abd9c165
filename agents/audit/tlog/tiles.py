"""Tiles and entry bundles: where they are and what is in them. Source: C2SP tlog-tiles, "Merkle Tree", "Log entries".

A tile is up to 256 hashes in a row: of entries at level 0, of full tiles of the level below above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from agents.audit.tlog.errors import BadLogError
from agents.audit.tlog.merkle import HASH_BYTES, LEAF

WIDTH: Final = 256
"""Hashes of a full tile, entries of a full bundle."""

HEIGHT: Final = 8
"""Levels of the tree within a tile: 2^8 is `WIDTH`."""

ENTRY_MAX: Final = 65_535
"""Bytes of an entry at most: its length is a uint16."""

CHECKPOINT: Final = "checkpoint"
"""Where the signed checkpoint is."""

WITNESSED: Final = "checkpoint.witnessed"
"""The newest checkpoint that enough witnesses have cosigned. Not part of tlog-tiles: while entries keep coming,
`checkpoint` is mostly newer than what the witnesses have seen."""

BUNDLE_MAX: Final = WIDTH * (ENTRY_MAX + 2)
"""Bytes of a bundle at most."""


def number(n: int) -> str:
    """Return a tile's number as path elements: 1234067 is `x001/x234/067`."""
    parts = [f"{n % 1000:03}"]
    while n := n // 1000:
        parts.append(f"x{n % 1000:03}")
    return "/".join(reversed(parts))


def partial(width: int) -> str:
    """Return the end of the path of a tile with `width` hashes; empty for a full one."""
    if not 1 <= width <= WIDTH:
        raise ValueError(f"a tile of width {width}; allowed: 1 to {WIDTH}")
    return "" if width == WIDTH else f".p/{width}"


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Return where tile `n` of a level is."""
    return f"tile/{level}/{number(n)}{partial(width)}"


def bundle_path(n: int, width: int = WIDTH) -> str:
    """Return where the entries of the n-th tile of level 0 are."""
    return f"tile/entries/{number(n)}{partial(width)}"


def edge_width(level: int, size: int) -> int:
    """Return the width of the partial tile at a level in a tree of `size`; 0 where there is none."""
    return (size >> HEIGHT * level) % WIDTH


def width_of(level: int, n: int, size: int) -> int:
    """Return the width of a tile in a tree of `size`; 0 where there is no such tile."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - n * WIDTH))


def levels(size: int) -> range:
    """Return the levels at which a tree of `size` has tiles."""
    return range((max(size, 1).bit_length() - 1) // HEIGHT + 1 if size else 0)


def check(entries: Sequence[bytes]) -> None:
    """Raise ValueError where an entry is longer than a bundle can say."""
    for at, entry in enumerate(entries):
        if len(entry) > ENTRY_MAX:
            raise ValueError(f"entry {at} has {len(entry)} bytes; allowed: 0 to {ENTRY_MAX}")


def pack(entries: Sequence[bytes]) -> bytes:
    """Return a bundle, or a part of one: each entry after its length."""
    return b"".join([part for entry in entries for part in (len(entry).to_bytes(2), entry)])


def unpack(bundle: bytes, width: int, where: str) -> list[bytes]:
    """Return the first `width` entries of a bundle, which holds at least so many.

    Raises:
        BadLogError: it does not; a length leads past the end.
    """
    entries: list[bytes] = []
    at, end = 0, len(bundle)
    while at < end and len(entries) < width:
        begin = at + 2
        at = begin + int.from_bytes(bundle[at:begin])
        if at > end or begin > end:
            raise BadLogError(where, f"entry {len(entries)} of the bundle is cut: the file ends at byte {end}")
        entries.append(bundle[begin:at])
    if len(entries) < width:
        raise BadLogError(where, f"{len(entries)} entries; {width} are needed")
    return entries


def whole(bundle: bytes, width: int, where: str) -> list[bytes]:
    """Return the entries of a bundle that must hold `width` and nothing after them.

    Raises:
        BadLogError: it does not.
    """
    entries = unpack(bundle, width, where)
    if sum(map(len, entries)) + 2 * width != len(bundle):
        raise BadLogError(where, f"{len(bundle)} bytes, more than its {width} entries")
    return entries


def leaves(entries: Sequence[bytes]) -> bytes:
    """Return the hashes of entries, one after the other."""
    return b"".join([sha256(LEAF + entry).digest() for entry in entries])


def hashes(tile: bytes) -> Iterator[bytes]:
    """Yield the hashes of a tile."""
    return (tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES))
