"""Under which pseudonyms a person is known, for commands that are told of them by their id."""

from __future__ import annotations

from typing import Protocol

from agents.erasing import forget
from agents.person_keys import PersonKeys
from agents.privacy import read_people
from agents.pseudonym_keys import configured, read_keys
from agents.settings import Settings


class Naming(Protocol):
    """Knows a person's pseudonyms, and can destroy what they are made from."""

    def subject(self, person: str) -> str | None:
        """Return under which name a record may speak of a person: their latest pseudonym, or None."""

    def tokens(self, person: str) -> tuple[str, ...]:
        """Return all names under which alerts speak of a person."""

    async def forget(self, person: str) -> tuple[str, ...]:
        """Destroy the person's key and sealed identities; return the pseudonyms that are unlinkable now.

        Raises:
            ReferenceUnavailableError: the brokers have not stored that.
        """


class Clear:
    """Alerts name people in clear (`identities = "clear"`): there are no keys."""

    def subject(self, person: str) -> str | None:
        """Return the id itself."""
        return person

    def tokens(self, person: str) -> tuple[str, ...]:
        """Return the id itself."""
        return (person,)

    async def forget(self, _: str) -> tuple[str, ...]:
        """Destroy nothing: there is nothing to destroy."""
        return ()


class Unknown:
    """This machine does not have the keys of pseudonyms."""

    def subject(self, _: str) -> str | None:
        """Return None: not known here."""
        return None

    def tokens(self, _: str) -> tuple[str, ...]:
        """Return none."""
        return ()

    async def forget(self, _: str) -> tuple[str, ...]:
        """Destroy nothing."""
        return ()


class Keyed:
    """People's keys as the log of `privacy.keys` has them."""

    def __init__(self, settings: Settings, keys: PersonKeys) -> None:
        self._settings, self._keys = settings, keys

    def subject(self, person: str) -> str | None:
        """Return the pseudonym of the last epoch; None for somebody of whom there never was an alert."""
        tokens = self.tokens(person)
        return tokens[-1] if tokens else None

    def tokens(self, person: str) -> tuple[str, ...]:
        """Return the pseudonyms of all epochs."""
        return tuple(self._keys.tokens_of(person))

    async def forget(self, person: str) -> tuple[str, ...]:
        """Write the tombstones."""
        return tuple(await forget(self._settings, self._keys, person))


async def naming_of(settings: Settings) -> Naming:
    """Return what this machine knows of pseudonyms, by its settings.

    Raises:
        ConfigurationError: the keys cannot be used.
        ReferenceUnavailableError: no broker answers.
    """
    if settings.identities == "clear":
        return Clear()
    if not configured(settings):
        return Unknown()
    return Keyed(settings, await read_people(settings, read_keys(settings)))
