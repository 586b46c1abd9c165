"""Make the key with which a log signs its checkpoints, or a witness cosigns them."""

import argparse
from pathlib import Path

from agents.audit.tlog.notes import NoteSigner, is_key_name
from agents.settings import Settings
from agents.signing import create
from schemas.errors import ConfigurationError

NAME = "keys"
EXAMPLES = """\
examples:
  cloverwatch audit keys new audit.example.com/cloverwatch --out log.key
  cloverwatch audit keys new witness.example.org/w1 --out witness.key --witness

the file is the private key, as Go's sumdb/note writes it: only its owner may read it, it is never written over. What is
printed is the public key: a log's goes to its auditors and witnesses, a witness's to the log and its auditors

exit codes: 0 made, 2 usage, or the file is there already
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("what", choices=("new",), metavar="new", help="the only thing there is to do")
    parser.add_argument(
        "name", metavar="NAME", help="a URL without scheme that is yours, audit.example.com/log: a log's origin"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the private key is written")
    parser.add_argument("--witness", action="store_true", help="print the public key as that of a witness")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Make one; print the public half."""
    if not is_key_name(given.name):
        raise ConfigurationError(f"NAME: {given.name!r}; allowed: no spaces, no '+', no control characters, not empty")
    signer = NoteSigner.new(given.name)
    create(given.out, f"{signer.private()}\n".encode())
    print(signer.public.cosigning() if given.witness else signer.public)
    return 0
