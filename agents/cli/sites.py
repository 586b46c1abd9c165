"""Where data lives as of a date: sites, datasets, copies outside the perimeter, old sites, what lacks an owner."""

import argparse

from agents.settings import Settings

NAME = "sites"
EXAMPLES = """\
examples:
  cloverwatch sites --policy policy.toml --directory people/
  cloverwatch sites --policy policy.toml --directory people/ --as-of 2026-10-31 --format html --output sites.html
  cloverwatch sites --as-of 2026-10-31 --format csv --table outside

out of the directories in Kafka, or with --directory out of a folder. --as-of is the end of that day (UTC), or a time
with an offset; without it, now. Copies are those that copies.jsonl (directory.copies) names; a folder may lack it.
Tables of --format csv: sites, datasets, outside, migration, remaining, lacking, law. docs/where-data-lives.md

exit codes: 0 shown, 1 no broker answers, 2 usage, policy or files
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    from agents.where.options import shared

    parser.add_argument("--as-of", metavar="DATE", help="the end of that day, as in 2026-10-31 (now)")
    shared(parser)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Look and show."""
    from agents.tables import legal_table
    from agents.watching import wall_clock
    from agents.where.gathering import directories
    from agents.where.options import check_shared, made_at, moment_of, policy_of, rests_on, write
    from rules.join import Joiner
    from rules.where.survey import Survey
    from rules.where.survey_sheets import report

    check_shared(given)
    at = wall_clock() if given.as_of is None else moment_of("--as-of", given.as_of)
    path, policy = policy_of(given.policy, settings)
    knowledge, source = directories(given, settings)
    legal = legal_table(settings)
    survey = Survey(Joiner(policy, knowledge, legal, None), at)
    write(report(survey, (*rests_on(path, policy, legal), source, made_at(wall_clock()))), given)
    return 0
