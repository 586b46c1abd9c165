"""One syslog message as RFC 5424 has it, no longer than its receiver takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import UnsetType

from schemas.alert import Alert, Severity
from schemas.fields import iso

FACILITY: Final = 13
"""Log audit (RFC 5424, table 1)."""

SEVERITY: Final[dict[Severity, int]] = {"informational": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
"""RFC 5424, table 2: informational, notice, warning, error, critical. The two above are for machines that fail."""

ENDED: Final = 5
"""Notice: an alert that is resolved or withdrawn wants nobody's hurry; its own severity stands in the parameters."""

APP: Final = "cloverwatch"
SD_NAME: Final = "cloverwatch"

HOST_MAX: Final = 255
PROCID_MAX: Final = 128
MSGID_MAX: Final = 32
"""Octets of the fields of the header (RFC 5424, section 6)."""

BOM: Final = b"\xef\xbb\xbf"
"""Says that the text is UTF-8 (RFC 5424, section 6.4)."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")
_SPECIAL: Final = re.compile(r'(["\\\]])')


class TooLongError(ValueError):
    """Header and identity of an alert alone are longer than the receiver takes."""


def message(
    alert: Alert,
    *,
    at: int,
    host: str,
    process: str,
    version: str,
    enterprise: int,
    room: int,
    body: Callable[[int], str],
) -> bytes:
    """Return the message about one revision of an alert.

    Args:
        alert: what it tells of.
        at: when the revision came to be, milliseconds since 1970.
        host: HOSTNAME.
        process: PROCID.
        version: of the program.
        enterprise: private enterprise number of the structured data's name.
        room: octets that the message may have at most.
        body: given the octets that are left, the text; what is longer still is cut between two characters.

    Raises:
        TooLongError: there is no room for what makes the alert recognisable.
    """
    severity = ENDED if alert.status in {"resolved", "withdrawn"} else SEVERITY[alert.severity]
    header = (
        f"<{FACILITY * 8 + severity}>1 {iso(at)} {printable(host, HOST_MAX)} {APP} "
        f"{printable(process, PROCID_MAX)} {printable(alert.rule_id, MSGID_MAX)} "
    ).encode()
    data = _data(alert, version, enterprise, (room - len(header)) // 2)
    left = room - len(header) - len(data) - 1 - len(BOM)
    if left < 0:
        raise TooLongError(f"its header and identity take {room - left} octets, and the receiver takes {room}")
    return b"%s%s %s%s" % (header, data, BOM, cut(one_line(body(left)), left).encode())


def _data(alert: Alert, version: str, enterprise: int, room: int) -> bytes:
    """Structured data: identity always, the rest as far as half of the message holds it."""
    name = f"{SD_NAME}@{enterprise}"
    pairs = [parameter(key, value) for key, value in _parameters(alert)]
    kept = pairs[:_NEEDED]
    size = len(name) + 2 + sum(len(each) for each in kept)
    for pair in pairs[_NEEDED:]:
        size += len(pair)
        if size > room:
            break
        kept.append(pair)
    own = element(name, kept)
    about = (("software", APP), ("swVersion", version), ("enterpriseId", str(enterprise)))
    origin = element("origin", [parameter(key, value) for key, value in about])
    return own + origin if len(own) + len(origin) <= room else own


_NEEDED: Final = 3
"""The first three parameters: which alert, in which revision, in which state."""


def _parameters(alert: Alert) -> Iterator[tuple[str, str]]:
    yield "alertId", alert.alert_id
    yield "revision", str(alert.revision)
    yield "status", alert.status
    yield "severity", alert.severity
    yield "rule", alert.rule_id
    yield "dedupKey", alert.dedup_key
    yield "detectedAt", iso(alert.detected_at)
    yield "occurredAt", iso(alert.occurred_at)
    for name, value in (
        ("person", alert.person),
        ("dataset", alert.dataset_id),
        ("action", alert.action),
        ("outcome", alert.outcome),
    ):
        if not isinstance(value, UnsetType):
            yield name, value
    if not isinstance(alert.place, UnsetType):
        yield "placeClass", alert.place.place_class
        if alert.place.country is not None:
            yield "country", alert.place.country
    if alert.test:
        yield "test", "true"


def element(name: str, parameters: Sequence[bytes]) -> bytes:
    """Return one SD-ELEMENT: `[name key="value" ...]` (RFC 5424, section 6.3)."""
    return b"[%s%s]" % (name.encode(), b"".join(parameters))


def parameter(key: str, value: str) -> bytes:
    """Return one SD-PARAM with the space before it."""
    return f' {key}="{sd_value(value)}"'.encode()


def sd_value(text: str) -> str:
    r"""Escape a PARAM-VALUE: `"`, `\` and `]` (RFC 5424, section 6.3.3); it has one line."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """Replace control characters by spaces, and what is no UTF-8 by `?`: many receivers write a message a line."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()


def printable(text: str, octets: int) -> str:
    """Return a field of the header: PRINTUSASCII, bounded; `-` for nothing."""
    return _UNPRINTABLE.sub("_", text)[:octets] or "-"


def cut(text: str, octets: int) -> str:
    """Return `text`, or its longest beginning that takes `octets` with an ellipsis behind it."""
    raw = text.encode()
    if len(raw) <= octets:
        return text
    end = "…".encode()
    if octets < len(end):
        return ""
    return raw[: octets - len(end)].decode("utf-8", "ignore") + "…"


def frame(text: bytes) -> bytes:
    """Return MSG-LEN SP SYSLOG-MSG: octet counting (RFC 5425, section 4.3)."""
    return b"%d %s" % (len(text), text)
