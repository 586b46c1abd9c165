"""Write every generated document: the contract, rules, topics, settings."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from agents.reference_docs import documents
from agents.settings import Settings

NAME = "docs"
EXAMPLES = """\
examples:
  cloverwatch docs              write docs/schemas/*.json, asyncapi.json, rules.md, topics.md, settings.md
  cloverwatch docs --check      exit 1 where one is not as the code would write it
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--check", action="store_true", help="compare in place of writing")
    parser.add_argument("--folder", type=Path, default=Path("docs"), metavar="DIR", help="where they are (docs)")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Write or compare."""
    return _write_or_check(documents(), given.folder, check=given.check)


def _write_or_check(documents: Mapping[str, str], folder: Path, *, check: bool) -> int:
    """Write documents, or with `check` return 1 where a file differs from what would be written."""
    stale = []
    for name, text in documents.items():
        path = folder / name
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is not as the code would write it; run `cloverwatch docs`", file=sys.stderr)
    return 1 if stale else 0
