"""Text of records on a terminal: what came from outside must not steer it."""

from __future__ import annotations

import json

from schemas.errors import ConfigurationError


def printable(text: str) -> str:
    """Return `text` with every character that is not printable written as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_json(text: str) -> str:
    """Return JSON with every character beyond ASCII that is not printable as its escape: its value is the same.

    What of ASCII is not printable is escaped within strings anyway (RFC 8259, section 7); ESC has a twin beyond ASCII.
    """
    if text.isprintable():
        return text
    return "".join(c if c <= "\x7e" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def check_text(name: str, text: str | None) -> None:
    """Refuse what the command line was given where it is not UTF-8: it cannot be stored.

    Raises:
        ConfigurationError: it names the option and says nothing of the rest.
    """
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{name}: not UTF-8 at character {error.start + 1}") from None
