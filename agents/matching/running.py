"""`cloverwatch match`: checks, a port for metrics and health, and then matching until told to stop."""

from __future__ import annotations

from agents.matching.matching import Matching
from agents.matching.states import gateway_of
from agents.policy_watch import read_policy
from agents.preflight import before_start
from agents.pseudonym_keys import read_keys
from agents.settings import Settings
from agents.web import WebServer, listening
from schemas.errors import ConfigurationError


async def match(settings: Settings) -> int:
    """Match until told to stop (SIGTERM, SIGINT).

    Returns:
        The exit code: 0 after a stop, 1 where something that it needs crashed.

    Raises:
        ConfigurationError: settings, policy or topics cannot be used.
        ReferenceUnavailableError: no broker answers.
    """
    if settings.policy is None:
        raise ConfigurationError("policy: matching needs one; name the file with CLOVERWATCH_POLICY")
    ring = None if settings.identities == "clear" else read_keys(settings)
    content, policy = read_policy(settings.policy)
    gateway_of(policy)
    await before_start(settings)
    with listening(settings.web_host, settings.match_port, "match_port") as listener:
        process = Matching(settings, content, policy, ring)
        web = WebServer(
            listener, registry=process.metrics.registry, refresh=process.refresh, not_ready=process.not_ready
        )
        await web.start()
        try:
            return await process.run()
        finally:
            await web.stop()
