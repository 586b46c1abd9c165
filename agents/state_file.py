"""What is known of people's habits as one file: `replay` and `person` read it, `replay` writes it.

The first line says what it is, its version and the hash of the rest; the rest is MessagePack. A file is replaced whole
or not at all, and only its owner may read it: it says how people work.

Files have no offsets, so nothing tells an event that is counted already from a new one. The files that were judged into
a state are remembered by their content instead, for a warning.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from rules.habits.saved import StateVersionError
from rules.habits.saved_across import restore_across, save_across
from rules.habits.saved_peers import restore_peers, save_peers
from rules.habits.shelf import HabitShelf
from rules.session import Session
from schemas.errors import ConfigurationError

VERSION: Final = 1
"""Of the file's form. Habits and peers in it have versions of their own."""

MAGIC: Final = b"cloverwatch-state"
DIGEST_BYTES: Final = 16
"""Of the hash that tells a file that was damaged: no accident leaves 128 bits right."""

NO_PARTITION: Final = -1
"""Of people whose accesses are read from files."""


class Input(msgspec.Struct, array_like=True, frozen=True):
    """A file that was judged into a state."""

    digest: str
    """Of its bytes."""
    name: str
    """As it was named then."""


class State(msgspec.Struct, array_like=True, frozen=True):
    """What a file holds."""

    now: int
    """The running maximum of `occurred_at`, milliseconds."""
    people: tuple[tuple[str, bytes], ...]
    """Name and `rules.habits.saved.save`."""
    peers: bytes
    """`rules.habits.saved_peers.save_peers`."""
    across: bytes
    """`rules.habits.saved_across.save_across`."""
    inputs: tuple[Input, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def taken(session: Session, now: int, inputs: tuple[Input, ...]) -> State:
    """Return what a session remembers of everybody as of `now` (milliseconds).

    Habits are as old as the last access of anybody says, not as the clock of a file does: one wrong date loses none.
    """
    knowledge = session.knowledge
    seen = sorted(person.habit.seen_at for person in knowledge.everybody() if person.habit is not None)
    latest = seen[(len(seen) - 1) // 2] if seen else now  # half of them say so: a wrong clock alone does not
    shelf = HabitShelf(knowledge, lambda: latest)
    names = sorted(name for name, person in knowledge.everybody_by_name() if person.habit is not None)
    people = tuple((name, saved) for name in names if (saved := shelf.save(name)) is not None)
    across = save_across(session.across.crowds, session.across.rhythms)
    return State(now, people, save_peers(session.peers), across, inputs)


def put_back(state: State, session: Session, path: Path) -> None:
    """Let a session remember what a state holds.

    Raises:
        ConfigurationError: habits or peers are of another version; names the file `path`.
    """
    shelf = HabitShelf(session.knowledge, lambda: state.now)
    try:
        for name, saved in state.people:
            shelf.restore(name, NO_PARTITION, saved)
        session.peers = restore_peers(state.peers)
        restore_across(state.across, session.across.crowds, session.across.rhythms)
    except StateVersionError as error:
        raise ConfigurationError(f"--state: {path}: {error}") from None


def load_state(path: Path) -> State:
    """Return what a file holds.

    Raises:
        ConfigurationError: it cannot be read, is no state, is damaged, or of a version that this program does not know.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--state: {path} cannot be read: {error.strerror}") from None
    head, _, rest = content.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 3 or words[0] != MAGIC:
        raise ConfigurationError(f"--state: {path} is no state that `cloverwatch replay --state` wrote")
    if words[1] != b"%d" % VERSION:
        found = words[1].decode("utf-8", "replace")
        raise ConfigurationError(
            f"--state: {path} is of version {found!r}: this program reads version {VERSION}; use the program that "
            "wrote it, or replay the history into another file"
        )
    if words[2] != _digest(rest):
        raise ConfigurationError(f"--state: {path} is damaged: its content is not that of its hash; replay it anew")
    try:
        return _decode(rest)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"--state: {path} is damaged: {error}; replay it anew") from None


def state_there(path: Path) -> bool:
    """Return whether there is a state to go on from.

    Raises:
        ConfigurationError: the path cannot be one.
    """
    try:
        return path.exists()
    except OSError as error:
        raise ConfigurationError(f"--state: {path} cannot be read: {error.strerror}") from None


def save_state(path: Path, state: State) -> None:
    """Put a state in the place of the file, whole or not at all.

    Raises:
        ConfigurationError: it cannot be written.
    """
    rest = _encode(state)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"%s %d %s\n" % (MAGIC, VERSION, _digest(rest)))
                file.write(rest)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"--state: {path} cannot be written: {error.strerror}") from None


def content_digest(path: Path) -> str:
    """Return the hash of a file's bytes.

    Raises:
        ConfigurationError: it cannot be read.
    """
    whole = blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return whole.hexdigest()


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).hexdigest().encode()
