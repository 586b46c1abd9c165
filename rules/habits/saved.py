"""A habit as bytes and back. The version stands in front: a newer program reads older states, never the reverse."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rules.habits.habit import MEASURES, SLOTS, Habit
from schemas.errors import CloverwatchError

VERSION: Final = 1
"""Of the form. Fields that are only added at the end do not change it: an older state lacks them."""

_FIELDS: Final = Habit.__struct_fields__
_BITS: Final = _FIELDS.index("subject_bits")
_FILTERS: Final = _FIELDS.index("datasets")

_decode = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


class StateVersionError(CloverwatchError):
    """A saved state that this program cannot read."""


def save(habit: Habit) -> bytes:
    """Return a habit as bytes."""
    fields: list[Any] = list(msgspec.structs.astuple(habit))
    fields[_BITS] = _bytes(habit.subject_bits)
    fields[_FILTERS] = [_bytes(each) for each in habit.datasets]
    return _encode([VERSION, fields])


def restore(saved: bytes) -> Habit:
    """Return the habit that was saved.

    Raises:
        StateVersionError: it is of a version that this program does not know, or no state at all.
    """
    try:
        version, fields = _decode(saved)
        if version != VERSION:
            raise StateVersionError(
                f"state: version {version!r}: this program reads version {VERSION}; run the one that wrote it, or newer"
            )
        fields[_BITS] = int.from_bytes(fields[_BITS], "little")
        fields[_FILTERS] = [int.from_bytes(each, "little") for each in fields[_FILTERS]]
        habit = msgspec.convert(fields, Habit)
        if len(habit.wires) != MEASURES or len(habit.slots) != SLOTS or len(habit.days) % MEASURES:
            raise ValueError("of another shape")
        if habit.anchors and len(habit.anchors) != MEASURES:
            raise ValueError("of another shape")
        return habit
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        raise StateVersionError(f"state: not a saved habit: {type(error).__name__}") from None


def _bytes(bits: int) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
