from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.networks import (
    SPECIAL,
    NetworkEntry,
    NetworkMap,
    Origin,
    OriginKind,
    RangeKind,
    parse_address,
    provider_entries,
    shipped_providers,
)
from schemas.errors import ConfigurationError


class FakeGeo:
    """Knows a few addresses."""

    name = "fake"
    digest = "0" * 16

    def __init__(self, **countries: str) -> None:
        self.asked: list[str] = []
        self._countries = {key.replace("_", "."): country for key, country in countries.items()}

    def country(self, ip: str) -> str | None:
        self.asked.append(ip)
        return self._countries.get(ip.removeprefix("ip."), self._countries.get(f"ip.{ip}"))


POLICY = [
    NetworkEntry("10.1.0.0/16", RangeKind.OFFICE, "IE", "Dublin"),
    NetworkEntry("10.1.7.0/24", RangeKind.VPN, None, "lab VPN"),
    NetworkEntry("198.18.5.0/24", RangeKind.VPN, "uk", "London egress"),
    NetworkEntry("9.9.9.0/24", RangeKind.VPN, None, "worldwide egress"),
    NetworkEntry("52.94.0.0/16", RangeKind.PROVIDER, "DE", "our NAT gateways"),
    NetworkEntry("2a10:1::/32", RangeKind.OFFICE, "NL", "Amsterdam"),
]
SHIPPED = [
    NetworkEntry("52.94.76.0/22", RangeKind.PROVIDER, None, "aws"),
    NetworkEntry("34.0.0.0/8", RangeKind.PROVIDER),
]
MAP = NetworkMap.build(POLICY, SHIPPED)


@pytest.mark.parametrize(
    ("ip", "kind", "country", "label"),
    [
        ("10.1.0.0", OriginKind.OFFICE, "IE", "Dublin"),
        ("10.1.255.255", OriginKind.OFFICE, "IE", "Dublin"),
        ("10.0.255.255", OriginKind.PRIVATE, None, "RFC 1918"),
        ("10.2.0.0", OriginKind.PRIVATE, None, "RFC 1918"),
        ("10.1.7.1", OriginKind.VPN, None, "lab VPN"),
        ("198.18.5.9", OriginKind.MAPPED_VPN, "GB", "London egress"),
        ("198.18.6.9", OriginKind.RESERVED, None, "RFC 6890"),
        ("9.9.9.9", OriginKind.VPN, None, "worldwide egress"),
        ("34.1.2.3", OriginKind.PROVIDER, None, ""),
        ("2a10:1::5", OriginKind.OFFICE, "NL", "Amsterdam"),
        ("::ffff:10.1.2.3", OriginKind.OFFICE, "IE", "Dublin"),
        ("172.31.255.255", OriginKind.PRIVATE, None, "RFC 1918"),
        ("172.32.0.0", OriginKind.NONE, None, ""),
        ("192.168.1.1", OriginKind.PRIVATE, None, "RFC 1918"),
        ("100.64.0.1", OriginKind.CGNAT, None, "RFC 6598"),
        ("100.128.0.0", OriginKind.NONE, None, ""),
        ("169.254.1.1", OriginKind.LINK_LOCAL, None, "RFC 3927"),
        ("fe80::1%eth0", OriginKind.LINK_LOCAL, None, "RFC 4291"),
        ("127.0.0.1", OriginKind.LOOPBACK, None, "RFC 1122"),
        ("::1", OriginKind.LOOPBACK, None, "RFC 4291"),
        ("203.0.113.7", OriginKind.DOCUMENTATION, None, "RFC 5737"),
        ("2001:db8::7", OriginKind.DOCUMENTATION, None, "RFC 3849, RFC 9637"),
        ("fd00::1", OriginKind.PRIVATE, None, "RFC 4193"),
        ("255.255.255.255", OriginKind.RESERVED, None, "RFC 6890"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            OriginKind.RESERVED,
            None,
            "not global unicast (RFC 4291)",
        ),
        ("64:ff9b::8.8.8.8", OriginKind.RESERVED, None, "not global unicast (RFC 4291)"),
        ("2002:808:808::1", OriginKind.RESERVED, None, "RFC 4380, RFC 3056"),
    ],
)
def test_a_range_says_what_the_policy_maps_it_to_else_nothing(
    ip: str, kind: OriginKind, country: str | None, label: str
) -> None:
    origin = MAP.locate(ip, None)
    assert (origin.kind, origin.country, origin.label) == (kind, country, label)


def test_the_policy_wins_over_a_longer_shipped_prefix() -> None:
    origin = MAP.locate("52.94.76.1", None)
    assert origin == Origin("DE", OriginKind.MAPPED_PROVIDER, "our NAT gateways", "52.94.0.0/16")


def test_only_an_ordinary_address_asks_the_geographic_table() -> None:
    geo = FakeGeo(ip_193_0_6_139="NL")
    assert MAP.locate("193.0.6.139", geo) == Origin("NL", OriginKind.REGISTERED)
    assert MAP.locate("::ffff:193.0.6.139", geo) == Origin("NL", OriginKind.REGISTERED)
    assert MAP.locate("193.0.6.140", geo) == Origin(None, OriginKind.NONE)
    asked = list(geo.asked)
    for ip in ("10.1.2.3", "9.9.9.9", "34.1.1.1", "127.0.0.1", "nonsense"):
        MAP.locate(ip, geo)
    assert geo.asked == asked == ["193.0.6.139", "193.0.6.139", "193.0.6.140"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4/24",
        "::g",
        "1::2::3",
        ":" * 70,
        "1.2.3.٤",
        "1" * 1000,
    ],
)
def test_what_is_no_address_is_malformed_and_never_raises(text: str) -> None:
    assert MAP.locate(text, FakeGeo()).kind is OriginKind.MALFORMED


