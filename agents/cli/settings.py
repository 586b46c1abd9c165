"""List every setting with its value, its default and what it means."""

import argparse
import dataclasses
from pathlib import Path

from agents.reference_docs import settings_markdown
from agents.settings import PREFIX, Settings

NAME = "settings"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--write FILE`."""
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the reference (Markdown) to FILE instead")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Print or write them."""
    if given.write is not None:
        given.write.write_text(settings_markdown(), encoding="utf-8")
        return 0
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = "(not set)" if value is None else str(value)
        mark = "" if value == field.default else "  (set)"
        print(f"{PREFIX}{field.name.upper()} = {shown}{mark}\n    {field.metadata['help']}")
    return 0
