"""List every setting with its value, its default, what it means and why."""

import argparse
import dataclasses

from agents.settings import PREFIX, Settings, allowed

NAME = "settings"
EXAMPLES = """\
examples:
  cloverwatch settings                      what is in force, and where it differs from the default
  cloverwatch --settings prod.toml settings
  cloverwatch settings --markdown           the reference, as in docs/settings.md

a settings file is TOML with these names in lower case; the environment wins over it
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--markdown`."""
    parser.add_argument("--markdown", action="store_true", help="print the reference (docs/settings.md) instead")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Print them."""
    if given.markdown:
        from agents.reference_docs import settings_markdown

        print(settings_markdown(), end="")
        return 0
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = "(not set)" if value is None else str(value)
        unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
        mark = "" if value == field.default else f"   (set; default {field.default})"
        print(f"{PREFIX}{field.name.upper()} = {shown}{unit}{mark}")
        print(f"    {field.metadata['help']} {field.metadata['why']}")
        print(f"    Allowed: {allowed(field.name)}.")
    return 0
