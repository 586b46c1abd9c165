"""The policy file while the worker runs: a good new one takes force at a batch's boundary, a broken one is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mode import Service

from agents.alert_names import alert_names
from agents.policy_auditors import UnsignedPolicyError, required
from alerts import KINDS
from alerts.people import Person, officers_of, read_people
from alerts.reading import read_plan
from rules.behaviour import BEHAVIOUR_IDS
from rules.catalogue import RULE_IDS
from rules.matching.kinds import MATCHING_IDS
from rules.policy import Policy, parse
from schemas.errors import ConfigurationError
from schemas.toml_file import TomlFile

log = logging.getLogger(__name__)


def read_policy(path: Path) -> tuple[bytes, Policy]:
    """Return a policy file's bytes and the policy in them.

    Raises:
        ConfigurationError: it cannot be read, or is wrong; names file, line, key, value and what is allowed.
        UnsignedPolicyError: it is the one in force by the settings, and auditors must have signed it, and have not.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"policy: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"policy: {path} is not UTF-8 at byte {error.start}") from None
    auditors = required(path)
    change = None if auditors is None else auditors.accepted(path, content)
    policy = parse(text, str(path), RULE_IDS | BEHAVIOUR_IDS | MATCHING_IDS)
    names = alert_names()
    # Who is told is refused here too: one file, one answer whether it is right.
    read_plan(text, str(path), KINDS, families=names.families, rule_ids=names.rule_ids)
    if auditors is not None:
        auditors.in_force = change
    return content, policy


def people_in(content: bytes) -> Mapping[str, Person]:
    """Return the people in a policy's bytes, which are right as `read_policy` read them."""
    file = TomlFile(content.decode("utf-8"), "policy")
    return read_people(file, file.data)


def officers_in(content: bytes) -> dict[str, str]:
    """Return the public keys of the officers in a policy's bytes, which are right as `read_policy` read them."""
    return dict(officers_of(people_in(content)))


def destinations_in(content: bytes) -> tuple[str, ...]:
    """Return the names of the destinations in a policy's bytes, which are right as `read_policy` read them."""
    return tuple(sorted(TomlFile(content.decode("utf-8"), "policy").data.get("destinations", {})))


class PolicyWatch(Service):
    """Looks at the file every `interval` seconds.

    Args:
        path: the policy file.
        content: its bytes when it was last read.
        interval: seconds between two looks.
        adopt: called with a new policy and its bytes; may refuse what this process cannot work by (ConfigurationError).
        failed: called with True when the file is wrong, with False when it is right again.
        unsigned: called once for each file that is refused because auditors have not signed it, with what is said.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        interval: float,
        *,
        adopt: Callable[[Policy, bytes], None],
        failed: Callable[[bool], None],
        unsigned: Callable[[str], None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._path, self._content, self._interval = path, content, interval
        self._adopt, self._failed, self._unsigned = adopt, failed, unsigned

    @Service.task
    async def _watch(self) -> None:
        refused: str | None = None
        while not self.should_stop:
            await self.sleep(self._interval)
            try:
                if self._path.read_bytes() == self._content and refused is None:
                    continue
                content, policy = read_policy(self._path)
                if content != self._content:
                    self._adopt(policy, content)
                    log.warning("Policy %s is in force", policy.version)
            except (ConfigurationError, OSError) as error:
                if str(error) != refused:
                    log.error("The new policy is refused, the old one stays in force: %s", error)
                    self._failed(True)  # noqa: FBT003 - a gauge is set
                    if isinstance(error, UnsignedPolicyError):
                        self._unsigned(str(error))
                refused = str(error)
                continue
            self._content, refused = content, None
            self._failed(False)  # noqa: FBT003 - a gauge is set
