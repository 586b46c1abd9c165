"""From what a foreign record says to accesses: one for each pair of dataset and destination.

The first keeps the record's id, a further one adds `#` and 12 hex digits of a hash of dataset and destination, so that
neither order nor repetition changes ids.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import UNSET

from schemas.access import AccessEvent, Action, Outcome, PrincipalType
from schemas.errors import BadRecordError
from schemas.fields import ID_MAX
from schemas.sources._json import bounded, digest, refuse_unsound
from schemas.sources.matching import Matchers

CLIENT_MAX: Final = 128
"""Characters of a user agent that are kept: the tool and its version stand at its beginning."""

MAX_EVENTS: Final = 1000
"""Events of one record: the accounts that a snapshot may be shared with at once. More is no call of anybody."""

EVENT_ID_MAX: Final = ID_MAX // 2
"""Characters of a record's own id: what is added to it must fit behind. A longer one is no id of these systems."""

DENIED: Final = re.compile(
    r"access\s?denied|unauthorized|not\s?authorized|forbidden|accessdeniedexception|accountaccessdenied", re.IGNORECASE
)
"""Codes of a refusal: `AccessDenied`, `Client.UnauthorizedOperation`, `AccessDeniedException` and their kin."""


class Said(NamedTuple):
    """What one record says of one access. Strings are empty where it says nothing."""

    event_id: str
    at: int
    kind: PrincipalType
    person: str
    """The employee's id where `kind` is `employee`, else the principal's."""
    action: Action
    outcome: Outcome
    targets: list[tuple[str, ...]]
    """For each thing touched its names, the most specific first; what no pattern maps keeps the last."""
    to: list[str]
    """Destinations, as the policy calls them."""
    source_ip: str | None = None
    size: int | None = None
    session: str = ""
    behind: str = ""
    """The account used on an employee's behalf."""
    client: str = ""
    records: int | None = None
    """How many things there were, where that is not the number of those named."""
    device_country: str = ""


def events_of(said: Said, maps: Matchers) -> list[AccessEvent]:
    """Return the accesses of a record, at least one.

    Raises:
        BadRecordError: `too_large` (more pairs than `MAX_EVENTS`), `nul_byte`, `not_utf8`.
    """
    datasets: dict[str, int] = {}
    for names in said.targets:
        dataset = bounded(next(filter(None, map(maps.datasets.find, names)), names[-1]))
        datasets[dataset] = datasets.get(dataset, 0) + 1
    pairs = [(dataset, place) for dataset in datasets for place in said.to or [""]]
    if len(pairs) > MAX_EVENTS:
        raise BadRecordError("too_large", f"more than {MAX_EVENTS} datasets and destinations in one record")
    person, client = bounded(said.person), said.client[:CLIENT_MAX]
    refuse_unsound(said.event_id, person, client, said.session, said.behind, *datasets, *said.to)
    return [
        AccessEvent(
            event_id=said.event_id if at_pair == 0 else f"{said.event_id}#{_pair_digest(dataset, place)}",
            occurred_at=said.at,
            employee_id=person if said.kind == "employee" else UNSET,
            principal_type=UNSET if said.kind == "employee" else said.kind,
            principal_id=UNSET if said.kind == "employee" else person,
            dataset_id=dataset,
            action=said.action,
            outcome=said.outcome,
            source_ip=said.source_ip or UNSET,
            device_country=said.device_country or UNSET,
            record_count=count if (count := said.records or datasets[dataset]) > 1 else UNSET,
            bytes=UNSET if said.size is None else said.size,
            destination=place or UNSET,
            session_id=bounded(said.session) if said.session else UNSET,
            service_account=bounded(said.behind) if said.behind else UNSET,
            client=client or UNSET,
        )
        for at_pair, (dataset, place) in enumerate(pairs)
    ]


def destination(name: str, maps: Matchers) -> str:
    """Return what an account, or a word that stands for one (`public`, `canonical:…`), is called as a destination."""
    return bounded(maps.accounts.find(name) or (f"aws:{name}" if name.isdigit() else name))


def _pair_digest(dataset: str, place: str) -> str:
    return digest(f"{dataset}\n{place}")[:12]
