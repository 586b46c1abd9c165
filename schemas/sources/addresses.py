"""Source addresses as logs write them: bare, with a port, in brackets, a service's name, or nonsense."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal, NamedTuple

Note = Literal["absent", "address", "service", "malformed"]

REMEMBERED_MAX: Final = 16_384
"""Addresses whose reading is remembered: the busy ones of a company; an entry is some 200 bytes."""

LONGEST: Final = 128
"""Characters of an address with brackets, zone and port, or of a service's name; a longer one is neither."""

_WITH_PORT: Final = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
_SERVICE: Final = re.compile(r"(?:[a-z0-9-]+\.)+(?:amazonaws\.com(?:\.cn)?|aws\.internal|amazon\.com)|aws internal")


class Source(NamedTuple):
    """What a source address says: a bare address where it is one, and what kind of text it was."""

    ip: str | None
    note: Note

    @property
    def is_service(self) -> bool:
        """Whether a service of the platform made the call."""
        return self.note == "service"


def read_address(text: str) -> Source:
    """Return what `text` says. An address that is not one exactly (`253.252.51.07`) is malformed, never guessed at.

    The v4 address inside `::ffff:1.2.3.4` is taken out; a v6 zone is dropped.
    """
    return _read(text) if len(text) <= LONGEST else Source(None, "malformed")


@lru_cache(maxsize=REMEMBERED_MAX)
def _read(text: str) -> Source:
    text = text.strip()
    if not text:
        return Source(None, "absent")
    found = _WITH_PORT.fullmatch(text)
    bare = (found.group(1) or found.group(2)) if found else text
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return Source(None, "service" if _SERVICE.fullmatch(text.lower()) else "malformed")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return Source(str(address.ipv4_mapped), "address")
    return Source(str(address), "address")
