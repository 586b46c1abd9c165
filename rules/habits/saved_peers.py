"""What is usual among peers, as bytes and back. The version stands in front, as it does in a saved habit."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import msgspec

from rules.habits.habit import MEASURES
from rules.habits.peers import Day, PeerGroup, Peers
from rules.habits.saved import StateVersionError

VERSION: Final = 1
"""Of the form."""


class _Day(msgspec.Struct, array_like=True, frozen=True):
    day: int
    codes: tuple[dict[int, int], ...]
    members: dict[int, int]


class _Group(msgspec.Struct, array_like=True, frozen=True):
    group: int
    until: int
    """The day for which it was last asked; -1 before."""
    waiting: tuple[_Day, ...]
    used: tuple[_Day, ...]


_encode = msgspec.msgpack.Encoder().encode
_version = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode
_groups = msgspec.msgpack.Decoder(tuple[_Group, ...]).decode


def save_peers(peers: Peers) -> bytes:
    """Return the days of all groups as bytes: the same bytes for the same days."""
    names = sorted(peers._open.keys() | peers._used.keys())
    groups = tuple(
        _Group(
            name,
            peers._until.get(name, -1),
            tuple(_packed(day) for _, day in sorted(peers._open.get(name, {}).items())),
            tuple(_packed(day) for day in peers._used.get(name, ())),
        )
        for name in names
    )
    return _encode((VERSION, groups))


def restore_peers(saved: bytes) -> Peers:
    """Return what was saved.

    Raises:
        StateVersionError: it is of a version that this program does not know, or no peers at all.
    """
    try:
        version, raw = _version(saved)
        if version != VERSION:
            raise StateVersionError(f"state: peers of version {version!r}: this program reads version {VERSION}")
        groups = _groups(raw)
    except msgspec.MsgspecError as error:
        raise StateVersionError(f"state: no saved peers: {type(error).__name__}") from None
    peers = Peers()
    for each in groups:
        if any(len(day.codes) != MEASURES for day in (*each.waiting, *each.used)):
            raise StateVersionError(f"state: peers with other measures than the {MEASURES} of this program")
        peers._open[each.group] = {day.day: _day(day) for day in each.waiting}
        if each.until < 0:
            continue
        peers._until[each.group] = each.until
        used = peers._used[each.group] = deque(_day(day) for day in each.used)
        whole = peers._groups[each.group] = PeerGroup()
        for day in used:
            whole.add(day)
    return peers


def _packed(day: Day) -> _Day:
    codes = tuple(dict(sorted(measure.items())) for measure in day.codes)
    return _Day(day.day, codes, dict(sorted(day.members.items())))


def _day(packed: _Day) -> Day:
    day = Day(packed.day)
    day.codes = [Counter(measure) for measure in packed.codes]
    day.members = Counter(packed.members)
    return day
