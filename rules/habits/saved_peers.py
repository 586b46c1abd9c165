"""What is usual among peers, as bytes and back. The version stands in front, as it does in a saved habit."""

from __future__ import annotations

from typing import Final

import msgspec

from rules.habits.habit import MEASURES
from rules.habits.peers import EndedDay, GroupDay, Peers
from rules.habits.saved import StateVersionError

VERSION: Final = 1
"""Of the form."""


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    measures: int
    versions: tuple[tuple[int, tuple[GroupDay, ...]], ...]
    open: tuple[EndedDay, ...]
    closed_before: int


_encode = msgspec.msgpack.Encoder().encode
_version = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode
_saved = msgspec.msgpack.Decoder(_Saved).decode


def save_peers(peers: Peers) -> bytes:
    """Return the versions, and the days of which none is made yet: the same bytes for the same days."""
    versions = tuple((day, tuple(sorted(groups, key=_group))) for day, groups in peers.versions().items())
    days = tuple(sorted(peers.open.all(), key=lambda each: (each.at, each.group, each.person, each.day)))
    return _encode((VERSION, _Saved(MEASURES, versions, days, peers.open.closed_before)))


def restore_peers(saved: bytes) -> Peers:
    """Return what was saved.

    Raises:
        StateVersionError: it is of a version that this program does not know, or no peers at all.
    """
    try:
        version, raw = _version(saved)
        if version != VERSION:
            raise StateVersionError(f"state: peers of version {version!r}: this program reads version {VERSION}")
        found = _saved(raw)
    except msgspec.MsgspecError as error:
        raise StateVersionError(f"state: no saved peers: {type(error).__name__}") from None
    if found.measures != MEASURES:
        raise StateVersionError(f"state: peers with other measures than the {MEASURES} of this program")
    peers = Peers()
    for day, groups in found.versions:
        peers.publish(day, groups)
    peers.open.closed_before = found.closed_before
    for each in found.open:
        peers.open.add(each)
    return peers


def _group(each: GroupDay) -> int:
    return each.group
