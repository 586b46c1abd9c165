"""A TOML file as typed values, with errors that a person can act on: file, line, key, value, what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
from datetime import date, time
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from schemas.countries import normalise
from schemas.errors import ConfigurationError

S = TypeVar("S", bound=msgspec.Struct)

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")
_AT: Final = re.compile(r" - at `\$?([^`]*)`\Z")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_ENUM: Final = re.compile(r"Invalid enum value '(.*)'", re.DOTALL)
_DURATION: Final = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

DURATION_MAX_DAYS: Final = 3_650
"""Of any duration, in days: ten years, twice what is kept anywhere. A longer one is a slip of the hand, and sums of
times and clocks that a system can wait by have bounds."""

DIGITS_MAX: Final = 19
"""Of a duration's number, zeros in front included: 64 bits have no more."""

_HINTS: Final = {"Expected `datetime`, got `date`": "; write a time with an offset, as in 2026-12-31T00:00:00Z"}

_SHOWN_MAX: Final = 200
"""Characters of a value in an error: what is longer is not read."""

Path = tuple[str | int, ...]


class TomlFile:
    """One parsed file that remembers where its keys stand."""

    def __init__(self, text: str, name: str) -> None:
        """Parse `text`; `name` is what errors call the file.

        Raises:
            ConfigurationError: it is not TOML.
        """
        self.name = name
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except RecursionError:
            raise ConfigurationError(f"{name}: not TOML: nested deeper than any configuration is") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{name}: not TOML: {error}") from None
        except ValueError:  # the interpreter's own limit on the digits of an integer
            raise ConfigurationError(f"{name}: not TOML: {_beyond(text)}") from None
        self._lines = _locate(text)

    def line(self, path: Path) -> int | None:
        """Return the line of a key, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def fail(self, path: Path, message: str) -> ConfigurationError:
        """Return the error that `message` is about this key."""
        line = self.line(path)
        where = f"{self.name}:{line}" if line else self.name
        return ConfigurationError(f"{where}: {dotted(path)}: {message}" if path else f"{where}: {message}")

    def check_names(self, path: Path, value: dict[str, Any], allowed: list[str]) -> None:
        """Refuse keys that nobody reads, with the nearest name that somebody does."""
        for key in value:
            if key not in allowed:
                raise self.fail((*path, key), f"unknown key; {nearest(key, allowed)}")

    def read(self, path: Path, value: Any, to: type[S]) -> S:
        """Return `value` as `to`.

        Raises:
            ConfigurationError: it does not fit.
        """
        if not isinstance(value, dict):
            raise self.fail(path, f"{shown(value)} is not a table")
        try:
            return msgspec.convert(value, to)
        except msgspec.ValidationError as error:
            text = str(error)
            inner: Path = ()
            if found := _AT.search(text):
                text, inner = text[: found.start()], _inner(found.group(1))
            if unknown := _UNKNOWN.search(text):
                names = [field.encode_name for field in msgspec.structs.fields(_owner(to, inner))]
                inner = (*inner, unknown.group(1))
                text = f"unknown key; {nearest(unknown.group(1), names)}"
            elif missing := _MISSING.search(text):
                inner, text = (*inner, missing.group(1)), "required, and not there"
            elif invalid := _ENUM.search(text):
                allowed = _allowed(to, inner)
                text = f"{shown(invalid.group(1))} is not allowed; {nearest(invalid.group(1), allowed)}"
            else:
                text = f"{shown(_value(value, inner))}: {text[0].lower()}{text[1:]}{_HINTS.get(text, '')}"
            raise self.fail((*path, *inner), text) from None


def country(file: TomlFile, path: Path, value: str) -> str:
    """Return the canonical code of a country.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return normalise(value)
    except ValueError as error:
        raise file.fail(path, f"{value!r}: {error}") from None


