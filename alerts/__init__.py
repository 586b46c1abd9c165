"""Delivery: who is told of an alert, and how. Each kind of destination is a module of its own, registered here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alerts import alertmanager, bulk, file, hec, kafka, otlp, pagerduty, syslog, webhook
from alerts.destination import Kind

_REGISTERED: Final[tuple[Kind, ...]] = (
    alertmanager.KIND,
    pagerduty.KIND,
    webhook.KIND,
    webhook.EACH,
    *bulk.KINDS,
    hec.KIND,
    syslog.KIND,
    otlp.KIND,
    kafka.KIND,
    *file.KINDS,
)
"""`KIND` of each module of a destination, in the order of the reference."""

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _REGISTERED}
"""Every kind of destination, by the name that `kind = ` in the policy says."""
