"""What a source address says of a place: the policy's ranges, then shipped ones, then the geographic table.

Three layers, and the upper one always wins, since the policy knows the company's networks better than any
list:

1. the policy's entries: offices, VPN egress, the company's own addresses at a provider;
2. the shipped ranges of cloud and content providers (`provider_ranges.csv`);
3. address space that no registry gives to anybody: private, carrier-grade NAT, loopback, documentation, ...

Inside a layer the longest prefix wins. The policy's ranges, and all that lies below them, are each flattened into
disjoint intervals when they are built, so that a look-up is one parse and two bisections, however many ranges there
are; what lies below is the same for every policy and is built once.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from heapq import heappop, heappush
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from rules.geo import GeoTable
from schemas.countries import normalise
from schemas.errors import ConfigurationError
from schemas.sources.addresses import read_address


class RangeKind(StrEnum):
    """What a range is."""

    OFFICE = "office"
    VPN = "vpn"
    PROVIDER = "provider"
    PRIVATE = "private"
    CGNAT = "cgnat"
    LINK_LOCAL = "link_local"
    LOOPBACK = "loopback"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"


class OriginKind(StrEnum):
    """Why an address gave a country, or why it gave none."""

    OFFICE = "office"
    """A range of the policy's offices: the policy's country."""
    MAPPED_VPN = "mapped_vpn"
    """VPN egress that the policy maps to a country: that country."""
    MAPPED_PROVIDER = "mapped_provider"
    """A range at a provider that the policy maps to a country: that country."""
    VPN = "vpn"
    """VPN egress that is mapped to nothing: no country."""
    PROVIDER = "provider"
    """A cloud or content provider: no country."""
    PRIVATE = "private"
    CGNAT = "cgnat"
    LINK_LOCAL = "link_local"
    LOOPBACK = "loopback"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"
    REGISTERED = "registered"
    """An ordinary address: the country of the geographic table."""
    NONE = "none"
    """An ordinary address that the geographic table does not know, or no table at hand."""
    MALFORMED = "malformed"
    """Not an address."""


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """A range and what it means.

    `network` is in CIDR notation without host bits; `maps_to` is a country, or None where it says nothing.
    """

    network: str
    kind: RangeKind
    maps_to: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an address says of a place.

    `network` and `label` are those of the range that spoke, where one did.
    """

    country: str | None
    kind: OriginKind
    label: str = ""
    network: str | None = None


MAPPABLE: Final[dict[RangeKind, OriginKind]] = {
    RangeKind.OFFICE: OriginKind.OFFICE,
    RangeKind.VPN: OriginKind.MAPPED_VPN,
    RangeKind.PROVIDER: OriginKind.MAPPED_PROVIDER,
}
"""The kinds that may be mapped to a country, with what an address in them is then called."""

_MALFORMED: Final = Origin(None, OriginKind.MALFORMED)
_NONE: Final = Origin(None, OriginKind.NONE)

_V4_MAPPED_HIGH: Final = 0xFFFF
"""The upper 96 bits of an IPv4 address that is written as IPv6 (::ffff:a.b.c.d, RFC 4291)."""

_V4_BITS: Final = 32
_V6_BITS: Final = 128

_OCTET: Final = {str(value): value for value in range(256)}
"""The only spellings of a part of an IPv4 address: no leading zeros, no signs, no other scripts' digits."""

_TEXT_MAX: Final = 64
"""Longer text is no address: the longest form of IPv6 has 45 characters, and a zone of a link is short."""

