"""What is remembered across people, as bytes and back: crowds and the rhythms of sources, for runs over files."""

from __future__ import annotations

from typing import Final

import msgspec

from rules.habits.crowds import Crowd, Crowds
from rules.habits.rhythm import Rhythm, Rhythms
from rules.habits.saved import StateVersionError

VERSION: Final = 1
"""Of the form."""


class _Crowd(msgspec.Struct, array_like=True, frozen=True):
    subject: int
    days: dict[int, tuple[str, ...]]
    told: dict[int, int]


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    alone: tuple[tuple[int, int, str], ...]
    crowds: tuple[_Crowd, ...]
    sources: dict[str, Rhythm]


_encode = msgspec.msgpack.Encoder().encode
_version = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw]).decode
_saved = msgspec.msgpack.Decoder(_Saved).decode


def save_across(crowds: Crowds, rhythms: Rhythms) -> bytes:
    """Return crowds and rhythms as bytes: the same bytes for the same ones."""
    alone = tuple((subject, day, person) for subject, (day, person) in sorted(crowds.alone.items()))
    several = tuple(
        _Crowd(
            subject,
            {day: tuple(sorted(people)) for day, people in sorted(each.days.items())},
            dict(sorted(each.told.items())),
        )
        for subject, each in sorted(crowds.several.items())
    )
    return _encode((VERSION, _Saved(alone, several, dict(sorted(rhythms.sources.items())))))


def restore_across(saved: bytes, crowds: Crowds, rhythms: Rhythms) -> None:
    """Put back what was saved, in place of what is there.

    Raises:
        StateVersionError: it is of a version that this program does not know, or nothing of the kind.
    """
    try:
        version, raw = _version(saved)
        if version != VERSION:
            raise StateVersionError(f"state: crowds of version {version!r}: this program reads version {VERSION}")
        found = _saved(raw)
    except msgspec.MsgspecError as error:
        raise StateVersionError(f"state: no saved crowds: {type(error).__name__}") from None
    crowds.clear()
    rhythms.clear()
    crowds.alone.update({subject: (day, person) for subject, day, person in found.alone})
    for each in found.crowds:
        crowd = crowds.several[each.subject] = Crowd(0, "")
        crowd.days, crowd.told = {day: set(people) for day, people in each.days.items()}, each.told
    rhythms.sources.update(found.sources)
