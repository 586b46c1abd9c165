"""Which envelopes of `privacy.identities` stand under which pseudonym, and which of them belong to nobody any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from agents.person_keys import PersonKeys
from agents.settings import Settings
from agents.topic_reading import read_topic
from schemas.topics import PRIVACY_IDENTITIES, PRIVACY_KEYS

log = logging.getLogger(__name__)

MARK: Final = "cloverwatch-key"
"""The header that says which person's key an envelope belongs to (`PersonKeys.mark`)."""

ORPHANS_MOST: Final = 100
"""Envelopes without a key that are deleted at once. An erasure deletes its envelopes itself, and then the key: what is
left are the few that a worker sealed at that moment. More of them mean that `privacy.keys` lost records, and then
officers' envelopes are the last thing that should go with them."""


class Envelopes:
    """What a reader of the topic has seen. Pure: whoever reads hands records over in order."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._prints: dict[str, bytes] = {}

    def take(self, keys: PersonKeys, record: Any) -> bool:
        """Take the next record; return whether it is an envelope with a mark that these keys can read."""
        token = token_of(record)
        found = None
        if record.value is not None:
            mark = next((value for name, value in record.headers or () if name == MARK), None)
            found = None if mark is None else keys.marked(token, mark)
        if found is None:
            self._prints.pop(token, None)
            return False
        self._prints[token] = found
        return True

    def drop(self, token: str) -> None:
        """Forget one that is deleted."""
        self._prints.pop(token, None)

    def of(self, keys: PersonKeys, person: str) -> set[str]:
        """Return the pseudonyms of all epochs whose envelopes belong to the key of a person."""
        key = keys.print_of(person)
        return {token for token, found in self._prints.items() if found == key}

    def orphans(self, keys: PersonKeys, among: Iterable[str] | None = None) -> set[str]:
        """Return those (of `among`) whose key is nobody's."""
        tokens = self._prints if among is None else [token for token in among if token in self._prints]
        return {token for token in tokens if not keys.in_force(self._prints[token])}


def token_of(record: Any) -> str:
    """Return the pseudonym under which a record stands."""
    return (record.key or b"").decode("ascii", "replace")


def deletable(orphans: set[str]) -> list[str]:
    """Return the orphans that are to be deleted: none of too many, which is said in the log."""
    if len(orphans) <= ORPHANS_MOST:
        return sorted(orphans)
    log.error(
        "%s: %d envelopes belong to keys that %s does not have. They stay: an erasure leaves a few at most, so that "
        "topic has lost records. Bring it back from a backup, or delete the envelopes' topic too",
        PRIVACY_IDENTITIES,
        len(orphans),
        PRIVACY_KEYS,
    )
    return []


async def read_envelopes(settings: Settings, keys: PersonKeys) -> Envelopes:
    """Return the envelopes as the log has them now.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    found = Envelopes()
    await read_topic(settings, PRIVACY_IDENTITIES, lambda record: found.take(keys, record))
    return found
