"""The port for the country of an address: rules ask it, `agents.geo` answers from a file."""

from __future__ import annotations

from typing import Protocol


class GeoTable(Protocol):
    """An offline table from addresses to countries.

    It says where a registry or a vendor places a network, not where a person is: the weakest evidence there
    is. The same table gives the same answer for ever; another answer needs another `digest`.
    """

    @property
    def name(self) -> str:
        """What the table is, for people: its origin and version."""
        ...

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with the table's content; alerts carry it."""
        ...

    def country(self, ip: str) -> str | None:
        """Return the canonical country code of a v4 or v6 address in text; None where the table has none.

        Text that is no address gives None and never raises: it comes out of a record.
        """
        ...
