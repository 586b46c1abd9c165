"""Destinations as the policy says them: made, and tried out before anything depends on them."""

from __future__ import annotations

import platform
from importlib.metadata import version

from agents.delivering.kafka_client import other_cluster
from agents.pseudonym_keys import configured, read_keys
from agents.settings import Settings
from alerts.destination import Context, Destination
from alerts.keyring import KeyRing
from alerts.plan import Plan
from schemas.errors import ConfigurationError


def context(name: str) -> Context:
    """Return what a destination is given."""
    return Context(name=name, host=platform.node() or "localhost", version=version("cloverwatch"), kafka=other_cluster)


def made(plan: Plan, name: str) -> Destination:
    """Return a destination of the plan, not started.

    Raises:
        ConfigurationError: a secret or a certificate of it cannot be read, or no such destination.
    """
    mine = plan.destinations.get(name)
    if mine is None:
        raise ConfigurationError(
            f"{name!r} is no destination of the policy; allowed: {', '.join(sorted(plan.destinations)) or 'none'}"
        )
    return mine.kind.make(mine.config, context(name))


def keys_for(settings: Settings, name: str) -> KeyRing:
    """Return the keys by which clear names are put into what goes to a destination.

    Raises:
        ConfigurationError: this process has none, or they cannot be used.
    """
    if not configured(settings):
        raise ConfigurationError(
            f"destinations.{name}.names: 'clear' needs the keys of pseudonyms; set CLOVERWATCH_PSEUDONYM_KEYS, or "
            'names = "pseudonyms"'
        )
    return read_keys(settings)


def clear(settings: Settings, plan: Plan, name: str) -> bool:
    """Whether clear names must be put into what goes to a destination: not where alerts have them anyway."""
    return plan.destinations[name].names == "clear" and settings.identities != "clear"


async def try_out(settings: Settings, plan: Plan, name: str) -> None:
    """Make a destination, open it, close it: what is wrong with its secrets, certificates or keys is said here.

    Raises:
        ConfigurationError: names the key.
    """
    destination = made(plan, name)
    if clear(settings, plan, name):
        keys_for(settings, name)
    try:
        await destination.start()
    finally:
        await destination.stop()
