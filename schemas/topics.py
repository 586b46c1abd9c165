"""Every topic: its key, its settings, who writes and who reads it, and whether it holds personal data."""

from __future__ import annotations

from typing import Final

from schemas.directory import ROWS
from schemas.gateway_topics import GATEWAY_TOPICS
from schemas.topic import DAY_MS, Topic

ACCESS_EVENTS: Final = "access.events"
RAW_CLOUDTRAIL: Final = "access.raw.cloudtrail"
RAW_OCSF: Final = "access.raw.ocsf"
ALERTS: Final = "alerts"
ALERTS_SHADOW: Final = "alerts.shadow"
DEAD_LETTERS: Final = "dead-letters"
STATE_HABITS: Final = "state.habits"
ACCESS_VISITS: Final = "access.visits"
REPORTS: Final = "monitor.reports"
STATE_PEERS: Final = "state.peers"
STATE_OVERSEER: Final = "state.overseer"
ACTIONS: Final = "alerts.actions"
RECEIPTS: Final = "alerts.receipts"
PARKED: Final = "alerts.parked"
REPLAYS: Final = "alerts.replays"
PRIVACY_KEYS: Final = "privacy.keys"
PRIVACY_IDENTITIES: Final = "privacy.identities"
PRIVACY_REQUESTS: Final = "privacy.requests"

DEFAULT_PARTITIONS: Final = 32
"""Partitions of `access.events`: the bound of scale-out, fixed when the topic is created."""

RAW_MAX_BYTES: Final = 8 * 1024 * 1024
"""A message of another system, many records in one (`records.md`)."""

HEADER_ROOM: Final = 64 * 1024
"""What a message may carry beside its value (key, headers, batch header)."""


