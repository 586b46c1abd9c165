"""Where the organisation's data lives besides: an old site that is emptied, backups, replicas, a few copies too far.

Nothing here changes what an access means: every dataset stays inside the perimeter, and no rule reads copies. Its
randomness is its own, so that the month is the same with it and without.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from demo.organisation import DAY, Dataset, Organisation

OLD_SITE: Final = ("ams-0", "NL")
"""What is emptied; the demo's policy says until when."""

MOVED_SHARE: Final = 0.4
"""Of the datasets: how many were there once."""

STILL_THERE: Final = 4
"""Datasets that have not left yet: two in time, one late, one of which nobody planned anything."""

OWNERLESS: Final = "ch-videos-pseudo"

_OTHER: Final = {"dub-1": ("dub-2", "IE"), "dub-2": ("osl-1", "NO"), "osl-1": ("dub-1", "IE")}
"""Where the backup of what is at a site is kept."""

_ASTRAY: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("backup", "tape-2024", {"site": "sin-1", "purpose": "disaster recovery", "moving_to": "osl-1"}),
    ("replica", "edge-us", {"site_country": "US", "purpose": "latency"}),
    ("export", "churn-study", {"destination": "aws:111122223333", "purpose": "study"}),
    ("export", "court-order-17", {"destination": "counsel.example", "site_country": "JP", "purpose": "legal hold"}),
)
"""Copies outside the perimeter, or nobody knows where: kind, id, and where."""


def house(org: Organisation, seed: int) -> None:
    """Rewrite where datasets were before, and add their copies; `settle` has written their rows."""
    random = Random(f"housing {seed}")
    rows = org.rows["directory.datasets"]
    first = {row["dataset_id"]: row for row in rows if row["valid_from"] == org.start - 700 * DAY}
    datasets = [dataset for dataset in org.datasets if dataset.id in first]
    random.shuffle(datasets)
    former = datasets[: int(MOVED_SHARE * len(datasets))]
    for number, dataset in enumerate(former):
        _was_elsewhere(org, random, dataset, first[dataset.id], number)
    for row in rows:
        if row["dataset_id"] == OWNERLESS:
            del row["owner"]
    for dataset in sorted(datasets, key=lambda each: each.id):
        _copied(org, random, dataset)
    restricted = sorted(each.id for each in datasets if each.sensitivity == "restricted")
    for (kind, name, where), dataset_id in zip(_ASTRAY, restricted, strict=False):
        planned = {"moving_by": org.start + 10 * DAY} if "moving_to" in where else {}
        org.add(
            "directory.copies",
            dataset_id=dataset_id,
            copy_id=name,
            copy_kind=kind,
            **where,
            **planned,
            valid_from=org.start - random.randrange(60, 300) * DAY,
        )


def _was_elsewhere(org: Organisation, random: Random, dataset: Dataset, row: dict[str, Any], number: int) -> None:
    """Put a dataset's first version at the old site, and the one of today behind it where it has moved."""
    now = dict(row)
    row["site"], row["site_country"] = OLD_SITE
    plan = {"moving_to": dataset.site, "moving_by": org.start + (45 if number else 5) * DAY}
    if number == STILL_THERE - 1:
        return
    if number < STILL_THERE:
        since = org.start - 30 * DAY
        org.add("directory.datasets", **{**row, **plan, "valid_from": since, "recorded_at": since})
        return
    since = org.start - random.randrange(5, 300) * DAY
    org.add("directory.datasets", **{**now, "valid_from": since, "recorded_at": since})


def _copied(org: Organisation, random: Random, dataset: Dataset) -> None:
    """Write a dataset's backup, and of what is sensitive a replica; one in five backups was at the old site once."""
    site, country = _OTHER[dataset.site]
    backup = {"dataset_id": dataset.id, "copy_id": "nightly", "copy_kind": "backup", "purpose": "disaster recovery"}
    here = {"site": site, "site_country": country}
    since = org.start - 600 * DAY
    if random.random() < 0.2:
        old_site, old_country = OLD_SITE
        org.add("directory.copies", **backup, site=old_site, site_country=old_country, valid_from=since)
        since = org.start - random.randrange(5, 200) * DAY
    org.add("directory.copies", **backup, **here, valid_from=since)
    if dataset.sensitivity in {"restricted", "allowable"}:
        replica = {"dataset_id": dataset.id, "copy_id": "standby", "copy_kind": "replica", "purpose": "availability"}
        org.add("directory.copies", **replica, **here, valid_from=org.start - 500 * DAY)
