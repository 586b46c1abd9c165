"""Options of a what-if, and the two worlds that they make: as it was, as it would be."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agents.geo import MmdbGeo
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from agents.where.options import country_of, day_of, pair_of, policy_of
from rules.catalogue import RULES
from rules.geo import GeoTable
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.where.assess import Assessor
from rules.where.law import annulled, regime_and_code
from rules.where.suppose import apart, inside_anyway, with_countries, with_site, with_site_moved
from schemas.countries import NAMES
from schemas.errors import ConfigurationError
from schemas.toml_file import nearest

OPTIONS = ("what_if_law", "what_if_policy", "annul", "add_country", "move_site")


@dataclass(frozen=True, slots=True)
class World:
    """What accesses are judged by."""

    policy: Policy
    legal: LegalTable
    knowledge: Knowledge
    geo: GeoTable

    def assessor(self) -> Assessor:
        """Return what assesses accesses there."""
        return Assessor(Judge(self.joiner(), RULES))

    def joiner(self) -> Joiner:
        """Return what joins accesses with the directories there."""
        return Joiner(self.policy, self.knowledge, self.legal, self.geo)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    group = parser.add_argument_group("what if", "the same accesses in another world, in place of the report")
    group.add_argument("--what-if-law", type=Path, metavar="FILE", help="another table of the law (CSV)")
    group.add_argument("--what-if-policy", type=Path, metavar="FILE", help="another policy (TOML)")
    group.add_argument(
        "--annul",
        action="append",
        default=[],
        metavar="[REGIME:]CC=DATE",
        help="an adequacy decision that ends on that day; the regime is EU unless named",
    )
    group.add_argument("--add-country", action="append", default=[], metavar="CC", help="a country in the perimeter")
    group.add_argument("--move-site", action="append", default=[], metavar="SITE=CC", help="a site in another country")
    group.add_argument("--list", type=int, metavar="N", help="how many accesses that change are listed (20)")


def asked(given: argparse.Namespace) -> bool:
    """Whether another world is asked for."""
    return any(getattr(given, name) for name in OPTIONS)


def this_world(policy: Policy, knowledge: Knowledge, settings: Settings, geo_mmdb: Path | None = None) -> World:
    """Return the world as it is.

    Raises:
        ConfigurationError: a table cannot be used.
    """
    geo = geo_table(settings) if geo_mmdb is None else MmdbGeo(geo_mmdb)
    return World(policy, legal_table(settings), knowledge, geo)


def other_world(
    world: World, given: argparse.Namespace, settings: Settings, span: tuple[int, int]
) -> tuple[World, tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the world that is asked for, in which words a report says so, and what it must add.

    Raises:
        ConfigurationError: it cannot be made; names the option, the value and what is allowed.
    """
    said: list[tuple[str, str]] = []
    policy, legal, knowledge = world.policy, world.legal, apart(world.knowledge)
    if given.what_if_policy is not None:
        policy = policy_of(given.what_if_policy, settings)[1]
        said.append(("what if policy", f"{policy.version} ({given.what_if_policy.name})"))
    if given.what_if_law is not None:
        legal = _law(given.what_if_law)
        said.append(("what if law", f"{legal.name}, {legal.digest}"))
    annulments = list(_annulments(given.annul, legal))
    for regime, code, at, text in annulments:
        legal = annulled(legal, regime, code, at)
        said.append(("what if annulled", text))
    if given.add_country:
        policy = with_countries(policy, tuple(given.add_country))
        said.append(("what if inside", ", ".join(given.add_country)))
    for text in given.move_site:
        site, code = pair_of("--move-site", text, "SITE=CC, such as dub-1=GB")
        code = country_of("--move-site", code)
        policy = with_site(policy, site, code)
        knowledge = with_site_moved(knowledge, site, code)
        said.append(("what if moved", f"{site} to {NAMES[code]}"))
    notes = tuple(
        f"{NAMES[code]} is inside the policy's perimeter: what the law says of it changes neither class nor basis."
        for _, code, at, _ in annulments
        if inside_anyway(legal, policy, code, max(at, span[0]))
    )
    return World(policy, legal, knowledge, world.geo), tuple(said), notes


def _annulments(texts: Iterable[str], legal: LegalTable) -> Iterable[tuple[str, str, int, str]]:
    for text in texts:
        name, date = pair_of("--annul", text, "[REGIME:]CC=DATE, such as US=2026-10-15 or UK:US=2026-10-15")
        regime, code = regime_and_code(name)
        if regime not in legal.regimes:
            raise ConfigurationError(f"--annul: regime {regime!r}; {nearest(regime, sorted(legal.regimes))}")
        yield regime, country_of("--annul", code), day_of("--annul", date), text


def _law(path: Path) -> LegalTable:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--what-if-law: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"--what-if-law: {path} is not UTF-8 at byte {error.start}") from None
    return LegalTable.parse(text, path.name)
