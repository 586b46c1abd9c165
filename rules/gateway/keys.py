"""What conditions may speak of: the parts of a request, the properties that are known by name, and plain values."""

from __future__ import annotations

from typing import Any, Final

PARTS: Final = ("subject", "action", "resource", "context")
"""What a condition's key begins with."""

ROLE: Final = "subject.role"
"""Known without being said: the roles that the directory gives."""

CONTEXT: Final = ("ip", "device_country", "purpose", "ticket", "session_id", "destination")
"""What a request's `context` may have that the rules read. All are texts; an empty one says nothing."""

TEXTS: Final = frozenset({ROLE, *(f"context.{name}" for name in CONTEXT)})
"""Keys whose values can only be texts."""

TEXT: Final = "a text"
NUMBER: Final = "a number"
TRUTH: Final = "true or false"


def kind_of(value: Any) -> str | None:
    """Return what kind of plain value it is, None where it is none."""
    if isinstance(value, bool):  # before numbers: in Python it is one
        return TRUTH
    if isinstance(value, int | float):
        return NUMBER
    return TEXT if isinstance(value, str) else None