def duration(text: str) -> int:
    """Return a duration such as `10s`, `5m`, `24h` or `30d` in milliseconds.

    Raises:
        ValueError: it is none, or longer than ten years; the message says what is allowed.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{shown(text)} is no duration; write a whole number with ms, s, m, h or d, as in 24h")
    number = found.group(1)
    length = None if len(number) > DIGITS_MAX else int(number) * _UNIT_MS[found.group(2)]
    if length is None or length > DURATION_MAX_DAYS * _UNIT_MS["d"]:
        raise ValueError(f"{shown(text)} is longer than a duration can be; at most {DURATION_MAX_DAYS}d, ten years")
    return length


def shown(value: Any) -> str:
    """Return a value as an error quotes it: near to how TOML writes it, and at most some 200 characters of it."""
    match value:
        case bool():
            text = "true" if value else "false"
        case date() | time():  # a datetime is a date
            text = value.isoformat()
        case int() if value.bit_length() > 64:
            text = "an integer beyond 64 bits"
        case list() | tuple():
            text = f"[{', '.join(map(shown, value))}]"
        case dict():
            text = "{" + ", ".join(f"{key!r}: {shown(each)}" for key, each in value.items()) + "}"
        case _:
            text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def nearest(name: str, allowed: list[str]) -> str:
    """Return what is allowed, with the nearest name first where one is near."""
    close = difflib.get_close_matches(name, allowed, n=1)
    listed = ", ".join(sorted(allowed)) or "nothing"
    return f"did you mean {close[0]!r}? Allowed: {listed}" if close else f"allowed: {listed}"


def dotted(path: Path) -> str:
    """Return a path as a person writes it: `roles.support.may[0].actions`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            quoted = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            text += f".{quoted}" if text else quoted
    return text


def _beyond(text: str) -> str:
    """Return what is wrong with a text that is TOML by its form and holds a number that nobody can mean."""
    found = re.search(r"[0-9][0-9_]{4299,}", text)
    if found is None:
        return "a number in it cannot be read"
    line = text.count("\n", 0, found.start()) + 1
    return f"a number of {len(found.group())} digits (at line {line}); allowed: integers of 64 bits"


def _locate(text: str) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    arrays: dict[Path, int] = {}
    here: Path = ()
    for number, line in enumerate(text.split("\n"), 1):  # TOML ends lines so, and splitlines at more
        if header := _HEADER.match(line):
            here = _resolve(_names(header.group(2)), arrays)
            if header.group(1) == "[[":
                arrays[here] = arrays.get(here, -1) + 1
                here = (*here, arrays[here])
            _note(lines, here, 0, number)
        elif key := _KEY.match(line):
            _note(lines, (*here, *_names(key.group(1))), len(here), number)
    return lines


def _note(lines: dict[Path, int], path: Path, known: int, number: int) -> None:
    """Note where a key stands, and each table around it that stands nowhere else, beyond the first `known`."""
    for length in range(known + 1, len(path) + 1):
        lines.setdefault(path[:length], number)


def _resolve(names: Path, arrays: dict[Path, int]) -> Path:
    """Follow a header into the newest element of each array of tables on its way."""
    path: Path = ()
    for at, name in enumerate(names):
        path = (*path, name)
        if at < len(names) - 1 and path in arrays:
            path = (*path, arrays[path])
    return path


def _names(text: str) -> Path:
    return tuple(next((part for part in found if part), "") for found in _PART.findall(text))


def _inner(text: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", text))


def _value(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _owner(to: Any, path: Path) -> Any:
    """Return the struct type that a path inside `to` leads to."""
    for part in path:
        if isinstance(part, str) and isinstance(to, type) and issubclass(to, msgspec.Struct):
            to = get_type_hints(to)[part]
        while not (isinstance(to, type) and issubclass(to, msgspec.Struct)) and hasattr(to, "__args__"):
            to = to.__args__[0]
    return to


def _allowed(to: Any, path: Path) -> list[str]:
    """Return the words that the field at a path inside `to` may hold."""
    *outer, _ = [part for part in path if isinstance(part, str)]
    field = next(part for part in reversed(path) if isinstance(part, str))
    words: list[str] = []

    def collect(hint: Any) -> None:
        if isinstance(hint, type) and hasattr(hint, "__members__"):
            words.extend(str(member.value) for member in hint.__members__.values())
        for argument in getattr(hint, "__args__", ()):
            if isinstance(argument, str):
                words.append(argument)
            else:
                collect(argument)

    collect(get_type_hints(_owner(to, tuple(outer)))[field])
    return words
