"""What types cannot say of a `[gateway]`: names that are there, numbers in their bounds, nothing that means nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from rules.gateway.keys import CONTEXT, PARTS, TEXT, TEXTS, kind_of
from schemas.access import Action, PrincipalType
from schemas.fields import ID_MAX, TEXT_MAX
from schemas.toml_file import Path, TomlFile, duration, nearest, shown

if TYPE_CHECKING:
    from rules.gateway.section import Condition, Gateway, Obliging

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 60 * MINUTE

VALID_MAX: Final = DAY
"""Of `valid_for`: what holds for longer than a day is a role, and roles are in the directory."""

USES_MAX: Final = 1_000_000
"""Of `uses`: a million accesses under one decision are no longer decided upon."""

WAIT_MAX: Final = 10 * MINUTE
"""Of `wait`: accesses and decisions are kept in memory for so long, at thousands a second."""

GRANT_MAX: Final = 7 * DAY
"""Of `approvals.longest`: twelve hours as it ships; who needs what is closed for more than a week needs a role."""

GLASS_MAX: Final = DAY
"""Of `break_glass.longest`: an emergency that lasts a day has had the time to ask somebody."""

REVIEW_MAX: Final = 7 * DAY
"""Of `break_glass.review_within`: whoever reviews later no longer finds people who remember."""


def check_rules(file: TomlFile, path: Path, named: Iterable[str], rule_ids: frozenset[str]) -> None:
    """Refuse ids of rules that there are not."""
    for name in named:
        if name not in rule_ids:
            raise file.fail(path, f"{name!r} is no rule; {nearest(name, list(rule_ids))}")


def check_apart(file: TomlFile, path: Path, tolerates: Iterable[str], never: Collection[str]) -> None:
    """Refuse a rule that no approval overrides and that denies nobody."""
    for name in tolerates:
        if name in never:
            raise file.fail(
                path, f"{name!r} is also in gateway.approvals.never; allowed: rules that are not, or another `never`"
            )


def between(file: TomlFile, path: Path, value: int, least: int, most: int) -> int:
    """Return a whole number that lies in its bounds."""
    if not least <= value <= most:
        raise file.fail(path, f"{value}: allowed: {least} to {most}")
    return value


def length(file: TomlFile, path: Path, text: str, least: str, most: int) -> int:
    """Return a duration of at least `least`, as it is written, and at most so many milliseconds."""
    try:
        found = duration(text)
    except ValueError as error:
        raise file.fail(path, str(error)) from None
    if not duration(least) <= found <= most:
        written = f"{most // DAY}d" if most % DAY == 0 else f"{most // MINUTE}m"
        raise file.fail(path, f"{shown(text)}: allowed: {least} to {written}")
    return found


def check_types(
    file: TomlFile, path: Path, subjects: Mapping[str, str], resources: Collection[str], actions: Mapping[str, str]
) -> None:
    """Refuse names that would give another meaning to ours, and a gateway that nobody could ask about anything."""
    ours = get_args(PrincipalType)
    for name in subjects:
        if name in ours:
            raise file.fail((*path, "subject_types", name), f"{', '.join(ours)} stand for themselves; allowed: others")
        _named(file, (*path, "subject_types"), name)
    for name in actions:
        if name in get_args(Action):
            raise file.fail(
                (*path, "actions", name), f"{', '.join(get_args(Action))} stand for themselves; allowed: others"
            )
        _named(file, (*path, "actions"), name)
    if not resources:
        raise file.fail((*path, "resource_types"), "[]: allowed: at least one type of resource that is a dataset")
    for name in resources:
        _named(file, (*path, "resource_types"), name)


def check_gateway(file: TomlFile, path: Path, name: str, gateway: Gateway, sites: Collection[str]) -> None:
    """Refuse a gateway at no site of the policy, or with nothing behind it."""
    _named(file, path, name)
    if gateway.site and gateway.site not in sites:
        raise file.fail((*path, "site"), f"{gateway.site!r}: no such site; {nearest(gateway.site, list(sites))}")
    if not gateway.datasets or not all(gateway.datasets):
        raise file.fail(
            (*path, "datasets"), f"{shown(gateway.datasets)}: allowed: at least one pattern of dataset ids, none empty"
        )
    if not gateway.principals:
        raise file.fail((*path, "principals"), f"[]: allowed: at least one of {', '.join(get_args(PrincipalType))}")


def check_obligation(file: TomlFile, path: Path, given: Obliging) -> None:
    """Refuse an obligation that asks for nothing, or that lets no record through."""
    if given.row_limit is not None and given.row_limit < 1:
        raise file.fail((*path, "row_limit"), f"{given.row_limit}: allowed: 1 or more")
    if not (given.pseudonymised or given.ticket or given.row_limit is not None):
        raise file.fail(path, "asks for nothing; allowed: pseudonymised = true, row_limit, ticket = true, or several")


def check_condition(file: TomlFile, path: Path, given: Condition, before: Collection[str]) -> None:
    """Refuse a condition without a name or a sentence, one that is there twice, and what it cannot look at."""
    for key, text, most in (("name", given.name, ID_MAX), ("sentence", given.sentence, TEXT_MAX)):
        if not text.strip() or len(text) > most:
            raise file.fail((*path, key), f"{shown(text)}: allowed: 1 to {most} characters, not only blanks")
    if given.name in before:
        raise file.fail((*path, "name"), f"{given.name!r} is there twice; allowed: a name of its own")
    if not given.when and not given.unless:
        raise file.fail(path, "neither `when` nor `unless` names a property, so it would deny everything; allowed: one")
    for part, asked in (("when", given.when), ("unless", given.unless)):
        for key, value in asked.items():
            _check_compared(file, (*path, part, key), key, value)


def check_roles(file: TomlFile, path: Path, named: Collection[str], roles: Collection[str]) -> None:
    """Refuse break-glass for nobody, or for roles that the policy does not know."""
    if not named:
        raise file.fail(path, "[]: allowed: at least one role; without [gateway.break_glass] there is none")
    for name in named:
        if name not in roles:
            raise file.fail(path, f"{name!r}: no such role; {nearest(name, list(roles))}")


def _check_compared(file: TomlFile, path: Path, key: str, value: Any) -> None:
    part, _, name = key.partition(".")
    if part not in PARTS or not name:
        allowed = ", ".join(f"{each}.NAME" for each in PARTS)
        raise file.fail(path, f"{key!r}; allowed: {allowed}, in quotes")
    values = value if isinstance(value, list) else [value]
    kinds = {kind_of(one) for one in values}
    if not values or None in kinds:
        raise file.fail(path, f"{shown(value)}: allowed: a text, a number, true, false, or a list of these")
    if key in TEXTS and kinds != {TEXT}:
        of = "roles of the directory" if name == "role" else f"context.{', context.'.join(CONTEXT)}"
        raise file.fail(path, f"{shown(value)}: allowed: a text or a list of texts ({of})")


def _named(file: TomlFile, path: Path, name: str) -> None:
    if not name or len(name) > ID_MAX:
        raise file.fail(path, f"{shown(name)}: allowed: names of 1 to {ID_MAX} characters")
