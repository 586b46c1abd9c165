"""Geographic tables: the one that is installed with the program, and an operator's own `.mmdb` file.

`PackagedGeo` reads the delegation statistics of the five regional registries, as the package `iptocc` carries
them: to which country a registry has given an address, not where it is used. A vendor's `.mmdb` is more exact
and is the operator's to obtain, under the vendor's terms (DB-IP Lite is CC BY 4.0; GeoLite2 asks for an
account).
"""

from __future__ import annotations

import hashlib
from importlib.metadata import files, version
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Final

import maxminddb
from iptocc import country_code

from schemas.countries import NAMES
from schemas.errors import ConfigurationError

PACKAGE: Final = "iptocc"
"""The distribution that carries the registries' table."""

MMDB_COUNTRY_PATHS: Final = (("country", "iso_code"), ("country_code",), ("country",))
"""Where vendors write the country: MaxMind and DB-IP; IPinfo Lite and ip-location-db; older IPinfo files."""

_MMDB_ALLOWED: Final = "a MaxMind DB file with countries, such as dbip-country-lite.mmdb or GeoLite2-Country.mmdb"

_DIGITS: Final = 16
"""Hexadecimal digits of a digest: 64 bits, enough to tell versions of one table apart."""


_MAPPED_BEGIN: Final = frozenset(":0")
"""How ::ffff:192.0.2.1 can begin, in any of its spellings; most addresses need not be parsed to see it."""


class PackagedGeo:
    """The registries' table of the installed package; its digest is that of the package's files."""

    def __init__(self) -> None:
        """Hash the installed package once: 2 MB, some milliseconds."""
        self._name = f"{PACKAGE} {version(PACKAGE)} (delegation statistics of the regional internet registries)"
        self._digest = _package_digest()

    @property
    def name(self) -> str:
        """The package and its version, which dates the table."""
        return self._name

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over the package's files, which differ between platforms."""
        return self._digest

    def country(self, ip: str) -> str | None:
        """Return the country to which the address was given; None where no registry says one."""
        code = country_code(_unmapped(ip))
        # "EU" and other codes of regions stand in the registries' data and are no country.
        return code if code in NAMES else None


class MmdbGeo:
    """An operator's `.mmdb` file, opened once and mapped into memory."""

    def __init__(self, path: Path) -> None:
        """Open the file and look whether it has countries.

        Raises:
            ConfigurationError: The file cannot be read or is no such database; names path and what is
            allowed.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"geo table {path}: not readable ({error.strerror}); allowed is {_MMDB_ALLOWED}"
            raise ConfigurationError(message) from error
        try:
            # Mapped, in C where that is built: replace the file by renaming another over it, never in place.
            self._reader = maxminddb.open_database(path)
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            message = f"geo table {path}: is no MaxMind DB ({error}); allowed is {_MMDB_ALLOWED}"
            raise ConfigurationError(message) from error
        metadata = self._reader.metadata()
        self._name = f"{metadata.database_type} ({path.name}, built at {metadata.build_epoch})"
        self._digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
        self._v4_only = metadata.ip_version == 4

    @property
    def name(self) -> str:
        """The database's own type, the file's name and when it was built (seconds since 1970)."""
        return self._name

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over the file's content."""
        return self._digest

    def country(self, ip: str) -> str | None:
        """Return the country in which the database places the address; None where it has none."""
        address = _unmapped(ip)
        if self._v4_only and ":" in address:
            return None
        try:
            record = self._reader.get(address)
        except (ValueError, TypeError):
            return None
        for path in MMDB_COUNTRY_PATHS:
            found: object = record
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
            if isinstance(found, str) and found.upper() in NAMES:
                return found.upper()
        return None


def _unmapped(ip: str) -> str:
    """Return an IPv4 address that is written as IPv6 as IPv4, anything else as it is."""
    if ":" not in ip or ip[0] not in _MAPPED_BEGIN:
        return ip
    try:
        mapped = IPv6Address(ip).ipv4_mapped
    except AddressValueError:
        return ip
    return ip if mapped is None else str(mapped)


def _package_digest() -> str:
    hashed = hashlib.sha256()
    for file in sorted(files(PACKAGE) or (), key=str):
        if file.parts[0] == PACKAGE and file.suffix != ".pyc":
            hashed.update(f"{file}\n".encode() + file.read_binary())
    return hashed.hexdigest()[:_DIGITS]