SPECIAL: Final[tuple[NetworkEntry, ...]] = tuple(
    NetworkEntry(network, kind, None, label)
    for kind, label, networks in (
        (RangeKind.PRIVATE, "RFC 1918", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
        (RangeKind.PRIVATE, "RFC 4193", "fc00::/7"),
        (RangeKind.CGNAT, "RFC 6598", "100.64.0.0/10"),
        (RangeKind.LINK_LOCAL, "RFC 3927", "169.254.0.0/16"),
        (RangeKind.LINK_LOCAL, "RFC 4291", "fe80::/10"),
        (RangeKind.LOOPBACK, "RFC 1122", "127.0.0.0/8"),
        (RangeKind.LOOPBACK, "RFC 4291", "::1/128"),
        (RangeKind.DOCUMENTATION, "RFC 5737", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"),
        (RangeKind.DOCUMENTATION, "RFC 3849, RFC 9637", "2001:db8::/32 3fff::/20"),
        (RangeKind.RESERVED, "RFC 6890", "0.0.0.0/8 192.0.0.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"),
        # Everything outside 2000::/3 is not given out; translators hide the address behind them.
        (RangeKind.RESERVED, "not global unicast (RFC 4291)", "::/3 4000::/2 8000::/1"),
        (RangeKind.RESERVED, "RFC 4380, RFC 3056", "2001::/32 2002::/16"),
    )
    for network in networks.split()
)
"""Ranges of the registry of special-purpose addresses (RFC 6890): nobody's place."""


class NetworkMap:
    """Every range of the layers, flattened; `locate` answers for one address."""

    def __init__(self, policy: _Flat, below: _Flat) -> None:
        """Take what `build` has flattened."""
        self._policy = policy
        self._below = below

    @classmethod
    def build(cls, policy: Iterable[NetworkEntry], shipped: Iterable[NetworkEntry] = ()) -> NetworkMap:
        """Flatten the policy's entries over the shipped ones over the special ranges.

        Raises:
            ConfigurationError: An entry is no network, has host bits, maps to no country or should not map,
            or the
                policy gives one network two meanings. Names the entry and what is allowed.
        """
        return cls(_flat(()), _flat((SPECIAL, shipped))).under(policy)

    def under(self, policy: Iterable[NetworkEntry]) -> NetworkMap:
        """Return the same map with other entries of a policy over it.

        Raises:
            ConfigurationError: As `build`.
        """
        entries = list(policy)
        said: dict[IPv4Network | IPv6Network, NetworkEntry] = {}
        for entry in entries:
            network = _network(entry)
            other = said.setdefault(network, entry)
            if other != entry:
                message = (
                    f"networks: {entry.network} is both {_said(other)} and {_said(entry)}; "
                    "allowed is one meaning for a network"
                )
                raise ConfigurationError(message)
        return NetworkMap(_flat((entries,)), self._below)

    def locate(self, ip_text: str, geo: GeoTable | None) -> Origin:
        """Return what an address says of a place.

        Args:
            ip_text: IPv4 or IPv6 in text, IPv4 written as IPv6 included; anything else is `malformed`.
            geo: Asked only for addresses that no range speaks of; None leaves them without a country.
        """
        parsed = parse_address(ip_text)
        if parsed is None:
            return _MALFORMED
        bits, value = parsed
        origin = self._policy.find(bits, value) or self._below.find(bits, value)
        if origin is not None:
            return origin
        if geo is None:
            return _NONE
        country = geo.country(str(IPv4Address(value)) if bits == _V4_BITS and ":" in ip_text else ip_text)
        return _NONE if country is None else Origin(country, OriginKind.REGISTERED)


def parse_address(text: str) -> tuple[int, int] | None:
    """Return (32 or 128, the address as an integer), or None where the text is no address.

    A port and brackets are left out. An IPv4 address written as IPv6 is read as IPv4. A zone (`%eth0`) is dropped.
    Leading zeros in IPv4 are no address: programs disagree on whether they are octal.
    """
    if len(text) > _TEXT_MAX:
        return None
    try:
        if ":" not in text:
            first, second, third, fourth = text.split(".")
            return _V4_BITS, _OCTET[first] << 24 | _OCTET[second] << 16 | _OCTET[third] << 8 | _OCTET[fourth]
        value = int(IPv6Address(text))
    except (ValueError, KeyError):
        bare = read_address(text).ip
        return None if bare is None or bare == text else parse_address(bare)
    if value >> _V4_BITS == _V4_MAPPED_HIGH:
        return _V4_BITS, value & 0xFFFF_FFFF
    return _V6_BITS, value


def provider_entries(text: str, name: str) -> list[NetworkEntry]:
    """Read providers' ranges as `provider_ranges.csv` has them: provider,network; `#` begins a comment.

    Raises:
        ConfigurationError: Names the list, the line and what is allowed.
    """
    reader = csv.reader("" if line.startswith("#") else line for line in text.splitlines())
    entries: list[NetworkEntry] = []
    header_seen = False
    for values in reader:
        if not values:
            continue
        if not header_seen:
            if values != ["provider", "network"]:
                message = f"{name}, line {reader.line_num}: header {values!r}; allowed is provider,network"
                raise ConfigurationError(message)
            header_seen = True
            continue
        if len(values) != 2 or not values[0]:
            message = f"{name}, line {reader.line_num}: {values!r}; allowed is a provider and a network"
            raise ConfigurationError(message)
        entry = NetworkEntry(values[1], RangeKind.PROVIDER, None, values[0])
        try:
            _network(entry)
        except ConfigurationError as error:
            message = f"{name}, line {reader.line_num}: {error}"
            raise ConfigurationError(message) from error
        entries.append(entry)
    return entries


@cache
def shipped_providers() -> list[NetworkEntry]:
    """Return the providers' ranges that are packed with the program, read as a resource of the package."""
    text = files("rules").joinpath("provider_ranges.csv").read_text(encoding="utf-8")
    return provider_entries(text, "rules/provider_ranges.csv")


@cache
def shipped_map() -> NetworkMap:
    """Return the map of the shipped ranges without any policy's: what every policy is put over."""
    return NetworkMap.build((), shipped_providers())


@dataclass(frozen=True, slots=True)
class _Painted:
    """A range on the number line: [start, end), the higher rank covers the lower."""

    start: int
    end: int
    rank: tuple[int, int]
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Intervals:
    """`origins[i]` is what holds below `starts[i]` and from `starts[i - 1]` on; None says nothing."""

    starts: Sequence[int]
    origins: Sequence[Origin | None]


@dataclass(frozen=True, slots=True)
class _Flat:
    """The intervals of both families of addresses."""

    v4: _Intervals
    v6: _Intervals

    def find(self, bits: int, value: int) -> Origin | None:
        intervals = self.v4 if bits == _V4_BITS else self.v6
        return intervals.origins[bisect_right(intervals.starts, value)]


def _flat(layers: Iterable[Iterable[NetworkEntry]]) -> _Flat:
    """Flatten layers, the later over the earlier."""
    v4: list[_Painted] = []
    v6: list[_Painted] = []
    for layer, entries in enumerate(layers):
        for entry in entries:
            network = _network(entry)
            first, last = int(network.network_address), int(network.broadcast_address)
            painted = _Painted(first, last + 1, (layer, network.prefixlen), _origin(entry, network))
            (v4 if isinstance(network, IPv4Network) else v6).append(painted)
    return _Flat(_flatten(v4), _flatten(v6))


def _flatten(ranges: Iterable[_Painted]) -> _Intervals:
    """Cut overlapping ranges into disjoint intervals: a sweep, the open ranges in a heap by rank."""
    ordered = sorted(ranges, key=lambda painted: painted.start)
    cuts = sorted({painted.start for painted in ordered} | {painted.end for painted in ordered})
    starts: list[int] = []
    origins: list[Origin | None] = [None]
    heap: list[tuple[tuple[int, int], int]] = []
    following = 0
    for cut in cuts:
        while following < len(ordered) and ordered[following].start == cut:
            layer, length = ordered[following].rank
            # Of equal ranks the later entry wins; a heap gives the smallest first, hence the signs.
            heappush(heap, ((-layer, -length), -following))
            following += 1
        while heap and ordered[-heap[0][1]].end <= cut:
            heappop(heap)
        origin = ordered[-heap[0][1]].origin if heap else None
        if origin is not origins[-1]:
            starts.append(cut)
            origins.append(origin)
    return _Intervals(tuple(starts), tuple(origins))


def _network(entry: NetworkEntry) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry.network)
    except ValueError as error:
        message = f"networks: {error}; allowed is CIDR notation without host bits, such as 192.0.2.0/24"
        raise ConfigurationError(message) from error


def _said(entry: NetworkEntry) -> str:
    return f"{entry.kind} {entry.label!r}" + (f" in {entry.maps_to}" if entry.maps_to else "")


def _origin(entry: NetworkEntry, network: IPv4Network | IPv6Network) -> Origin:
    kind, label = entry.kind, entry.label
    if entry.maps_to is None:
        if kind is RangeKind.OFFICE:
            message = f"networks: {entry.network} ({label!r}) is an office without a country; allowed is a country"
            raise ConfigurationError(message)
        return Origin(None, OriginKind(kind.value), label, str(network))
    if kind not in MAPPABLE:
        message = (
            f"networks: {entry.network} ({label!r}) is {kind} and maps to {entry.maps_to!r}; "
            f"allowed with a country is one of: {', '.join(sorted(MAPPABLE))}"
        )
        raise ConfigurationError(message)
    try:
        country = normalise(entry.maps_to)
    except ValueError as error:
        message = f"networks: {entry.network} ({label!r}) maps to {entry.maps_to!r}: {error}"
        raise ConfigurationError(message) from error
    return Origin(country, MAPPABLE[kind], label, str(network))
