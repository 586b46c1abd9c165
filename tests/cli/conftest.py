"""A folder with a policy, directories and events, and the command line as somebody would call it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.cli import main
from rules.cases import POLICY
from rules.catalogue import RULES
from schemas.codec import encode
from tests.rules.streams import access, complete, dataset, line

OUTSIDE = {"device_country": "IN"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [orjson.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Said]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls the command line; keywords are settings from the environment."""

    def call(*arguments: str | Path, **settings: Any) -> Said:
        with monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith("CLOVERWATCH_"):
                    patch.delenv(name)
            for name, value in settings.items():
                patch.setenv(f"CLOVERWATCH_{name.upper()}", str(value))
            capfd.readouterr()
            code = main([str(argument) for argument in arguments])
        return Said(code, *capfd.readouterr())

    return call


def write(path: Path, *records: dict[str, Any] | bytes) -> Path:
    """Write lines, without what is None; bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join((each if isinstance(each, bytes) else line(each, 0, 0).value or b"") + b"\n" for each in records)
    )
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A good policy file."""
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def watching(tmp_path: Path) -> Path:
    """A policy that judges behaviour and nothing else."""
    path = tmp_path / "watching.toml"
    off = "".join(f'[rules."{rule.id}"]\nenabled = false\n' for rule in RULES)
    path.write_text(POLICY + off + "[behaviour]\n")
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder with the directories of two employees in Ireland."""
    folder = tmp_path / "people"
    for row in [*complete("e-1"), *complete("e-2"), dataset()]:
        path = folder / f"{row.topic.rsplit('.', 1)[1]}.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(encode(row) + b"\n")
    return folder


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Three accesses; the second is from India, the third is denied there."""
    return write(
        tmp_path / "events.jsonl",
        access(event_id="fine"),
        access(event_id="from-india", **OUTSIDE),
        access(event_id="denied", outcome="denied", **OUTSIDE),
    )
