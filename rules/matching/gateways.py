"""The other way round: gateways whose decisions see no access, and gateways that are not heard any more.

Decisions are heard of all partitions, accesses by the last one of each gateway in each partition: both only as the
latest time of something, so it does not matter in which order, or how often, they are heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from rules.matching.kinds import NO_ACCESS, QUIET, Kind

UNUSED_LEAST: Final = 20
"""Allows without an access before it is told: whoever asks once and gives up is no gateway without a log."""


@dataclass(slots=True)
class _Heard:
    last: int = 0
    """Append time of the last decision."""
    allows: int = 0
    """Since the last access."""
    since: int = 0
    """Append time of the first of these allows."""
    accessed: int = 0
    """Append time of the last access under a decision of the gateway."""
    quiet: int | None = None
    """Since when it is quiet, where that was told."""
    unused: int | None = None
    """Since when no access was seen, where that was told."""


class State(NamedTuple):
    """What is to be told of a gateway."""

    kind: Kind
    gateway: str
    since: int
    sentence: str
    over: bool


class Gateways:
    """Watches the gateways of the policy."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}

    def decided(self, gateway: str, appended_at: int, *, allow: bool) -> None:
        """Hear of a decision."""
        heard = self._heard.setdefault(gateway, _Heard())
        heard.last = max(heard.last, appended_at)
        if allow and appended_at > heard.accessed:
            if not heard.allows:
                heard.since = appended_at
            heard.allows += 1

    def accessed(self, gateway: str, at: int) -> None:
        """Hear of an access under a decision of the gateway, appended then."""
        heard = self._heard.setdefault(gateway, _Heard())
        if at > heard.accessed:
            heard.accessed = at
            if at >= heard.since:
                heard.allows = 0

    def look(self, now: int, quiet_after: Mapping[str, int], wait: int) -> list[State]:
        """Return what is to be told now.

        Args:
            now: everything that was appended until then is heard, milliseconds.
            quiet_after: the policy's, by gateway.
            wait: the policy's.
        """
        told = []
        for gateway, after in quiet_after.items():
            heard = self._heard.get(gateway)
            if heard is None or not heard.last:
                continue  # never heard: nothing says that it is in use
            silent = now - heard.last >= after
            if silent and heard.quiet != heard.last:
                heard.quiet = heard.last
                told.append(State(QUIET, gateway, heard.last, "it has asked nothing since", over=False))
            elif heard.quiet is not None and not silent:
                told.append(State(QUIET, gateway, heard.quiet, "it asks again", over=True))
                heard.quiet = None
            unused = heard.allows >= UNUSED_LEAST and now - heard.since >= after + wait
            if unused and heard.unused is None:
                heard.unused = heard.since
                sentence = f"it let {heard.allows} requests through and no access under any of them was seen"
                told.append(State(NO_ACCESS, gateway, heard.since, sentence, over=False))
            elif heard.unused is not None and heard.accessed > heard.unused:
                told.append(State(NO_ACCESS, gateway, heard.unused, "accesses are seen again", over=True))
                heard.unused = None
        return told
