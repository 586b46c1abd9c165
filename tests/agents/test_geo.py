from __future__ import annotations

from pathlib import Path

import pytest

from agents.geo import MmdbGeo, PackagedGeo
from rules.geo import GeoTable
from rules.networks import NetworkMap, OriginKind
from schemas.countries import NAMES
from schemas.errors import ConfigurationError

METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"


def encoded(value: object) -> bytes:
    """Encode a value as the MaxMind DB format 2.0 does: only what these tests need."""
    match value:
        case str():
            raw = value.encode()
            return bytes([0x40 | len(raw)]) + raw
        case dict():
            return bytes([0xE0 | len(value)]) + b"".join(encoded(key) + encoded(item) for key, item in value.items())
        case list():
            return bytes([len(value), 4]) + b"".join(encoded(item) for item in value)
        case (int() as bits, int() as number):
            return {16: b"\xa2", 32: b"\xc4", 64: b"\x08\x02"}[bits] + number.to_bytes(bits // 8, "big")
    raise TypeError(value)


def mmdb(record: dict[str, object], *, ip_version: int = 4) -> bytes:
    """Return a database of one node: addresses whose first bit is 0 have the record, the others have none."""
    nodes = 1
    tree = (nodes + 16).to_bytes(3, "big") + nodes.to_bytes(3, "big")
    metadata = encoded(
        {
            "binary_format_major_version": (16, 2),
            "binary_format_minor_version": (16, 0),
            "build_epoch": (64, 1_790_000_000),
            "database_type": "Test-Country",
            "description": {"en": "test"},
            "ip_version": (16, ip_version),
            "languages": ["en"],
            "node_count": (32, nodes),
            "record_size": (16, 24),
        }
    )
    return tree + bytes(16) + encoded(record) + METADATA_MARKER + metadata


def written(path: Path, content: bytes) -> Path:
    file = path / "country.mmdb"
    file.write_bytes(content)
    return file


def test_the_packaged_table_places_registered_networks() -> None:
    geo: GeoTable = PackagedGeo()
    assert geo.country("193.0.6.139") == "NL"  # the RIPE NCC's own
    assert geo.country("2001:67c:2e8:22::c100:68b") == "NL"
    assert geo.country("202.112.0.1") == "CN"
    assert geo.country("::ffff:193.0.6.139") == "NL"
    assert geo.country("0:0:0:0:0:ffff:193.0.6.139") == "NL"


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "203.0.113.1", "2001:db8::1", "", "x", "::x", "fe80::1%eth0"])
def test_the_packaged_table_has_nothing_to_say_and_does_not_raise(ip: str) -> None:
    assert PackagedGeo().country(ip) is None


def test_the_packaged_table_names_only_countries() -> None:
    geo = PackagedGeo()
    found = {geo.country(f"{first}.{second}.1.1") for first in range(1, 224) for second in range(0, 256, 3)}
    assert found - {None} <= NAMES.keys()
    assert len(found) > 100


def test_the_packaged_table_says_which_it_is() -> None:
    one, other = PackagedGeo(), PackagedGeo()
    assert one.digest == other.digest
    assert len(one.digest) == 16
    int(one.digest, 16)
    assert one.name.startswith("iptocc 3.")


@pytest.mark.parametrize(
    "record", [{"country": {"iso_code": "IE"}}, {"country_code": "IE"}, {"country": "IE"}, {"country": "ie"}]
)
def test_an_operators_file_is_read_in_the_layouts_of_the_vendors(tmp_path: Path, record: dict[str, object]) -> None:
    geo: GeoTable = MmdbGeo(written(tmp_path, mmdb(record)))
    assert geo.country("1.2.3.4") == "IE"
    assert geo.country("::ffff:1.2.3.4") == "IE"
    assert geo.country("200.2.3.4") is None
    assert geo.country("2a00::1") is None
    assert geo.country("nonsense") is None
    assert "Test-Country (country.mmdb" in geo.name


@pytest.mark.parametrize("record", [{"country": {"iso_code": "EU"}}, {"country": "Ireland"}, {"city": "x"}])
def test_an_operators_file_without_a_country_for_the_address_gives_none(
    tmp_path: Path, record: dict[str, object]
) -> None:
    assert MmdbGeo(written(tmp_path, mmdb(record))).country("1.2.3.4") is None


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = MmdbGeo(written(tmp_path, mmdb({"country": "IE"}))).digest
    (tmp_path / "other").mkdir()
    second = MmdbGeo(written(tmp_path / "other", mmdb({"country": "DE"}))).digest
    assert first != second
    assert len(first) == 16


def test_a_file_that_is_not_there_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.mmdb: not readable .*allowed is a MaxMind DB file"):
        MmdbGeo(tmp_path / "absent.mmdb")


def test_a_directory_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not readable"):
        MmdbGeo(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database", METADATA_MARKER, mmdb({"country": "IE"})[:-20]])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"country\.mmdb: is no MaxMind DB .*allowed is"):
        MmdbGeo(written(tmp_path, content))


def test_a_network_map_asks_the_packaged_table() -> None:
    origin = NetworkMap.build([]).locate("193.0.6.139", PackagedGeo())
    assert (origin.country, origin.kind) == ("NL", OriginKind.REGISTERED)
