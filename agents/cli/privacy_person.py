"""`cloverwatch privacy export` and `erase`: what an employee may ask for."""

import argparse
import asyncio
from pathlib import Path
from typing import Any, Final

from agents.person_rights import copy_of, erase, write_copy
from agents.request_log import office_of
from agents.settings import PREFIX, Settings
from agents.signing import key_options, signer_of
from agents.text import check_text, printable
from schemas.errors import ConfigurationError

EXAMPLES: Final = """\
  cloverwatch privacy export --person e-0042 --out e-0042/ --reason "Art. 15" --ticket DPO-3 --by anna --key anna.key
  cloverwatch privacy erase --person e-0042 --directory --dry-run --reason "Art. 17" --by anna --key anna.key
"""
"""For the help of `privacy`."""


def arguments(actions: Any) -> None:
    """Declare both beside what else `cloverwatch privacy` does."""
    exported = actions.add_parser("export", help="write everything that is held about somebody into a folder")
    exported.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    exported.add_argument("--names", action="store_true", help="name those who looked and commented, too")
    exported.set_defaults(act=_export)
    erased = actions.add_parser("erase", help="destroy what links somebody to their pseudonyms")
    erased.add_argument("--directory", action="store_true", help="withdraw their directory rows too, once they left")
    erased.add_argument("--dry-run", action="store_true", help="say what would be done and what stays, do nothing")
    erased.set_defaults(act=_erase)
    for each in (exported, erased):
        each.add_argument("--person", required=True, metavar="ID", help="whom: the id of an employee or principal")
        each.add_argument("--reason", required=True, metavar="TEXT", help="why; kept for three years, names nobody")
        each.add_argument("--ticket", default="", metavar="ID", help="where it is dealt with")
        each.add_argument("--policy", type=Path, metavar="FILE", help=f"the policy; else {PREFIX}POLICY")
        key_options(each)


def _export(given: argparse.Namespace, settings: Settings) -> int:
    office, signer = office_of(given.policy or settings.policy), signer_of(given)
    _whom(given)
    try:
        given.out.mkdir(mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"--out: {given.out} cannot be made: {error.strerror}") from None
    try:
        copy = asyncio.run(
            copy_of(settings, office, signer, given.person, names=given.names, reason=given.reason,
                    ticket=given.ticket)
        )  # fmt: skip
    except BaseException:
        given.out.rmdir()
        raise
    for name, count in write_copy(copy, given.out).items():
        print(f"{count:>8} {name}")
    print(f"written to {given.out}, to be read by its owner only; summary.txt says what it is")
    return 0


def _whom(given: argparse.Namespace) -> None:
    for name in ("person", "reason", "ticket"):
        check_text(f"--{name}", getattr(given, name))
    if not given.person.strip():
        raise ConfigurationError("--person: empty; the id of an employee or principal is needed")


def _erase(given: argparse.Namespace, settings: Settings) -> int:
    office = office_of(given.policy or settings.policy)
    _whom(given)
    said = asyncio.run(
        erase(settings, office, signer_of(given), given.person, directory=given.directory, dry_run=given.dry_run,
              reason=given.reason, ticket=given.ticket)
    )  # fmt: skip
    print("\n".join(map(printable, said)))
    return 0
