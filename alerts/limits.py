"""How many messages a minute somebody is sent: a window that slides, so that no minute anywhere holds more."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE: Final = 60_000

DIGEST_GROUPS: Final = 20
"""More groups than these that wait at once are told of together: nobody reads them one by one."""

DIGEST_AFTER: Final = MINUTE
"""Nothing waits longer for its own message before it is told of in a digest."""

DIGEST_EVERY: Final = MINUTE
"""Between two digests: one a minute sums up whatever comes."""

RESERVED: Final = 4
"""A fourth of the limit is kept for what is critical, so that a flood of lesser things does not use up its minute."""


class Window:
    """The messages of the last minute."""

    def __init__(self, limit: int | None) -> None:
        """Start empty; None: no limit."""
        self.limit = limit
        self._sent: deque[int] = deque()

    def under(self, limit: int | None) -> Window:
        """Return the same minute under another limit."""
        other = Window(limit)
        other._sent = self._sent if limit is not None else deque()
        return other

    def add(self, now: int) -> None:
        """Count a message."""
        if self.limit is not None:
            self._sent.append(now)

    def room(self, now: int) -> tuple[int, int]:
        """Return how many more may be sent now: of anything, and of what is not critical."""
        if self.limit is None:
            return (1 << 30, 1 << 30)
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        total = max(0, self.limit - len(self._sent))
        return total, max(0, total - self.limit // RESERVED)

    def frees(self, now: int, *, critical: bool) -> int:
        """Return from when there is room for a message."""
        if self.limit is None:
            return now
        self.room(now)
        beyond = len(self._sent) - self.limit + (0 if critical else self.limit // RESERVED)
        return self._sent[beyond] + MINUTE if beyond >= 0 else now
