"""A year's log after the year before: both verified, and held against each other at the seam."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.audit.tlog import LogReader
from agents.cli import main
from schemas.entry import Entry
from tests.audit.making import KEY, SIGNER, World, write_log


class Years:
    """Two logs over one world, and the report of the first."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capfd = folder, capfd
        self.world = World(seed=5)
        self.world.live(120)
        for partition in range(self.world.partitions):
            self.world.stop(partition)
        self.old = write_log(folder / "old", self.world.entries)
        self.ends = dict(self.world.ends)
        signed = LogReader(self.old).checkpoint([SIGNER.public])
        self.said: dict[str, Any] = {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}
        assert main(["audit", "verify", str(self.old), "--key", KEY, "--json"]) == 0
        self.report = folder / "old.json"
        self.report.write_text(capfd.readouterr().out)

    def new(self, ends: dict[tuple[str, int], int] | None = None, said: dict[str, Any] | None = None) -> Path:
        """Write the log that goes on, which begins at these offsets and says that it goes on from this one."""
        topics: dict[str, dict[str, int]] = defaultdict(dict)
        for (topic, partition), offset in (self.ends if ends is None else ends).items():
            topics[topic][str(partition)] = offset
        about = {"version": "0.1.0", "part": 1, "parts": 1, "topics": topics}
        said = self.said if said is None else said
        first = Entry(kind="opened", at=self.world.now, about=about | ({"continues": said} if said else {}))
        self.world.entries = [first]
        self.world.in_force()
        for partition in range(self.world.partitions):
            self.world.start(partition)
        self.world.live(120)
        return write_log(self.folder / "new", self.world.entries)

    def verify(self, *more: str) -> tuple[int, dict[str, Any]]:
        code = main(["audit", "verify", str(self.folder / "new"), "--key", KEY, "--json", *more])
        return code, json.loads(self.capfd.readouterr().out)

    def found(self) -> list[str]:
        """What is found at the seam."""
        code, document = self.verify("--follows", str(self.report))
        assert code == 1
        assert all(each["kind"] == "history" for each in document["findings"])
        return [each["what"] for each in document["findings"]]


@pytest.fixture
def years(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Years:
    return Years(tmp_path, capfd)


def test_a_log_that_goes_on_where_the_one_before_ended_holds(years: Years) -> None:
    years.new()
    code, document = years.verify("--follows", str(years.report))
    assert (code, document["findings"], document["followed"]) == (0, [], True)
    assert document["continues"] == years.said


def test_without_the_report_of_the_one_before_it_is_said_that_the_seam_is_not_proven(years: Years) -> None:
    years.new()
    assert main(["audit", "verify", str(years.folder / "new"), "--key", KEY]) == 0
    said = "It goes on from the log audit.example/cloverwatch: that nothing lies between the two is proven with"
    assert said in years.capfd.readouterr().out


def _later(years: Years) -> None:
    """Records between the two are left out: the new log says that it begins behind them, and so it does."""
    tp = next(tp for tp in years.ends if tp[0] == "gateway.decisions")
    years.world.ends[tp] += 3
    years.new(years.ends | {tp: years.ends[tp] + 3})


def _earlier(years: Years) -> None:
    tp = next(tp for tp in years.ends if tp[0] == "gateway.decisions")
    years.world.ends[tp] -= 2
    years.new(years.ends | {tp: years.ends[tp] - 2})


def _absent(years: Years) -> None:
    years.new({tp: end for tp, end in years.ends.items() if tp[0] != "alerts.actions"})


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_later, "are in neither"),
        (_earlier, "are in both"),
        (_absent, "this one does not say where it begins"),
        (lambda years: years.new(said={"origin": "audit.example/cloverwatch", "size": 3, "root": "00"}), "root 00"),
        (lambda years: years.new(said={"unlike": "any"}), "the report is of audit.example/cloverwatch"),
    ],
)
def test_what_does_not_fit_is_found(years: Years, tamper: Callable[[Years], object], said: str) -> None:
    tamper(years)
    found = years.found()
    assert any(said in each for each in found), found


def test_a_log_that_says_of_no_other_is_not_the_one_that_follows(years: Years) -> None:
    write_log(years.folder / "new", World(seed=6).entries[:1])
    _, document = years.verify("--follows", str(years.report))
    assert any("does not say that it goes on from audit.example/" in each["what"] for each in document["findings"])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"origin": "x", "size": "y"}', "\xff"])
def test_a_report_that_is_none_is_refused(years: Years, text: str) -> None:
    years.new()
    years.report.write_bytes(text.encode("latin-1"))
    assert main(["audit", "verify", str(years.folder / "new"), "--key", KEY, "--follows", str(years.report)]) == 2
