"""Help that a person enjoys: examples as they were written, and a little colour on a terminal."""

from __future__ import annotations

import argparse
import re
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

WIDTH: Final = 118
"""Columns of a help text: our examples are written for it, whatever the terminal."""

_HEADING: Final = re.compile(r"^([A-Za-z][^\n]*?:)(?=\n|$)", re.MULTILINE)
_COMMAND: Final = re.compile(r"^(  )(cloverwatch[^\n]*?)(?=   |\n|$)", re.MULTILINE)
_NAME: Final = re.compile(r"^(  )(-[^\s,]+(?:, --\S+)?|[a-z][a-z-]+|\d+)(?=  )", re.MULTILINE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH, max_help_position=28)


class Parser(argparse.ArgumentParser):
    """A parser that keeps line ends and colours headings, commands and options where a terminal shows them."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, **arguments})

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message and isinstance(file, TextIOWrapper) and file.isatty():
            from rich.console import Console

            Console(file=file, highlight=False, soft_wrap=True).print(_marked(message), end="")
        else:
            super()._print_message(message, file)


def _marked(text: str) -> str:
    """Return help text in rich's markup."""
    from rich.markup import escape

    text = _HEADING.sub(r"\0b\1\0/", text)
    text = _COMMAND.sub(r"\1\0c\2\0/", text)
    text = _NAME.sub(r"\1\0c\2\0/", text)
    marks = {"\0b": "[bold]", "\0c": "[cyan]", "\0/": "[/]"}
    text = escape(text)
    for mark, style in marks.items():
        text = text.replace(mark, style)
    return text
