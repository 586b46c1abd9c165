"""Another world to judge in: the law, the perimeter or a site's country as they are not. Nothing given is changed."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from msgspec.structs import replace as replaced

from rules.jurisdictions import LegalTable, Perimeter
from rules.knowledge import Knowledge, Person
from rules.policy import Policy
from rules.timeline import Timeline
from schemas.errors import ConfigurationError
from schemas.toml_file import nearest

VERSION_DIGITS: int = 16
"""Hex digits of a policy's version (`rules/policy.py`)."""


def with_countries(policy: Policy, codes: tuple[str, ...]) -> Policy:
    """Return the policy with more countries, or groups, in its perimeter.

    Raises:
        ConfigurationError: a code is neither; it says what is allowed.
    """
    try:
        more = Perimeter.of(codes)
    except ConfigurationError as error:
        raise ConfigurationError(f"--add-country: {error}") from None
    has = policy.perimeter
    perimeter = Perimeter(has.countries | more.countries, has.groups | more.groups)
    return replace(policy, perimeter=perimeter, version=_version(policy, "perimeter", *codes))


def with_site(policy: Policy, site: str, country: str) -> Policy:
    """Return the policy with a site in another country (a canonical code).

    Raises:
        ConfigurationError: the policy knows no such site; it names those that it does.
    """
    if site not in policy.sites:
        raise ConfigurationError(f"--move-site: {site!r} is no site of the policy; {nearest(site, list(policy.sites))}")
    sites = {**policy.sites, site: replaced(policy.sites[site], country=country)}
    return replace(policy, sites=sites, version=_version(policy, "site", site, country))


def apart(knowledge: Knowledge) -> Knowledge:
    """Return the same directories for another judge: people's histories are shared, what they mean is not."""
    other = Knowledge()
    other.datasets, other.subjects = knowledge.datasets, knowledge.subjects
    other.copies, other.rows = knowledge.copies, knowledge.rows
    for name, person in knowledge.people.items():
        twin = other.people[name] = Person()
        twin.employment, twin.locations, twin.roles = person.employment, person.locations, person.roles
        twin.duties, twin.workload = person.duties, person.workload
    return other


def with_site_moved(knowledge: Knowledge, site: str, country: str) -> Knowledge:
    """Return the directories with a site's datasets and copies in another country, at every time."""
    moved = apart(knowledge)
    moved.datasets = {
        name: Timeline(tuple(replaced(row, site_country=country) if row.site == site else row for row in has.rows))
        for name, has in knowledge.datasets.items()
    }
    moved.copies = {
        name: {
            copy: Timeline(tuple(replaced(row, site_country=country) if row.site == site else row for row in has.rows))
            for copy, has in copies.items()
        }
        for name, copies in knowledge.copies.items()
    }
    return moved


def inside_anyway(table: LegalTable, policy: Policy, code: str, at: int) -> bool:
    """Whether the policy's perimeter has a country inside, whatever the law says of it."""
    return code in table.expand(policy.perimeter, at)


def _version(policy: Policy, *words: str) -> str:
    return sha256("|".join((policy.version, *words)).encode()).hexdigest()[:VERSION_DIGITS]
