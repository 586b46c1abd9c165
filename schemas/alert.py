"""An alert: what was found, on which facts, judged with what; readable by a person, recognisable by a machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.action import Handling
from schemas.fields import Id, OptionalId, OptionalTime, Time
from schemas.places import PlaceClass

Severity = Literal["informational", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("informational", "low", "medium", "high", "critical")
"""From least to most severe; OCSF's `severity_id` is the index plus one."""

Status = Literal["open", "amended", "resolved", "withdrawn"]
Basis = Literal["adequacy", "scc", "bcr", "art49", "not_a_transfer", "none_recorded"]


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's finding in an alert."""

    rule_id: Id
    rule_version: Annotated[int, Meta(ge=1)]
    severity: Severity
    sentence: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence of where somebody was, also where it was not the one believed."""

    kind: str
    """`device_claim device badge travel contract vpn source_ip`."""
    country: str | None
    """None where the source says nothing of a place (a provider's range, a malformed address)."""
    place_class: PlaceClass | None
    age_ms: int
    """From the time it became true to the time of the access; 0 for the event's own."""
    stood: Literal["believed", "agrees", "contradicts", "outranked", "expired", "says_nothing"]
    note: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data was reached from: a fact of place, not of law (see `Transfer`)."""

    country: str | None
    place_class: PlaceClass
    presumed: bool
    """True where only the contract says so."""
    evidence: tuple[Evidence, ...]


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """The legal classification, for the data protection officer: kept apart from `Place`."""

    importer: str | None
    """The separate legal entity whose employee reached the data, where there is one."""
    importer_country: str | None
    basis: Basis
    judged_on: str
    """The date of the legal table's rows that were used, RFC 3339 date."""
    regime: str
    note: str = ""


class EventRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which event it is about. Topic, partition and offset are provenance, never identity."""

    event_id: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    source: str | None = None
    """Where a translated record came from: `topic/partition/offset/index`, or a file and line."""


class JudgedWith(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict rests on, so that it can be computed again."""

    policy: str
    legal_table: str
    geo_table: str
    directories: str
    """Hash of the offsets (or files) to which the directories were known."""
    known: dict[str, str]
    """By directory topic: the offsets to which it was known, or the hash of the file."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `alerts`, keyed by `alert_id`; a new `revision` replaces the former."""

    alert_id: Id
    family: Id
    revision: Annotated[int, Meta(ge=0)] = 0
    status: Status = "open"
    cause: str = "found"
    """Why this revision exists."""
    rule_id: Id
    severity: Severity
    title: str
    explanation: str
    reasons: Annotated[tuple[Reason, ...], Meta(min_length=1)]
    occurred_at: Time
    detected_at: Time
    revised_at: OptionalTime = UNSET
    """When this revision came to be; absent where that is when it was detected."""
    event: EventRef | UnsetType = UNSET
    """Absent where the alert is not about one access."""
    person: OptionalId = UNSET
    """A pseudonym, `epoch:token`, unless the settings say `clear`."""
    person_before: OptionalId = UNSET
    """The same person's pseudonym of the former epoch, while a rotation overlaps."""
    principal_type: str = "employee"
    dataset_id: OptionalId = UNSET
    sensitivity: str | UnsetType = UNSET
    action: str | UnsetType = UNSET
    outcome: str | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    transfer: Transfer | UnsetType = UNSET
    facts: dict[str, Any]
    """Facts used that have no field of their own; plain JSON values."""
    judged_with: JudgedWith
    dedup_key: Id
    handled: Handling | UnsetType = UNSET
    """What people did with it."""
    test: bool = False
    """Sent by `cloverwatch deliver --test`: about nothing that happened."""
