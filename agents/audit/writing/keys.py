"""Who signs and who cosigns, as the settings name them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agents.audit.tlog import BadNoteError, NoteSigner
from agents.audit.tlog.witnessing import Told, WitnessClient, Witnesses
from agents.settings import Settings
from agents.signing import OTHERS
from schemas.errors import ConfigurationError

KEY_MAX: Final = 4_096
"""Bytes of a key's file at most."""


def signer_of(path: Path) -> NoteSigner:
    """Return the key of the log.

    Raises:
        ConfigurationError: it cannot be read, is none, or others may read the file.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_MAX)
    except OSError as error:
        raise ConfigurationError(f"audit_key: {path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & OTHERS:
        raise ConfigurationError(
            f"audit_key: {path} may be read or changed by others (mode {mode & 0o777:04o}); do chmod 600 {path}"
        )
    try:
        return NoteSigner.read(content.decode("ascii", "replace"), str(path))
    except BadNoteError as error:
        raise ConfigurationError(f"audit_key: {error}; `cloverwatch audit keys` makes one") from None


def witnesses_of(settings: Settings, observe: Callable[[Told], None]) -> Witnesses:
    """Return the witnesses that the settings name, none where they name no file.

    Raises:
        ConfigurationError: the file cannot be read, a line is no `VKEY URL`, one key is there twice, or more are needed
            than there are.
    """
    path = settings.audit_witnesses
    if path is None:
        return Witnesses()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"audit_witnesses: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"audit_witnesses: {path} is not UTF-8 at byte {error.start}") from None
    clients = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            try:
                clients.append(WitnessClient.read(line))
            except ConfigurationError as error:
                raise ConfigurationError(f"{path}:{number}: {error}") from None
    try:
        return Witnesses(clients, settings.audit_witnesses_needed, observe)
    except ValueError as error:
        raise ConfigurationError(f"audit_witnesses, audit_witnesses_needed: {path}: {error}") from None
