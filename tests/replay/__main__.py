"""`python -m tests.replay`: writes the generated parts of `docs/real-data.md`; `--check` says whether they are so."""

from __future__ import annotations

import argparse
import sys

from tests.replay.report import DOCUMENT, written


def main() -> int:
    """Return 0, or 1 where `--check` finds another text."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    before = DOCUMENT.read_text(encoding="utf-8")
    after = written(before)
    if check and after != before:
        print(f"{DOCUMENT.name} is not as the records give it; run `python -m tests.replay`", file=sys.stderr)
        return 1
    if not check:
        DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
