"""Which program this is: a hash over every file of it, so that two installations can be told apart by one line."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

ROOMS: Final = ("agents", "alerts", "rules", "schemas")
"""What runs; the demo, benchmarks and tests judge nothing."""

LEFT_OUT: Final = "__pycache__"
"""What Python makes by itself of the files."""


class Program(NamedTuple):
    """The program's files."""

    sha256: str
    """Over a line for each file, sorted: its path from the installation on, a space, its SHA-256, a line feed."""
    files: int


@cache
def program() -> Program:
    """Return the files of the installed program, as they are when it is first asked: at the start of a process."""
    return program_in(Path(__file__).resolve().parents[1])


def program_in(root: Path) -> Program:
    """Return the files of the program in a folder."""
    paths = sorted(
        path.relative_to(root).as_posix()
        for room in ROOMS
        for path in (root / room).rglob("*")
        if path.is_file() and LEFT_OUT not in path.parts
    )
    lines = (f"{path} {sha256((root / path).read_bytes()).hexdigest()}\n" for path in paths)
    return Program(sha256("".join(lines).encode()).hexdigest(), len(paths))
