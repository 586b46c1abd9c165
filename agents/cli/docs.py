"""Write the generated documents: schemas, AsyncAPI, rules, topics, settings."""

import argparse
import sys
from pathlib import Path

from agents.reference_docs import documents
from agents.settings import Settings

NAME = "docs"
EXAMPLES = """\
examples:
  cloverwatch docs              write them
  cloverwatch docs --check      exit 1 where one is not as the code would write it
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--check", action="store_true", help="compare in place of writing")
    parser.add_argument("--folder", type=Path, default=Path("docs"))


def run(given: argparse.Namespace, _: Settings) -> int:
    """Write or compare."""
    stale = []
    for name, text in documents().items():
        path = given.folder / name
        if given.check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(str(path))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path_name in stale:
        print(f"{path_name} is not as the code would write it; run `cloverwatch docs`", file=sys.stderr)
    return 1 if stale else 0
