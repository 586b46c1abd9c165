"""Before anything starts: is the broker there, are the topics there, have they the partitions that were promised."""

from __future__ import annotations

from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from mode import Service

from agents.clients import with_admin
from agents.policy_adopted import check_adopted
from agents.settings import Settings
from agents.topic_admin import described
from schemas.errors import ConfigurationError
from schemas.topics import ACCESS_EVENTS, TOPICS

LOOK_EVERY_S: Final = 3.0
"""How often the number of partitions is looked at while the worker runs; it is at hand in the client's metadata."""


async def check_topics(admin: AIOKafkaAdminClient, partitions: int) -> None:
    """Check that every topic exists and that `access.events` has its fixed number of partitions.

    Args:
        admin: a started client.
        partitions: what the settings say.

    Raises:
        ConfigurationError: says which topic, what is there, and what to do.
    """
    there = await described(admin)
    missing = [topic.name for topic in TOPICS if topic.name not in there]
    if missing:
        raise ConfigurationError(
            f"topics missing: {', '.join(missing)}; create them with `cloverwatch topics --create`"
        )
    refuse_changed_partitions(there[ACCESS_EVENTS].partitions, partitions)


async def before_start(settings: Settings) -> None:
    """Check what must hold before anything begins: the topics, and that the policy is the one that was adopted last.

    Raises:
        ConfigurationError: a topic, or the policy, cannot be used.
        ReferenceUnavailableError: no broker answers.
    """
    await with_admin(settings, lambda admin: check_topics(admin, settings.partitions))
    await check_adopted(settings)


def refuse_changed_partitions(found: int, promised: int) -> None:
    """Refuse another number of partitions than the settings say.

    Raises:
        ConfigurationError: they differ.
    """
    if found != promised:
        raise ConfigurationError(
            f"partitions: {ACCESS_EVENTS} has {found} partitions, the settings say {promised}. The number is fixed "
            f"when the topic is created: a person's records would change partition. Set CLOVERWATCH_PARTITIONS={found} "
            "if the topic is right, or create it anew and let the producers write again"
        )


class PartitionWatch(Service):
    """Ends the worker when the number of partitions changes under it: persons would no longer be where they were."""

    def __init__(self, producer: AIOKafkaProducer, promised: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._producer, self._promised = producer, promised

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_EVERY_S)
            refuse_changed_partitions(len(await self._producer.partitions_for(ACCESS_EVENTS)), self._promised)