def _directory(name: str, holds: str, personal: str) -> Topic:
    return Topic(
        name=name,
        key="id|kind|valid_from|recorded_at",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        writers="the company's directories; `cloverwatch send`",
        readers="every worker, whole",
        personal_data=personal,
        holds=holds,
    )


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(
        name=ACCESS_EVENTS,
        key="employee_id, or principal_id",
        partitions=None,
        cleanup="delete",
        retention_ms=30 * DAY_MS,
        writers="gateways, databases; cloverwatch for translated records",
        readers="the workers' group",
        personal_data="employees, addresses, pseudonymous tokens of data subjects",
        holds="one access to data a record",
    ),
    Topic(
        name=RAW_CLOUDTRAIL,
        key="any",
        partitions=None,
        cleanup="delete",
        retention_ms=7 * DAY_MS,
        max_message_bytes=RAW_MAX_BYTES + HEADER_ROOM,
        writers="whoever ships AWS CloudTrail",
        readers="the workers' group",
        personal_data="employees, addresses",
        holds="AWS CloudTrail as delivered",
    ),
    Topic(
        name=RAW_OCSF,
        key="any",
        partitions=None,
        cleanup="delete",
        retention_ms=7 * DAY_MS,
        max_message_bytes=RAW_MAX_BYTES + HEADER_ROOM,
        writers="whoever ships OCSF",
        readers="the workers' group",
        personal_data="employees, addresses",
        holds="OCSF 6005 Datastore Activity and 6003 API Activity",
    ),
    _directory("directory.employees", "employment: status, employer, team", "employees"),
    _directory("directory.locations", "evidence of where somebody was", "employees' whereabouts"),
    _directory("directory.roles", "roles held", "employees"),
    _directory("directory.datasets", "whose data, how sensitive, stored where", "owners"),
    _directory("directory.duties", "duties that explain unusual work", "employees"),
    _directory(
        "directory.subjects",
        "data subjects that are staff, watched or canaries",
        "pseudonymous tokens; of staff, which employee it is",
    ),
    _directory("directory.workloads", "roles that machines use, and from which networks", "owners"),
    _directory("directory.copies", "replicas, backups and exports of datasets, and where each is", "none"),
    Topic(
        name=ALERTS,
        key="alert_id; the partition is that of the dedup_key",
        partitions=None,
        cleanup="compact,delete",
        retention_ms=365 * DAY_MS,
        writers="the workers; the keeper of `cloverwatch deliver` (resolved, acknowledged, closed)",
        readers="`cloverwatch alerts`, delivery",
        personal_data="pseudonyms of employees, what they did and from which country",
        holds="alerts and their revisions",
    ),
    Topic(
        name=ALERTS_SHADOW,
        key="alert_id; the partition is that of the dedup_key",
        partitions=None,
        cleanup="compact,delete",
        retention_ms=30 * DAY_MS,
        writers="the workers",
        readers="`cloverwatch alerts --shadow`",
        personal_data="pseudonyms of employees, what they did and from which country",
        holds="what rules in shadow found, and its revisions",
    ),
    Topic(
        name=ACTIONS,
        key="alert_id; the partition is that of the alert's dedup_key",
        partitions=None,
        cleanup="delete",
        retention_ms=365 * DAY_MS,
        writers="`cloverwatch alerts ack|comment|close`",
        readers="the keeper of `cloverwatch deliver`",
        personal_data="analysts' names and comments",
        holds="what people do with alerts, signed",
    ),
    Topic(
        name=RECEIPTS,
        key="destination|alert_id; the partition is that of the dedup_key",
        partitions=None,
        cleanup="compact,delete",
        retention_ms=365 * DAY_MS,
        writers="`cloverwatch deliver`",
        readers="`cloverwatch deliver`, `cloverwatch receipts`",
        personal_data="none: ids of alerts, and what destinations answered",
        holds="where each alert went, and what the destination answered",
    ),
    Topic(
        name=PARKED,
        key="destination|alert_id|revision; the partition is that of the dedup_key",
        partitions=None,
        cleanup="compact",
        retention_ms=None,
        max_message_bytes=1024 * 1024 + HEADER_ROOM,
        writers="`cloverwatch deliver`",
        readers="`cloverwatch deliver --replay`",
        personal_data="as `alerts`",
        holds="alerts that a destination did not take; deleted when it has them",
    ),
    Topic(
        name=REPLAYS,
        key="destination",
        partitions=None,
        cleanup="delete",
        retention_ms=7 * DAY_MS,
        writers="`cloverwatch deliver --replay`",
        readers="`cloverwatch deliver`",
        personal_data="none",
        holds="requests to send a destination what is parked for it",
    ),
    Topic(
        name=PRIVACY_KEYS,
        key="keyed hash of the person",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        writers="the workers",
        readers="the workers; `cloverwatch privacy`",
        personal_data="employees, encrypted: a key for each person, which is destroyed on erasure",
        holds="the keys from which pseudonyms are made",
    ),
    Topic(
        name=PRIVACY_IDENTITIES,
        key="the pseudonym",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        writers="the workers",
        readers="`cloverwatch reveal`",
        personal_data="employees, sealed: two officers must act together to read it",
        holds="who a pseudonym stands for, sealed to officers' keys",
    ),
    Topic(
        name=PRIVACY_REQUESTS,
        key="request id",
        partitions=1,
        cleanup="delete",
        retention_ms=1096 * DAY_MS,
        writers="`cloverwatch reveal`, `cloverwatch person`, `cloverwatch privacy`",
        readers="`cloverwatch reveal`; whoever audits",
        personal_data="officers' and analysts' names, their reasons; pseudonyms",
        holds="who asked to see whom, why, who approved, what was opened",
    ),
    Topic(
        name=STATE_HABITS,
        key="bucket|term",
        partitions=None,
        cleanup="compact",
        retention_ms=None,
        max_message_bytes=RAW_MAX_BYTES,
        writers="the workers",
        readers="the workers, a partition by its owner",
        personal_data="how employees work: sums of days, hours, countries; no data subject in clear",
        holds="snapshots of people's habits, in buckets",
    ),
    Topic(
        name=ACCESS_VISITS,
        key="none; the partition is that of the data subject's hash",
        partitions=None,
        cleanup="delete",
        retention_ms=3 * DAY_MS,
        writers="the workers",
        readers="the workers' group",
        personal_data="employees, hashes of data subjects' tokens",
        holds="who looked up which data subject without a ticket, for `behaviour.split_people`",
    ),
    Topic(
        name=REPORTS,
        key="none",
        partitions=1,
        cleanup="delete",
        retention_ms=7 * DAY_MS,
        writers="the workers",
        readers="the workers' group: one of them is the overseer",
        personal_data="sums of employees' days under hashed ids",
        holds="how far workers are, which sources they heard, what people's days came to",
    ),
    Topic(
        name=STATE_OVERSEER,
        key="bucket|term",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        max_message_bytes=RAW_MAX_BYTES,
        writers="the worker that is the overseer",
        readers="the worker that becomes it",
        personal_data="sums of employees' days under hashed ids",
        holds="rhythms of sources, and people's days of which no version is made yet",
    ),
    Topic(
        name=STATE_PEERS,
        key="day|part",
        partitions=1,
        cleanup="compact,delete",
        retention_ms=40 * DAY_MS,
        max_message_bytes=RAW_MAX_BYTES,
        writers="the worker that is the overseer",
        readers="every worker, whole",
        personal_data="sums of employees' days under hashed ids",
        holds="what the days of people of one role and team came to: a version a day",
    ),
    *GATEWAY_TOPICS,
    Topic(
        name=DEAD_LETTERS,
        key="the message's own",
        partitions=1,
        cleanup="delete",
        retention_ms=30 * DAY_MS,
        max_message_bytes=RAW_MAX_BYTES + 2 * HEADER_ROOM,
        writers="the workers",
        readers="`cloverwatch dead-letters`",
        personal_data="whatever the bad record held",
        holds="records that could not be used, raw, with the reason in headers",
    ),
)

BY_NAME: Final = {topic.name: topic for topic in TOPICS}
DIRECTORY_TOPICS: Final = tuple(row.topic for row in ROWS)
RAW_TOPICS: Final = (RAW_CLOUDTRAIL, RAW_OCSF)
