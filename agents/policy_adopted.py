"""What the topic `policy.changes` says was adopted: a process that starts asks it about the policy that it found.

The files beside a policy can all be put back together; the topic cannot, and the audit log has its hashes. What counts
there is what enough auditors signed, and of that what they signed last, wherever it stands in the topic: whoever may
write to it can put an old record behind a newer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agents.policy_auditors import Auditors, UnsignedPolicyError, required
from agents.settings import Settings
from agents.topic_reading import read_topic
from schemas.fields import iso
from schemas.gateway_topics import POLICY_CHANGES
from schemas.policy_change import PolicyChange, decode


async def check_adopted(settings: Settings) -> None:
    """Refuse the policy that this process read, where it is not the one that was adopted last.

    To be asked once at a start, before anything is judged; from then on each policy follows from the one before. Where
    no auditors are required nothing is asked. While the brokers do not answer the process does not start.

    Raises:
        UnsignedPolicyError: it is older than what was adopted, or was never adopted.
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    auditors = None if settings.policy is None else required(settings.policy)
    if auditors is None or auditors.in_force is None:
        return
    newest = newest_of(await adopted(settings), auditors)
    why = _older(auditors.in_force, newest, auditors)
    if why is not None:
        raise UnsignedPolicyError(f"policy: {auditors.path} ({auditors.in_force.sha256[:16]}) is refused: {why}")


async def adopted(settings: Settings) -> list[PolicyChange]:
    """Return the changes in the topic that were adopted, in its order; what is no change is passed over.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    found: list[PolicyChange] = []

    def take(record: Any) -> None:
        try:
            change = decode.decode(record.value or b"")
        except (msgspec.MsgspecError, ValueError):
            return  # signed by nobody: anybody who may write to the topic could stop every start with it
        if change.adopted_at:
            found.append(change)

    await read_topic(settings, POLICY_CHANGES, take)
    return found


def newest_of(changes: Sequence[PolicyChange], auditors: Auditors) -> PolicyChange | None:
    """Return what enough auditors signed last; None where they signed nothing of it."""
    signed = [each for each in changes if len(auditors.agreed(each)) >= auditors.needed]
    return max(signed, key=auditors.signed_at, default=None)


def _older(mine: PolicyChange, newest: PolicyChange | None, auditors: Auditors) -> str | None:
    """Return why a policy is not the one that was adopted last, and what is allowed; None where it is."""
    if newest is None:
        return (
            f"{POLICY_CHANGES} holds no adoption that the auditors signed, neither of it nor of another; allowed: a "
            "policy that `cloverwatch policy adopt` put in its place"
        )
    if newest.sha256 == mine.sha256:
        return None
    found, at = newest.sha256[:16], iso(auditors.signed_at(newest))
    return (
        f"{POLICY_CHANGES} says that {found} was adopted, signed at {at}, and this one was signed at "
        f"{iso(auditors.signed_at(mine))}; allowed: {found} (run `cloverwatch policy adopt` again where it was "
        "interrupted), or another that the auditors sign and that is adopted"
    )
