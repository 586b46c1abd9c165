"""Text of records on a terminal: what came from outside must not steer it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with every character that is not printable written as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