@given(st.text(max_size=80))
def test_no_text_raises(text: str) -> None:
    assert isinstance(MAP.locate(text, None), Origin)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_parsing_agrees_with_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    parsed = parse_address(str(address))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    expected = mapped or address
    assert parsed == (expected.max_prefixlen, int(expected))


@given(st.text(alphabet="0123456789.", max_size=16))
def test_nearly_addresses_are_read_as_the_standard_library_reads_them(text: str) -> None:
    try:
        expected = (32, int(IPv4Address(text)))
    except ValueError:
        assert parse_address(text) is None
    else:
        assert parse_address(text) == expected


def small_networks(octet: int) -> st.SearchStrategy[str]:
    """Networks inside one /24, so that they nest and touch often."""
    return st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
        lambda drawn: str(ip_network(f"50.0.{octet}.{drawn[0]}/{drawn[1]}", strict=False))
    )


@settings(max_examples=80)
@given(
    st.lists(small_networks(0), max_size=8, unique=True),
    st.lists(small_networks(0), max_size=8, unique=True),
    st.lists(st.integers(0, 255), min_size=1, max_size=40),
)
def test_the_longest_prefix_of_the_highest_layer_wins(policy: list[str], shipped: list[str], hosts: list[int]) -> None:
    built = NetworkMap.build(
        [NetworkEntry(network, RangeKind.VPN, "IE", network) for network in policy],
        [NetworkEntry(network, RangeKind.PROVIDER, None, network) for network in shipped],
    )
    for host in hosts:
        address = ip_address(f"50.0.0.{host}")
        expected = None
        for layer in (shipped, policy):
            holding = [network for network in layer if address in ip_network(network)]
            if holding:
                expected = max(holding, key=lambda network: ip_network(network).prefixlen)
        assert built.locate(str(address), None).network == expected


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (NetworkEntry("10.0.0.1/8", RangeKind.OFFICE, "IE"), "host bits"),
        (NetworkEntry("nonsense", RangeKind.VPN), "CIDR notation"),
        (
            NetworkEntry("10.0.0.0/8", RangeKind.OFFICE, None, "HQ"),
            "'HQ'.*is an office without a country; allowed is a country",
        ),
        (NetworkEntry("10.0.0.0/8", RangeKind.OFFICE, "ZZ", "HQ"), "maps to 'ZZ'.*ISO 3166-1"),
        (NetworkEntry("10.0.0.0/8", RangeKind.PRIVATE, "IE"), "is private.*office, provider, vpn"),
    ],
)
def test_a_policy_that_means_nothing_is_refused(entry: NetworkEntry, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        NetworkMap.build([entry])


def test_one_network_has_one_meaning() -> None:
    first = NetworkEntry("10.0.0.0/8", RangeKind.OFFICE, "IE", "Dublin")
    NetworkMap.build([first, first])
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.0/8 is both office 'Dublin' in IE and vpn 'x'"):
        NetworkMap.build([first, NetworkEntry("10.0.0.0/8", RangeKind.VPN, None, "x")])


def test_the_shipped_ranges_know_the_large_providers() -> None:
    entries = shipped_providers()
    built = NetworkMap.build([], entries)
    for ip, provider in [
        ("52.94.76.1", "aws"),
        ("2a05:d018::1", "aws"),
        ("20.50.1.1", "azure"),
        ("2603:1020:200::1", "azure"),
        ("34.78.1.1", "gcp"),
        ("104.16.1.1", "cloudflare"),
        ("2606:4700::1", "cloudflare"),
        ("138.68.1.1", "digitalocean"),
        ("129.151.200.1", "oracle"),
    ]:
        origin = built.locate(ip, FakeGeo())
        assert (origin.kind, origin.label, origin.country) == (OriginKind.PROVIDER, provider, None), ip
    assert {entry.label for entry in entries} == {
        "aws",
        "azure",
        "cloudflare",
        "digitalocean",
        "gcp",
        "oracle",
    }


def test_the_shipped_ranges_do_not_reach_into_special_space_or_each_repeat() -> None:
    networks = [ip_network(entry.network) for entry in shipped_providers()]
    assert len(set(networks)) == len(networks)
    special = [ip_network(entry.network) for entry in SPECIAL]
    assert not any(
        network.version == other.version and network.overlaps(other) for network in networks for other in special
    )
    assert min(network.prefixlen for network in networks if network.version == 4) >= 10
    assert min(network.prefixlen for network in networks if network.version == 6) >= 24


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network,provider\n", "line 1.*provider,network"),
        ("provider,network\naws\n", "line 2.*a provider and a network"),
        ("# c\nprovider,network\naws,1.2.3.4/8\n", "line 3.*host bits"),
    ],
)
def test_a_bad_list_of_providers_names_the_line(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"mine.csv, {said}"):
        provider_entries(text, "mine.csv")
