"""Replays: what is parked for a destination, taken up once more, in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agents.delivering.memory import Memory, read_parked
from agents.delivering.refs import Run
from agents.delivering.storing import ParkedAlert
from agents.settings import Settings

AT_ONCE: Final = 1_000
"""Parked alerts that are on their way at one time, beside those of the last key: all of a key go together."""


@dataclass(slots=True)
class _Request:
    """A request for a partition: done when everything that was parked then was tried once."""

    runs: list[Run] = field(default_factory=list)
    tried: set[bytes] = field(default_factory=set)


class Replays:
    """Those that were asked of one destination. Pure but for reading what is parked."""

    def __init__(self, settings: Settings, destination: str) -> None:
        self._settings, self._destination = settings, destination
        self._asked: dict[int, _Request] = {}
        self._under_way: dict[bytes, int] = {}
        """Parked alerts that are on their way, and their partition."""

    def ask(self, partition: int, run: Run) -> None:
        """Take a request; `run` is done with it. Asked twice, what is on its way is not sent twice."""
        self._asked.setdefault(partition, _Request()).runs.append(run)

    def clear(self) -> None:
        """Partitions change hands: whoever gets them reads the requests again."""
        self._asked.clear()
        self._under_way.clear()

    def over(self, key: bytes) -> None:
        """A parked alert was delivered, or parked again."""
        self._under_way.pop(key, None)

    async def next(self, memory: Memory, term: Callable[[], int]) -> list[tuple[bytes, ParkedAlert]]:
        """Return what is to be taken up now, in its order: whole keys, so that nothing overtakes what is left."""
        for partition, request in list(self._asked.items()):
            if len(self._under_way) >= AT_ONCE:
                break  # more when these are over
            now = term()
            parked = await read_parked(self._settings, self._destination, [partition])
            if now != term():
                break
            left = [key for key in parked if key in memory.parked and key not in request.tried]
            if left:
                return self._some(parked, left, request)
            if partition not in self._under_way.values():
                del self._asked[partition]
                for run in request.runs:
                    run.done()
        return []

    def _some(
        self, parked: Mapping[bytes, ParkedAlert], left: list[bytes], request: _Request
    ) -> list[tuple[bytes, ParkedAlert]]:
        left.sort(key=lambda key: (parked[key].offset, parked[key].alert.revision))
        groups = {parked[key].group for key in left[:AT_ONCE]}
        found = [(key, parked[key]) for key in left if parked[key].group in groups]
        request.tried.update(key for key, _ in found)
        self._under_way.update((key, each.partition) for key, each in found)
        return found
