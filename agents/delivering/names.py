"""Clear names, for destinations to which the policy allows them: this process then holds the keys of pseudonyms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import TopicPartition

from agents.clients import consumer_of, within_start
from agents.person_keys import PersonKeys
from agents.privacy import POLL_MS, at_end
from agents.settings import Settings
from alerts.keyring import KeyRing
from alerts.pseudonyms import people_of, show
from schemas.alert import Alert
from schemas.topics import PRIVACY_KEYS

KEYS: Final = TopicPartition(PRIVACY_KEYS, 0)

UNKNOWN_WAIT_S: Final = 2.0
"""How long an alert waits for the key of somebody new: it is stored before the alert is, and read within milliseconds.
Whoever was erased is never known again, and is told of under the pseudonym after this time."""

ERASED_MAX: Final = 10_000
"""Pseudonyms for which is not waited again, some 2 MB: whoever was erased longest ago has no new alerts."""

LOOK_S: Final = 0.02
"""Between two looks meanwhile."""


class Names:
    """Tails `privacy.keys`, and puts people's ids in the place of their pseudonyms."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self._settings = settings
        self.keys = PersonKeys(ring)
        self._ready = asyncio.Event()
        self._erased: dict[str, None] = {}
        """Pseudonyms for which was waited in vain, oldest first: they are not waited for again."""
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        """End."""
        self.stopped.set()

    async def run(self) -> None:
        """Read until `stop`.

        Raises:
            ConfigurationError: the keys open nothing of what is there.
        """
        consumer = consumer_of(self._settings)
        await within_start(self._settings, consumer.start)
        try:
            consumer.assign([KEYS])
            await consumer.seek_to_beginning(KEYS)
            ends = await consumer.end_offsets([KEYS])
            while not self.stopped.is_set():
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self.keys.take(record.key, record.value)  # what has to be answered is a worker's to answer
                if not self._ready.is_set() and await at_end(consumer, ends):
                    self.keys.refuse_foreign()
                    self._ready.set()
        finally:
            await consumer.stop()

    async def shown(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Return alerts with the ids of those who are known."""
        await self._ready.wait()
        missing = {each for alert in alerts for each in people_of(alert)} - self._erased.keys()
        deadline = asyncio.get_running_loop().time() + UNKNOWN_WAIT_S
        while missing := {each for each in missing if self.keys.person_of(each) is None}:
            if asyncio.get_running_loop().time() > deadline:
                self._erased.update(dict.fromkeys(missing))
                break
            await asyncio.sleep(LOOK_S)
        while len(self._erased) > ERASED_MAX:
            del self._erased[next(iter(self._erased))]
        return [show(alert, self.keys.person_of) for alert in alerts]
