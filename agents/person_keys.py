"""Everybody's own key, as the log of `privacy.keys` has it: what pseudonyms are made from, and what erasure destroys.

Which key of a person is in force, where several workers meet somebody new at once:

1. A record is *first* (somebody new) or *confirmed*. The earliest first record after the last deletion is in force.
2. Whoever reads a first record with another key than the one in force writes the one in force once more, confirmed.
   Compaction keeps a person's last record: without this it would be the wrong one.
3. A confirmed record is in force whatever stood before it. So a reader of the whole log and a reader of the compacted
   one end with the same key, and nobody ever answers a confirmed record: the answers come to an end.
4. A deletion ends it. A record that brings a deleted key back (a confirmation that was on its way) is deleted again.

Envelopes of `privacy.identities` carry a mark: which key their pseudonym was made with, readable with these keys alone.
It names nobody, and says the same of every pseudonym of one key, in whatever epoch: so erasure finds them all, and an
envelope whose key is gone is known for what it is.

A worker uses a key only after it has read past its own record (`agents/privacy.py`), so what it uses is in force.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, field
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from alerts.keyring import KEY_BYTES, KeyRing
from alerts.pseudonyms import Pseudonyms
from schemas.errors import ConfigurationError, InvariantError
from schemas.topics import PRIVACY_KEYS

log = logging.getLogger(__name__)

VERSION: Final = 1
"""Of a record."""


PRINT_BYTES: Final = 16
"""Of what a person's key is recognised by: two never meet in one."""


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    version: int
    person: str
    key: bytes
    confirmed: bool


class _Mark(msgspec.Struct, array_like=True, frozen=True):
    version: int
    token: str
    print: bytes


@dataclass(slots=True)
class _Held:
    person: str
    key: bytes = field(repr=False)


_decode = msgspec.msgpack.Decoder(_Saved).decode
_decode_mark = msgspec.msgpack.Decoder(_Mark).decode


def _print(key: bytes) -> bytes:
    return hmac.digest(key, b"envelope", "sha256")[:PRINT_BYTES]


