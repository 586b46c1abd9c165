"""Accesses, exports and approvals by country, basis and dataset for a range of dates; the same in another world."""

import argparse
from pathlib import Path

from agents.cli.reading import NATIVE
from agents.settings import Settings
from schemas.errors import ConfigurationError
from schemas.toml_file import nearest

NAME = "transfers"
EXAMPLES = """\
examples:
  cloverwatch transfers --from 2026-10-01 --to 2026-10-31 --policy policy.toml --directory people/ events.jsonl.gz
  cloverwatch transfers --from 2026-10-01 --to 2026-10-31 --by country,basis --format csv > october.csv
  cloverwatch transfers --from 2026-10-01 --to 2026-10-31 --format html --output october.html
  cloverwatch transfers --from 2026-10-01 --to 2026-10-31 --annul US=2026-10-15
  cloverwatch transfers --from 2026-10-01 --to 2026-10-31 --add-country JP --move-site dub-2=GB

accesses, directories and approvals are those of Kafka, or with --directory those of files. Days are days of UTC, and
both are in the range. Distinct data subjects are exact while they are few and estimated beyond; the bounds stand beside
each number. A basis that neither the policy nor the table of the law names is shown as "no basis recorded"; what the
law makes of it is not for a program to say. The rows of the law that were used are listed, with their sources and the
days on which they were checked

--annul, --add-country, --move-site, --what-if-law and --what-if-policy judge the same accesses in another world too,
and show the difference: which had had no basis recorded, which teams and datasets would stop working. More:
docs/where-data-lives.md

exit codes: 0 shown, 1 no broker answers, 2 usage, policy or files
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    from agents.where.options import shared
    from agents.where.worlds import options
    from rules.where.report import DIMENSIONS, USUAL

    parser.add_argument("--from", dest="first", required=True, metavar="DATE", help="the first day, as in 2026-10-01")
    parser.add_argument("--to", dest="last", required=True, metavar="DATE", help="the last day; it is in the range")
    parser.add_argument("--by", metavar="NAMES", help=f"group by some of {','.join(DIMENSIONS)} ({','.join(USUAL)})")
    shared(parser)
    parser.add_argument("--approvals", type=Path, metavar="FILE", help="with --directory: approvals, JSON lines")
    parser.add_argument(
        "--source", default=NATIVE, choices=(NATIVE, "cloudtrail", "ocsf"), help="of files: whose records"
    )
    parser.add_argument("--geo-mmdb", type=Path, metavar="FILE", help="table of addresses in MaxMind's format")
    options(parser)
    parser.add_argument("files", nargs="*", metavar="FILE", help="with --directory: events, JSON lines; - reads stdin")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Add up and show."""
    from agents.policy_watch import read_policy
    from agents.watching import wall_clock
    from agents.where import gathering, worlds
    from agents.where.options import check_shared, made_at, policy_of, range_of, rests_on, write
    from rules.where.report import USUAL, Transfers
    from rules.where.whatif import LISTED_USUALLY, Comparison

    check_shared(given)
    gathering.check_sources(given)
    span = range_of(given.first, given.last)
    by = USUAL if given.by is None else dimensions(given.by)
    other = worlds.asked(given)
    if given.list is not None and not other:
        raise ConfigurationError(f"--list: {given.list}: only with --annul or another what-if")
    if given.by is not None and other:
        raise ConfigurationError(f"--by: {given.by!r}: not with a what-if, which is by country, team and dataset")
    path, policy = policy_of(given.policy, settings)
    knowledge, directories = gathering.directories(given, settings)
    world = worlds.this_world(policy, knowledge, settings, given.geo_mmdb)
    said = (*rests_on(path, policy, world.legal), directories)
    if other:
        supposed, words, notes = worlds.other_world(world, given, settings, span)
        listed = LISTED_USUALLY if given.list is None else given.list
        if listed < 0:
            raise ConfigurationError(f"--list: {listed}; allowed: 0 or more")
        assessors = world.assessor(), supposed.assessor()
        comparison = Comparison(*assessors, *span, listed=listed)
        source, more = gathering.accesses(given, settings, policy, span, comparison.take)
        write(comparison.report((*words, *said, source, made_at(wall_clock())), (*notes, *more)), given)
        return 0
    transfers = Transfers(world.assessor(), *span, by)
    source, more = gathering.accesses(given, settings, policy, span, transfers.take)
    granted, told = gathering.approvals(given, settings, read_policy(path)[0], world.joiner())
    for approval in granted:
        transfers.take_approval(approval, knowledge)
    write(transfers.report((*said, source, made_at(wall_clock())), (*more, *told)), given)
    return 0


def dimensions(text: str) -> tuple[str, ...]:
    """Return what to group by.

    Raises:
        ConfigurationError: a name is none, or stands twice.
    """
    from rules.where.report import DIMENSIONS

    names = tuple(name.strip() for name in text.split(","))
    for at, name in enumerate(names):
        if name not in DIMENSIONS:
            raise ConfigurationError(f"--by: {name!r}; {nearest(name, list(DIMENSIONS))}")
        if name in names[:at]:
            raise ConfigurationError(f"--by: {name!r} stands twice; allowed: each of {', '.join(DIMENSIONS)} once")
    return names
