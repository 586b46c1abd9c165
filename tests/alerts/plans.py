"""Plans, kinds and alerts that tests of routing and grouping are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from alerts.destination import Context, Destination, Kind
from alerts.notice import Delivered, Notice, Outcome
from alerts.plan import DestinationPlan, Match, Plan, Route, Silence
from schemas.action import Handling
from schemas.alert import Alert, JudgedWith, Reason, Severity, Status


class PagerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the tests' own kinds."""

    url: str = "https://127.0.0.1/"
    size: int = 1


class Sink:
    """Takes everything."""

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        return [Delivered() for _ in notices]


def _make(config: Any, context: Context) -> Destination:
    return Sink()


def kind(name: str = "pager", *, grouped: bool = True, again: float | None = None) -> Kind:
    return Kind(
        name=name,
        title=name,
        config=PagerConfig,
        make=_make,
        grouped=grouped,
        again_every_s=again,
        promise="none",
        check=lambda config: "size: 13 brings bad luck" if config.size == 13 else None,
    )


KINDS = {each.name: each for each in (kind(), kind("siem", grouped=False), kind("board", again=60.0))}


def destination(name: str = "pager", of: Kind | None = None, **given: Any) -> DestinationPlan:
    fields: dict[str, Any] = {
        "name": name,
        "kind": of or kind(),
        "config": PagerConfig(),
        "names": "pseudonyms",
        "deadline": 60_000,
        "retry_for": 900_000,
        "group_by": ("dedup_key",),
        "group_wait": 0,
        "group_interval": 300_000,
        "rate_limit": None,
    }
    return DestinationPlan(**{**fields, **given})


def plan(*destinations: DestinationPlan, routes: tuple[Route, ...] = (), silences: tuple[Silence, ...] = ()) -> Plan:
    return Plan(
        version="0" * 16,
        destinations={each.name: each for each in destinations or (destination(),)},
        routes=routes,
        silences=silences,
        analysts={},
        auto_resolve_after=86_400_000,
    )


def silence(name: str = "s", since: int = 0, until: int = 1 << 50, to: tuple[str, ...] = (), **match: Any) -> Silence:
    return Silence(
        id=name, owner="dpo@clover.example", reason="a test", since=since, until=until, match=Match(**match), to=to
    )


def alert(
    name: str,
    revision: int = 0,
    *,
    key: str = "k",
    severity: Severity = "high",
    status: Status = "open",
    handled: Literal["none", "acknowledged", "closed"] = "none",
    rules: tuple[str, ...] = ("place.third_country",),
    at: int = 0,
    facts: dict[str, Any] | None = None,
    **given: Any,
) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": name,
        "family": "access",
        "revision": revision,
        "status": status,
        "rule_id": rules[0],
        "severity": severity,
        "title": f"alert {name}",
        "explanation": "because",
        "reasons": tuple(Reason(rule_id=rule, rule_version=1, severity=severity, sentence="so") for rule in rules),
        "occurred_at": at,
        "detected_at": at,
        "facts": facts or {},
        "judged_with": JudgedWith(policy="p", legal_table="l", geo_table="g", directories="d", known={}),
        "dedup_key": key,
    }
    if handled != "none":
        fields["handled"] = Handling(state=handled, by="ana", at=at)
    return Alert(**{**fields, **given})
