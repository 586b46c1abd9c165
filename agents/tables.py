"""The tables of law and of addresses that a process judges with: the user's, else the shipped ones."""

from __future__ import annotations

from agents.geo import MmdbGeo, PackagedGeo
from agents.settings import Settings
from rules.geo import GeoTable
from rules.jurisdictions import LegalTable, shipped
from schemas.errors import ConfigurationError


def legal_table(settings: Settings) -> LegalTable:
    """Return the law of places.

    Raises:
        ConfigurationError: the user's file cannot be read or is wrong.
    """
    if settings.legal_table is None:
        return shipped()
    try:
        text = settings.legal_table.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"legal_table: {settings.legal_table} cannot be read: {error}") from None
    return LegalTable.parse(text, settings.legal_table.name)


def geo_table(settings: Settings) -> GeoTable:
    """Return the table of addresses.

    Raises:
        ConfigurationError: the user's file cannot be read or is wrong.
    """
    return PackagedGeo() if settings.geo_mmdb is None else MmdbGeo(settings.geo_mmdb)
