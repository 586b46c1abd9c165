"""CEF: one line that every SIEM parses without a parser of its own.

Source: "ArcSight Common Event Format (CEF) Implementation Standard", version 25: header and extension escaping, the
extension dictionary and the lengths of its keys. Version 0 of the format, which all receivers know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import UnsetType

from alerts.formats.ocsf import revised_at
from schemas.alert import Alert, Severity

VENDOR: Final = "Cloverwatch"
PRODUCT: Final = "cloverwatch"

SEVERITY: Final[dict[Severity, int]] = {"informational": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
"""0 to 10. CEF names its ranges: Low 0-3, Medium 4-6, High 7-8, Very-High 9-10."""

NAME_MAX: Final = 512
"""Characters of `Name`."""

LENGTHS: Final = {
    "externalId": 256,
    "msg": 1023,
    "suser": 1023,
    "act": 63,
    "outcome": 63,
    "reason": 1023,
    "cat": 1023,
    "dvchost": 100,
    "cs1": 4000,
    "cs2": 4000,
    "cs3": 4000,
    "cs4": 4000,
    "cs5": 4000,
}
"""Characters of a value. The dictionary gives `externalId` 40, which holds every id that this program makes (32); a
longer one of another maker is kept whole, because an id that is cut is none."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


def event(alert: Alert, *, version: str, host: str, room: int | None = None) -> str:
    """Return an alert as one CEF line.

    Args:
        alert: what it tells of.
        version: of the program.
        host: the name of this machine, `dvchost`.
        room: octets of UTF-8 that the line may have; None for any number. `msg` is cut first, then values that are
            not needed to recognise the alert are left out, the last ones first. Header and `externalId` always stay, so
            a line may still be longer than a room that is too small for them.
    """
    header = "|".join(
        (
            "CEF:0",
            header_value(VENDOR),
            header_value(PRODUCT),
            header_value(version),
            header_value(alert.rule_id),
            header_value(alert.title[:NAME_MAX]),
            str(SEVERITY[alert.severity]),
            "",
        )
    )
    kept: list[str] = []
    left = None if room is None else room - _size(header)
    for key, value in _extension(alert, host):
        text = value[: LENGTHS.get(key, len(value))]
        pair = f"{' ' if kept else ''}{key}={extension_value(text)}"
        if left is not None and _size(pair) > left and key not in _NEEDED:
            if key == "msg":
                pair = _cut(text, f"{' ' if kept else ''}msg=", left)
            if _size(pair) > left or key != "msg":
                continue
        kept.append(pair)
        left = None if left is None else left - _size(pair)
    return header + "".join(kept)


_NEEDED: Final = ("externalId", "cn1", "cn1Label")
"""What makes it recognisable: which alert, in which revision."""


def _extension(alert: Alert, host: str) -> Iterator[tuple[str, str]]:
    """What stands behind the header: what is needed most comes first."""
    yield "externalId", alert.alert_id
    yield "cn1", str(alert.revision)
    yield "cn1Label", "revision"
    yield "rt", str(revised_at(alert))
    yield "start", str(alert.occurred_at)
    yield "cs1", alert.dedup_key
    yield "cs1Label", "dedupKey"
    yield "cs2", alert.status
    yield "cs2Label", "status"
    if (person := _set(alert.person)) is not None:
        yield "suser", person
    if (action := _set(alert.action)) is not None:
        yield "act", action
    if (outcome := _set(alert.outcome)) is not None:
        yield "outcome", outcome
    if (dataset := _set(alert.dataset_id)) is not None:
        yield "cs3", dataset
        yield "cs3Label", "dataset"
    if not isinstance(alert.place, UnsetType):
        if alert.place.country is not None:
            yield "cs4", alert.place.country
            yield "cs4Label", "country"
        yield "cs5", alert.place.place_class
        yield "cs5Label", "placeClass"
    yield "msg", alert.explanation
    yield "cat", alert.family
    yield "reason", alert.cause
    yield "dvchost", host


def header_value(text: str) -> str:
    r"""Escape a field of the header: `\` and `|`; it has one line."""
    return _encodable(_CONTROL.sub(" ", text)).replace("\\", "\\\\").replace("|", "\\|")


def extension_value(text: str) -> str:
    r"""Escape a value of the extension: `\`, `=`, and the ends of lines as `\n` and `\r`."""
    escaped = _encodable(_CONTROL_BUT_LINES.sub(" ", text)).replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


def _cut(text: str, before: str, room: int) -> str:
    """Return the longest beginning of `text` that fits with an ellipsis: cut before it is escaped, so never inside."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _size(before + extension_value(text[:middle] + "…")) <= room:
            low = middle
        else:
            high = middle - 1
    return before + extension_value(text[:low] + "…")


def _set(value: str | UnsetType) -> str | None:
    return None if isinstance(value, UnsetType) else value


def _encodable(text: str) -> str:
    """Lone surrogates are no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
