"""Where data lives, as tables: sites, datasets by place, what is outside, old sites, what lacks an owner or a place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rules.where.law import day
from rules.where.sheet import Cell, Report, Sheet, columns
from rules.where.survey import DATASET, Survey
from rules.where.words import CLASSES, or_unknown
from schemas.directory import Sensitivity
from schemas.places import PlaceClass

SENSITIVITIES: Final[tuple[Sensitivity, ...]] = ("restricted", "allowable", "pseudonymised", "public")

ABOUT: Final = (
    "The class of a place is that for data of the dataset's own regime; of a site, for that of the policy. Copies are "
    "those that the directory names: of what nobody enters, nobody can tell."
)

_DAY_MS: Final = 86_400_000


def report(survey: Survey, said: Iterable[tuple[str, str]] = ()) -> Report:
    """Return it as tables."""
    return Report(
        title="Where data lives",
        said=(("as of", _moment(survey.at)), *said),
        sheets=(
            _sites(survey),
            _places(survey),
            _outside(survey),
            _progress(survey),
            _left(survey),
            _lacking(survey),
            survey.law.sheet(),
        ),
        notes=(ABOUT,),
    )


def _sites(survey: Survey) -> Sheet:
    held = (*survey.datasets, *survey.copies)
    rows: list[tuple[Cell, ...]] = []
    names = sorted({*survey.sites, *(each.site for each in held if each.site)})
    for name in names:
        site = survey.sites.get(name)
        here = [each for each in held if each.site == name]
        countries = {site.country} if site else {each.country for each in here}
        country = countries.pop() if len(countries) == 1 else ""
        kinds = Counter(each.kind for each in here)
        rows.append(
            (
                name,
                or_unknown(country),
                CLASSES[survey.class_of(country, survey.regime)],
                "" if site is None or site.retires is None else site.retires.isoformat(),
                "yes" if site else "no",
                kinds[DATASET],
                sum(each.kind == DATASET and each.sensitivity == "restricted" for each in here),
                kinds["replica"],
                kinds["backup"],
                kinds["export"],
            )
        )
    return Sheet(
        name="sites",
        title="Sites",
        columns=columns(
            "site", "country", "class", "retires", "in the policy",
            numbers=("datasets", "restricted", "replicas", "backups", "exports"),
        ),
        rows=tuple(rows),
        note="Restricted: how many of the datasets are.",
    )  # fmt: skip


def _places(survey: Survey) -> Sheet:
    counts = Counter((each.country, each.place, each.site, each.sensitivity) for each in survey.datasets)
    places = sorted({key[:3] for key in counts}, key=lambda key: (-key[1].badness, key[0], key[2]))
    rows: list[tuple[Cell, ...]] = [
        (
            or_unknown(country),
            CLASSES[place],
            site,
            *(counts[country, place, site, level] for level in SENSITIVITIES),
            sum(counts[country, place, site, level] for level in SENSITIVITIES),
        )
        for country, place, site in places
    ]
    totals = [sum(each.sensitivity == level for each in survey.datasets) for level in SENSITIVITIES]
    return Sheet(
        name="datasets",
        title="Datasets by place and sensitivity",
        columns=columns("country", "class", "site", numbers=(*SENSITIVITIES, "datasets")),
        rows=tuple(rows),
        total=("total", "", "", *totals, len(survey.datasets)),
    )


def _outside(survey: Survey) -> Sheet:
    found = [each for each in (*survey.datasets, *survey.copies) if each.place is not PlaceClass.INSIDE]
    order = {level: at for at, level in enumerate(("", *SENSITIVITIES))}
    found.sort(key=lambda each: (order[each.sensitivity], -each.place.badness, each.dataset, each.copy))
    rows = tuple(
        (
            each.dataset,
            or_unknown(each.sensitivity),
            each.kind,
            each.copy,
            each.site or each.destination,
            or_unknown(each.country),
            CLASSES[each.place],
            each.purpose,
            day(each.since),
            each.moving_to,
            "" if each.moving_by is None else day(each.moving_by),
        )
        for each in found
    )
    return Sheet(
        name="outside",
        title="Datasets, copies, backups and exports outside the perimeter, or of unknown place",
        columns=columns(
            "dataset", "sensitivity", "kind", "copy", "site or holder", "country", "class", "purpose",
            "there since", "moving to", "moving by",
        ),
        rows=rows,
    )  # fmt: skip


def _progress(survey: Survey) -> Sheet:
    rows = [
        (
            move.site,
            "" if move.retires is None else day(move.retires - 1),
            move.ever,
            move.moved,
            len(move.left),
            sum(bool(each.moving_to) for each in move.left),
            len(move.late(survey.at)),
            100 * move.moved // move.ever if move.ever else 100,
        )
        for move in survey.moves
    ]
    return Sheet(
        name="migration",
        title="Old sites: how far they are emptied",
        columns=columns(
            "site", "retires", numbers=("ever there", "moved", "remaining", "planned", "late", "percent moved")
        ),
        rows=tuple(rows),
        note="Datasets and copies. Moved: elsewhere now, or destroyed. Planned: the row says where to. Late: to be "
        "gone by a day that is past. An old site is one that the policy retires, or that something is to leave.",
    )


def _left(survey: Survey) -> Sheet:
    rows = []
    for move in survey.moves:
        late = move.late(survey.at)
        for each in move.left:
            due = move.due(each)
            days = (survey.at - due) // _DAY_MS if due is not None and each in late else None
            by = "" if due is None else day(due if each.moving_by is not None else due - 1)
            place = each.dataset, each.kind, each.copy, or_unknown(each.sensitivity), each.moving_to or "not planned"
            rows.append((move.site, -1 if days is None else days, (*place, by), days))
    rows.sort(key=lambda row: (row[0], -row[1], row[2]))
    return Sheet(
        name="remaining",
        title="What is left at old sites",
        columns=columns("site", "dataset", "kind", "copy", "sensitivity", "moving to", "by", numbers=("days late",)),
        rows=tuple((site, *words, days) for site, _, words, days in rows),
    )


def _lacking(survey: Survey) -> Sheet:
    rows: list[tuple[Cell, ...]] = []
    for each in survey.datasets:
        lacks = []
        if not each.owner:
            lacks.append("owner")
        if not each.country:
            lacks.append("place" if not each.site else f"country of its site {each.site}, not in the policy")
        if lacks:
            rows.append((each.dataset, each.sensitivity, ", ".join(lacks)))
    known_ids = {each.dataset for each in survey.datasets}
    rows += [
        (each.dataset, "unknown", f"dataset of the copy {each.copy}")
        for each in survey.copies
        if each.dataset not in known_ids
    ]
    return Sheet(
        name="lacking",
        title="Datasets without an owner or a place",
        columns=columns("dataset", "sensitivity", "lacks"),
        rows=tuple(rows),
    )


def _moment(at: int) -> str:
    whole = datetime.fromtimestamp(at / 1000, UTC)
    return whole.strftime("%Y-%m-%d %H:%M UTC")
