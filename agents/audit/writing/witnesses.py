"""Who cosigns, as the settings name them."""

from __future__ import annotations

from collections.abc import Callable

from agents.audit.tlog.witnessing import Told, WitnessClient, Witnesses
from agents.settings import Settings
from schemas.errors import ConfigurationError


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
