"""Log lines, as text or as JSON: for machines that collect them. They name nobody.

What is logged on purpose holds no personal data. What is not: the text of an error that nobody expected. A missing key
says which (`KeyError: 'e-0042'`), a value that cannot be converted says what it is, and both stand in the traceback and
in the line of the framework that ends. So of errors whose texts are not made by this house or by what carries
messages, lines have the class and the places in the code.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TypeGuard

from aiokafka.errors import KafkaError

from schemas.errors import CloverwatchError

SAYS_ITS_TEXT: Final = (CloverwatchError, KafkaError, OSError, TimeoutError)
"""Errors whose texts are about settings, addresses, topics and sizes, never about what is in a record."""

CHAIN_MAX: Final = 20
"""Errors of one chain that are written: causes of causes; no real one is as long."""

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Text lines, without the texts of errors that may hold what is in a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. The record is left as it is, for other handlers."""
        if isinstance(record.args, tuple) and any(map(_is_unexpected, record.args)):
            record = copy.copy(record)
            record.args = tuple(_Class(each) if _is_unexpected(each) else each for each in record.args or ())
        if record.exc_info and record.exc_text:  # made by another handler's formatter, with texts
            record = copy.copy(record)
            record.exc_text = None
        return self.line(record)

    def line(self, record: logging.LogRecord) -> str:
        """Return the line of a record whose arguments are safe."""
        cached = record.exc_text
        try:
            return super().format(record)
        finally:
            record.exc_text = cached

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - its name in the standard library
        """Return where it was raised, and by what it was caused, oldest first."""
        parts: list[str] = []
        error = ei[1]
        while error is not None and len(parts) < CHAIN_MAX:
            frames = "".join(traceback.format_tb(error.__traceback__))
            said = repr(_Class(error)) if _is_unexpected(error) else f"{type(error).__name__}: {error}"
            parts.append(f"Traceback (most recent call last):\n{frames}{said}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n\nwhich led to\n\n".join(reversed(parts))


class JsonFormatter(LineFormatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and `error` where there is one."""

    def line(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Class:
    """Stands for an error in a line whose text is not to be written."""

    def __init__(self, error: BaseException) -> None:
        self._name = type(error).__name__

    def __repr__(self) -> str:
        return f"{self._name} (its text is not logged)"


def _is_unexpected(value: object) -> TypeGuard[BaseException]:
    return isinstance(value, BaseException) and not isinstance(value, SAYS_ITS_TEXT)


def configure(level: str, form: str) -> None:
    """Send log lines of `level` and above to standard error, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
