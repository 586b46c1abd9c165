"""What a source is: bytes of another system in, accesses, dead letters and counted others out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from schemas.access import AccessEvent
from schemas.errors import BadRecordError


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of the policy file that maps a foreign name to ours. `match` is a glob (`*` any run, `?` one character).

    Matching is case-insensitive where `SourceMapping` says so (identities) and case-sensitive elsewhere (ARNs).
    """

    match: str
    to: str
    """What it maps to; `{1}`, `{2}` … stand for what the wildcards matched."""


class SourceMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy's word on foreign names, as sources need it. First match wins."""

    datasets: tuple[Pattern, ...] = ()
    """ARN (or `type:name` of another system) to dataset id; what no pattern matches keeps its ARN as its id."""
    employees: tuple[Pattern, ...] = ()
    """Foreign identity (an ARN, a user name, an e-mail address), lower-cased, to employee id."""
    workloads: tuple[Pattern, ...] = ()
    """Foreign identity, lower-cased, to a principal id of `directory.workloads`."""
    accounts: tuple[Pattern, ...] = ()
    """Account id to a site id or a country, for destinations; what none matches is outside, named as it is."""


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a message, in the order they stand there: exactly one of the three is set."""

    index: int
    event: AccessEvent | None = None
    bad: BadRecordError | None = None
    skipped: str | None = None
    """Why it is no data access: a word from the source's own closed list (a metric label)."""


class Source(Protocol):
    """Translates the messages of one system."""

    name: str

    def translate(self, raw: bytes | None, mapping: SourceMapping) -> Iterator[Translated]:
        """Yield what the message holds, record by record, at bounded memory.

        A message that cannot be read at all yields one `bad` with index 0 that stands for the whole. Never raises
        for bad input.
        """
        ...
