"""Keys of pseudonyms for tests: the same in every run."""

from __future__ import annotations

from hashlib import sha256

from alerts.keyring import Epoch, KeyRing

DAY = 86_400_000
START = 1_772_000_000_000
"""When the first epoch begins."""


def key(name: str) -> bytes:
    """A key that a name stands for."""
    return sha256(name.encode()).digest()


def ring(*since: int, overlap: int = 35 * DAY) -> KeyRing:
    """Keys with an epoch for each beginning; one from `START` on where none is given."""
    epochs = tuple(Epoch(f"p{n}", at, key(f"epoch {n}")) for n, at in enumerate(since or (START,), 1))
    return KeyRing(epochs=epochs, ids=key("ids"), wrap=key("wrap"), overlap=overlap)
