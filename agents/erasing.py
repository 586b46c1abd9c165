"""Destroying what links a person to their pseudonyms: envelopes first, the key last.

While the key is there an erasure that was interrupted can be done again, and finds everything. When it is gone, so are
the envelopes that were there; one that a worker sealed at that moment belongs to no key any more, and is deleted here,
by whichever worker reads it (`agents/privacy.py`), or by whoever erases next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from agents.clients import producer_of, started
from agents.envelopes import deletable, read_envelopes
from agents.person_keys import PersonKeys
from agents.privacy import read_people
from agents.settings import Settings
from schemas.topics import PRIVACY_IDENTITIES, PRIVACY_KEYS


async def forget(settings: Settings, keys: PersonKeys, person: str) -> tuple[str, ...]:
    """Destroy a person's sealed identities and key; return the pseudonyms that nobody can link to them any more.

    Found are the envelopes of all epochs, those whose keys were taken out of the file too. Nothing is left of the key
    when the brokers have compacted `privacy.keys`. An alert of the person that comes later makes a new one.

    Raises:
        ReferenceUnavailableError: no broker answers; what was not stored is done when this is called again.
    """
    found = await read_envelopes(settings, keys)
    tokens = tuple(sorted({*keys.tokens_of(person), *found.of(keys, person)}))
    async with started(settings, producer_of(settings)) as producer:
        await _delete(producer, tokens)
        await producer.send_and_wait(PRIVACY_KEYS, key=keys.name(person), value=None, partition=0)
        keys.take(keys.name(person), None)
        # Envelopes before keys: whose key is not there when it is read after them was never to have one.
        late = await read_envelopes(settings, keys)
        await _delete(producer, deletable(late.orphans(await read_people(settings, keys.ring))))
    return tokens


async def _delete(producer: AIOKafkaProducer, tokens: Iterable[str]) -> None:
    """Return when these envelopes' deletions are stored."""
    await asyncio.gather(
        *[
            await producer.send(PRIVACY_IDENTITIES, key=token.encode("ascii", "replace"), value=None, partition=0)
            for token in tokens
        ]
    )