class PersonKeys:
    """What is known of the log so far. Pure: whoever reads the log hands its records over in order."""

    def __init__(self, ring: KeyRing) -> None:
        """Take the keys; nobody is known yet."""
        self.ring = ring
        self._box = SecretBox(ring.wrap)
        self._names: dict[str, _Held] = {}
        self._people: dict[str, bytes] = {}
        self._prints: dict[bytes, str] = {}
        self._deleted: set[bytes] = set()
        self._persons: dict[str, str] | None = None
        self.unreadable = 0
        """Records that these keys do not open."""
        self.pseudonyms = Pseudonyms(ring, self._people.get)

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, person: str) -> bool:
        return person in self._people

    def adopt(self, ring: KeyRing) -> None:
        """Take keys with more epochs from now on.

        Raises:
            ConfigurationError: what must never change did.
        """
        if (ring.ids, ring.wrap) != (self.ring.ids, self.ring.wrap):
            raise ConfigurationError("pseudonym_keys: ids and wrap are others than before; only epochs may change")
        theirs = {epoch.name: epoch for epoch in ring.epochs}
        if any(theirs.get(epoch.name, epoch) != epoch for epoch in self.ring.epochs):
            raise ConfigurationError("pseudonym_keys: an epoch is another than before; epochs only come and go")
        self.ring = ring
        self.pseudonyms = Pseudonyms(ring, self._people.get)
        self._persons = None

    def name(self, person: str) -> bytes:
        """Return the message key of a person's records."""
        return self.ring.person_name(person).encode()

    def sealed(self, person: str, key: bytes, *, confirmed: bool = False) -> bytes:
        """Return a record's value: encrypted, and nobody can change it unseen (XSalsa20-Poly1305, libsodium)."""
        saved = _Saved(VERSION, person, key, confirmed)
        return bytes(self._box.encrypt(msgspec.msgpack.encode(saved)))

    def mark(self, person: str, token: str) -> bytes:
        """Return the mark of the envelope under one of a person's pseudonyms, encrypted as records are.

        Raises:
            InvariantError: there is no key of the person.
        """
        key_print = self.print_of(person)
        if key_print is None:
            raise InvariantError("an identity is to be sealed of whom there is no key")
        made = _Mark(VERSION, token, key_print)
        return bytes(self._box.encrypt(msgspec.msgpack.encode(made)))

    def marked(self, token: str, mark: bytes) -> bytes | None:
        """Return which key an envelope belongs to; None where the mark is of other keys, or of another pseudonym."""
        try:
            found = _decode_mark(self._box.decrypt(mark))
        except (CryptoError, msgspec.MsgspecError, ValueError, TypeError):
            return None
        return found.print if found.version == VERSION and found.token == token else None

    def print_of(self, person: str) -> bytes | None:
        """Return what marks say of a person's key; None where there is none."""
        key = self._people.get(person)
        return None if key is None else _print(key)

    def in_force(self, key_print: bytes) -> bool:
        """Whether the key of a mark is somebody's."""
        return key_print in self._prints

    def take(self, name: bytes | None, value: bytes | None) -> tuple[bytes, bytes | None] | None:
        """Take the next record; return the message that must be written in answer, if any: its key and value."""
        if name is None:
            return None
        if value is None:
            self._drop(name.decode("ascii", "replace"))
            return None
        saved = self._opened(name, value)
        if saved is None:
            self.unreadable += 1
            return None
        if saved.key in self._deleted:
            return name, None
        label = name.decode()
        held = self._names.get(label)
        if held is not None and held.key != saved.key and not saved.confirmed:
            return name, self.sealed(held.person, held.key, confirmed=True)
        if held is None or held.key != saved.key:
            if held is not None:
                self._change(held.person)
                self._prints.pop(_print(held.key), None)
            self._prints[_print(saved.key)] = saved.person
            self._names[label] = _Held(saved.person, saved.key)
            self._people[saved.person] = saved.key
            if self._persons is not None:
                self._persons.update(dict.fromkeys(self.pseudonyms.tokens(saved.person), saved.person))
        return None

    def refuse_foreign(self) -> None:
        """Refuse keys that open nothing of what is there.

        Raises:
            ConfigurationError: there are records, and none of them was written with these keys.
        """
        if self.unreadable and not self._people:
            raise ConfigurationError(
                f"pseudonym_keys: none of the {self.unreadable} records of {PRIVACY_KEYS} opens with these keys: they "
                "are not those with which it was written. Give every worker the same file"
            )

    def tokens_of(self, person: str) -> tuple[str, ...]:
        """Return a person's pseudonyms in all epochs; none where there is no key of theirs."""
        return self.pseudonyms.tokens(person) if person in self._people else ()

    def person_of(self, token: str) -> str | None:
        """Return whom a pseudonym stands for; None where that is nobody whose key is there."""
        if self._persons is None:
            self._persons = {token: person for person in self._people for token in self.pseudonyms.tokens(person)}
        return self._persons.get(token)

    def _opened(self, name: bytes, value: bytes) -> _Saved | None:
        """Return what is in a record; None where it is not of these keys, or under another person's name."""
        try:
            saved = _decode(self._box.decrypt(value))
        except (CryptoError, msgspec.MsgspecError, ValueError, TypeError):
            return None
        fits = saved.version == VERSION and len(saved.key) == KEY_BYTES and self.name(saved.person) == name
        return saved if fits else None

    def _drop(self, label: str) -> None:
        held = self._names.pop(label, None)
        if held is None:
            return
        self._change(held.person)
        self._deleted.add(held.key)
        self._prints.pop(_print(held.key), None)
        del self._people[held.person]

    def _change(self, person: str) -> None:
        """Give up what was made of a person's key."""
        if self._persons is not None:
            for token in self.pseudonyms.tokens(person):
                self._persons.pop(token, None)
        self.pseudonyms.forget(person)
