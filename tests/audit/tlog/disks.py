"""Storages that stop: a disk that loses its power at the n-th operation, and a clock and a signer that remember."""

from __future__ import annotations

import random
from typing import Literal

from agents.audit.tlog import NoteSigner
from agents.audit.tlog.checkpoint import parse
from agents.audit.tlog.notes import Note, Signature

Loss = Literal["lost", "kept", "torn", "some"]
LOSSES: tuple[Loss, ...] = ("lost", "kept", "torn", "some")
"""What becomes of files that were not flushed: gone, there after all, half of each, or any of these by chance."""

NOW = 1_790_000_000.0


def clock() -> float:
    return NOW


class PowerLossError(Exception):
    """The disk stopped."""


class Disk:
    """A storage in memory; `write` lasts from `sync` on, everything else at once.

    The n-th operation raises, `before` it has any effect or after it.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.unflushed: dict[str, bytes] = {}
        self.dropped: dict[str, bytes] = {}
        self.operations = 0
        self.stop_at: int | None = None
        self.before = True
        self.locked = False

    def power_loss(self, how: Loss, seed: int = 0) -> None:
        """Leave on the disk what such a loss would."""
        chance = random.Random(seed)
        for path, data in self.unflushed.items():
            kind = chance.choice(("lost", "kept", "torn")) if how == "some" else how
            if kind == "kept":
                self.files[path] = data
            elif kind == "torn":
                self.files[path] = data[: len(data) // 2]
        if how in {"kept", "some"}:
            self.files = self.dropped | self.files
        self.unflushed, self.dropped = {}, {}
        self.stop_at, self.locked = None, False

    def read(self, path: str) -> bytes:
        found = self.unflushed.get(path, self.files.get(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def write(self, path: str, data: bytes) -> None:
        with_effect = self._step()
        if with_effect is not False:
            self.unflushed[path] = data
        self._stopped(with_effect)

    def sync(self) -> None:
        with_effect = self._step()
        if with_effect is not False:
            self.files |= self.unflushed
            self.unflushed = {}
        self._stopped(with_effect)

    def replace(self, path: str, data: bytes) -> None:
        with_effect = self._step()
        if with_effect is not False:
            self.files[path] = data
        self._stopped(with_effect)

    def drop(self, path: str) -> None:
        with_effect = self._step()
        if with_effect is not False:
            for each in [each for each in self.files if each.startswith(path + "/")]:
                self.dropped[each] = self.files.pop(each)
        self._stopped(with_effect)

    def lock(self) -> None:
        assert not self.locked
        self.locked = True

    def unlock(self) -> None:
        self.locked = False

    def _step(self) -> bool | None:
        """None: go on; else this is where it stops, with the operation's effect or without."""
        self.operations += 1
        if self.operations == self.stop_at:
            return not self.before
        return None

    def _stopped(self, stopping: bool | None) -> None:
        if stopping is not None:
            raise PowerLossError(f"operation {self.operations}")


class RecordingSigner(NoteSigner):
    """Remembers every tree that it ever signed, whether its signature came anywhere or not."""

    __slots__ = ("signed",)

    def __init__(self, name: str, seed: bytes) -> None:
        super().__init__(name, seed)
        self.signed: list[tuple[int, bytes]] = []

    def sign(self, text: str, time: int = 0) -> Signature:
        made = super().sign(text, time)
        found = parse(bytes(Note(text, (made,))))
        self.signed.append((found.size, found.root))
        return made
