"""A source address is what it says exactly, in every way that logs write it, and never guessed at."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.sources.addresses import LONGEST, read_address
from tests.replay.slice import SETS, records


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7\n", "192.0.2.7"),
        ("192.0.2.7:443", "192.0.2.7"),
        ("[192.0.2.7]:443", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0::0:7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:65535", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
    ],
)
def test_addresses_are_taken_out_of_what_is_around_them(text: str, ip: str) -> None:
    assert read_address(text) == (ip, "address")


@pytest.mark.parametrize(
    "text",
    [
        "253.252.51.07",
        "075.050.255.67",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4:",
        "1.2.3.4:123456",
        "1.2.3.4:80:80",
        "[1.2.3.4",
        "[]:80",
        "2001:db8::7]:443",
        "2001:db8:::7",
        "redacted",
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "1.2.3.4, 5.6.7.8",
        "１.2.3.4",
        "0x7f.1",
        "amazonaws.com",
        "evil.amazonaws.com.example.org",
        "\0",
        "1.2.3.4\0",
        "x" * (LONGEST + 1),
        "9" * 1_000_000,
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_address_exactly_is_malformed(text: str) -> None:
    assert read_address(text) == (None, "malformed")


@pytest.mark.parametrize(
    "text",
    ["ec2.amazonaws.com", "S3.amazonaws.com.cn", "AWS Internal", "athena.eu-west-1.amazonaws.com", "x.aws.internal"],
)
def test_a_services_host_name_is_a_service(text: str) -> None:
    found = read_address(text)
    assert found.ip is None
    assert found.is_service


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_nothing_is_absent(text: str) -> None:
    assert read_address(text) == (None, "absent")


@settings(max_examples=50)
@given(st.ip_addresses(), st.integers(0, 65_535))
def test_any_address_with_any_port_is_itself(address: object, port: int) -> None:
    text = f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
    found = read_address(text).ip
    assert found is not None
    mapped = getattr(address, "ipv4_mapped", None)
    assert ip_address(found) == (mapped or address)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_is_none(text: str) -> None:
    found = read_address(text)
    assert (found.ip is not None) == (found.note == "address")
    if found.ip is not None:
        ip_address(found.ip)


def test_the_real_records_have_each_kind() -> None:
    notes = {
        text: read_address(text).note
        for name in SETS
        for record in records(name)
        if (text := record["sourceIPAddress"])
    }
    assert {"address", "service", "malformed"} <= set(notes.values())
    assert notes["253.252.51.07"] == "malformed"
    assert notes["AWS Internal"] == "service"
    assert notes["192.168.10.20"] == "address"
