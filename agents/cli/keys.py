"""Make the key with which somebody signs what they do, and opens what is sealed to them."""

import argparse
from pathlib import Path

from agents.settings import Settings
from agents.signing import create, passphrase_of, passphrase_options
from alerts import key_files
from alerts.people import is_name
from schemas.errors import ConfigurationError

NAME = "keys"
EXAMPLES = """\
examples:
  cloverwatch keys new anna --out anna.key
  cloverwatch keys new anna --out anna.key --passphrase-file passphrase

the file is the private key: only its owner may read it, it is never written over, and each person makes their own on
their own machine. What is printed is public; it goes into the policy:

  [people.anna]
  key = "…"
  roles = ["officer"]         analyst: acknowledges, comments, closes. officer: two together open an identity.
                              approver: lets others reach data for a time (with employee = "…")

a key that is lost opens nothing any more, and what is sealed to it is opened by two other officers. For a new key,
change the line in the policy: workers seal anew what they know, older pseudonyms stay with those who were officers then

exit codes: 0 made, 2 usage, or the file is there already
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("what", choices=("new",), metavar="new", help="the only thing there is to do")
    parser.add_argument("name", metavar="NAME", help="whose it is, as the policy's [people.NAME] says")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the private key is written")
    passphrase_options(parser)


def run(given: argparse.Namespace, _: Settings) -> int:
    """Make one; print the public half as the policy wants it."""
    if not is_name(given.name):
        raise ConfigurationError(
            f"NAME: {given.name!r}; allowed: 1 to 64 letters, digits, '.', '_', '@' and '-', no sign first"
        )
    signer, seed = key_files.new(given.name)
    create(given.out, key_files.write(signer, seed, passphrase_of(given)))
    print(f'[people."{given.name}"]\nkey = "{signer.public}"')
    return 0
