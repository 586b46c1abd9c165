"""Where the keys of pseudonyms come from: a file that only its owner may read, or a command; and that they change."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mode import Service

from agents.settings import Settings
from alerts.keyring import KeyRing, as_json, fresh, parse
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

KEYS_MAX: Final = 64 * 1024
"""Bytes of a key file: an epoch has a hundred, so this is more than a lifetime of them."""

COMMAND_WITHIN_S: Final = 20.0
"""Within which the command must have answered. Secret stores answer in a second; a worker waits for it at the start."""

FILE_EVERY_S: Final = 5.0
"""How often the file is looked at: far more often than epochs need, which are announced a day before."""

COMMAND_EVERY_S: Final = 600.0
"""How often the command is run again: stores count what they are asked."""

MODE: Final = 0o600


def configured(settings: Settings) -> bool:
    """Whether pseudonyms are wanted and keys are named."""
    return settings.identities == "pseudonyms" and bool(settings.pseudonym_keys or settings.pseudonym_keys_command)


def read_keys(settings: Settings) -> KeyRing:
    """Return the keys that the settings name.

    Raises:
        ConfigurationError: none are named, or they cannot be used; says what to do.
    """
    if settings.pseudonym_keys is not None:
        return parse(_from_file(settings.pseudonym_keys), f"pseudonym_keys: {settings.pseudonym_keys}")
    if settings.pseudonym_keys_command is not None:
        return parse(_from_command(settings.pseudonym_keys_command), "pseudonym_keys_command")
    raise ConfigurationError(
        "pseudonym_keys: not set, and alerts are to carry pseudonyms. Make keys with `cloverwatch privacy keys --new "
        "FILE` and name the file with CLOVERWATCH_PSEUDONYM_KEYS, the same one for all workers (or a command with "
        "CLOVERWATCH_PSEUDONYM_KEYS_COMMAND); CLOVERWATCH_IDENTITIES=clear publishes people's names"
    )


def write_keys(path: Path, ring: KeyRing, *, new: bool) -> None:
    """Write a key file whole or not at all, for its owner's eyes; a new one never in place of another.

    Raises:
        ConfigurationError: it is there already (`new`), or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(as_json(ring))
                file.flush()
                os.fsync(file.fileno())
            if new:
                os.link(name, path)
                Path(name).unlink()
            else:
                Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise ConfigurationError(
            f"--new: {path} is there already, and stays as it is: with other keys nothing that is published could be "
            "linked any more. Use --rotate to add an epoch"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"keys: {path} cannot be written: {error.strerror}") from None


def new_keys(path: Path) -> KeyRing:
    """Write a new key file and return what is in it.

    Raises:
        ConfigurationError: it is there already, or cannot be written.
    """
    ring = fresh(time.time_ns() // 1_000_000)
    write_keys(path, ring, new=True)
    return ring


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(KEYS_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"pseudonym_keys: {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigurationError(
            f"pseudonym_keys: {path} has mode {mode:04o}: others than its owner may read it; allowed: {MODE:04o} or "
            "less. Run `chmod 600` on it, and make new keys if others may have read it"
        )
    return _bounded(content, f"pseudonym_keys: {path}")


def _from_command(command: str) -> bytes:
    """Return what a command prints, within bounds of time and length. What it says of errors is its own log's."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"pseudonym_keys_command: {error}") from None
    if not words:
        raise ConfigurationError("pseudonym_keys_command: empty; allowed: a program and its arguments")
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603  # the operator's own setting
    except OSError as error:
        raise ConfigurationError(f"pseudonym_keys_command: {words[0]} cannot be run: {error.strerror}") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(COMMAND_WITHIN_S, end)
    timer.start()
    try:
        with process:
            assert process.stdout is not None  # noqa: S101  # asked for above
            content = process.stdout.read(KEYS_MAX + 1)
            if len(content) > KEYS_MAX:
                _kill(process)
            code = process.wait()
    finally:
        timer.cancel()
    if late.is_set():
        raise ConfigurationError(f"pseudonym_keys_command: {words[0]} did not end within {COMMAND_WITHIN_S:g} s")
    _bounded(content, "pseudonym_keys_command")
    if code:
        raise ConfigurationError(f"pseudonym_keys_command: {words[0]} ended with {code}; see what it says itself")
    return content


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command with everything that it started: what holds its output open would be waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _bounded(content: bytes, what: str) -> bytes:
    if len(content) > KEYS_MAX:
        raise ConfigurationError(f"{what}: longer than {KEYS_MAX} bytes: no keys")
    return content


class KeysWatch(Service):
    """Reads the keys again from time to time, so that a rotation needs no restart. What is wrong changes nothing.

    Args:
        settings: say where they are.
        ring: those in force.
        adopt: called with others; may refuse them.
    """

    def __init__(self, settings: Settings, ring: KeyRing, adopt: Callable[[KeyRing], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings, self._ring, self._adopt = settings, ring, adopt

    @Service.task
    async def _watch(self) -> None:
        every = FILE_EVERY_S if self._settings.pseudonym_keys is not None else COMMAND_EVERY_S
        said = ""
        while not self.should_stop:
            await self.sleep(every)
            try:
                ring = await self.loop.run_in_executor(None, read_keys, self._settings)
                if ring != self._ring:
                    self._adopt(ring)
                    self._ring = ring
                    log.warning("Keys of pseudonyms: epochs %s", ", ".join(each.name for each in ring.epochs))
                said = ""
            except ConfigurationError as error:
                if str(error) != said:
                    log.error("The keys stay as they are: %s", error)
                said = str(error)
