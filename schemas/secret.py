"""Text that must not be seen: where it comes from, and how it keeps out of logs."""

from __future__ import annotations


class Secret:
    """Text that does not show itself: not by `str`, `repr`, formatting, pickling or JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text
