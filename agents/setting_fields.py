"""What one setting is: its declaration, secrets that do not show themselves, and text that becomes a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final, get_args

from schemas.errors import ConfigurationError
from schemas.secret import Secret
from schemas.toml_file import nearest

PORT_MAX: Final = 65_535
"""The greatest number of a TCP port."""


def setting(
    default: Any,
    help_text: str,
    why: str,
    *,
    unit: str = "",
    allowed: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Declare one setting: its default, what it means, why it is so, in which unit, and what is allowed."""
    return field(
        default=default,
        metadata={"help": help_text, "why": why, "unit": unit, "allowed": allowed, "least": least, "most": most},
    )


_WORDS: Final = {int: "a whole number", float: "a number", str: "text", Path: "a path", Secret: "text"}


def kind_of(hint: Any) -> Any:
    """Return the type behind an optional one."""
    return next((each for each in get_args(hint) if each is not type(None)), hint)


def convert(value: Any, kind: Any, meta: Mapping[str, Any]) -> Any:
    """Return `value` as a `kind`; environments have only text, a file has types of its own.

    Raises:
        ConfigurationError: it is none, or not allowed; says what is.
    """
    shown = "'***'" if kind is Secret else repr(value)
    fits = not isinstance(value, bool) and isinstance(value, (str, int, float) if kind in {int, float} else str)
    try:
        # By way of the text, so that 1.5 and "1.5" alike are no whole number.
        converted = kind(str(value)) if fits and value != "" else None
    except ValueError:
        converted = None
    if converted is None or (isinstance(converted, float) and not math.isfinite(converted)):
        raise ConfigurationError(f"{shown}; allowed: {bounds(kind, meta)}")
    if meta["allowed"] and converted not in meta["allowed"]:
        raise ConfigurationError(f"{shown}; {nearest(str(converted), list(meta['allowed']))}")
    low, high = meta["least"], meta["most"]
    if (low is not None and converted < low) or (high is not None and converted > high):
        raise ConfigurationError(f"{shown}; allowed: {bounds(kind, meta)}")
    return converted


def bounds(kind: Any, meta: Mapping[str, Any]) -> str:
    """Return in words what fits."""
    low, high = meta["least"], meta["most"]
    text = _WORDS[kind] + ("" if low is None else f", at least {low:g}")
    return text if high is None else f"{text}, at most {high:g}"
