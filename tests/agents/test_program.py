"""The hash of the program's files: another for any change in any of them, the same wherever it is installed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from agents.program import ROOMS, program, program_in
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture


def installed(root: Path) -> Path:
    for room in ROOMS:
        (root / room / "part").mkdir(parents=True)
        (root / room / "__init__.py").write_text(f"# {room}\n")
    (root / "rules" / "part" / "law.csv").write_text("IE,EEA\n")
    return root


def test_any_change_of_any_file_shows_and_what_python_makes_of_it_does_not(tmp_path: Path) -> None:
    one, other = installed(tmp_path / "one"), installed(tmp_path / "other")
    first = program_in(one)
    assert first == program_in(other)
    assert first.files == len(ROOMS) + 1
    (one / "rules" / "__pycache__").mkdir()
    (one / "rules" / "__pycache__" / "x.pyc").write_bytes(b"made")
    (one / "tests").mkdir()
    (one / "tests" / "test.py").write_text("")
    assert program_in(one) == first
    seen = {first.sha256}
    (one / "rules" / "part" / "law.csv").write_text("IE,third country\n")
    seen.add(program_in(one).sha256)
    (one / "rules" / "part" / "law.csv").rename(one / "rules" / "part" / "laws.csv")
    seen.add(program_in(one).sha256)
    (one / "alerts" / "more.py").write_text("")
    seen.add(program_in(one).sha256)
    assert len(seen) == 4


def test_it_is_made_as_the_page_for_auditors_says(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "agents").mkdir(parents=True)
    (root / "agents" / "a.py").write_bytes(b"a = 1\n")
    line = f"agents/a.py {sha256(b'a = 1' + bytes([10])).hexdigest()}\n"
    assert program_in(root).sha256 == sha256(line.encode()).hexdigest()


def test_the_command_prints_it(run: Run) -> None:  # noqa: F811
    said = run("audit", "program")
    assert said.code == 0
    assert said.out.startswith(f"{program().sha256}  cloverwatch ")
    assert f"{program().files} files" in said.out
