"""Runs every suite, one after the other, and says how long each took: what `make test` does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

SUITES: Final = {
    "unit": "not hypothesis and not broker and not faults and not slow and not engine",
    "property": "hypothesis and not broker and not faults and not slow and not engine",
    "slow": "slow and not broker and not faults and not engine",
    "broker": "broker and not faults",
    "faults": "faults",
    "engine": "engine",
}
"""By name, the marker expression of its tests. Each test belongs to exactly one (`tests/test_suites.py`). Hypothesis
marks its tests by itself."""

AT_ONCE: Final = ["-n", "2", "--dist", "loadfile"]
"""Two files at a time: a laptop and a CI machine have two cores at least, and most tests of the long suites wait for
brokers and processes. Tests of one file share what they start, so they stay together."""

BUILD: Final = Path("build/tests")
NO_TESTS: Final = 5
"""What pytest exits with when it collected nothing."""


class Outcome(NamedTuple):
    """What came of one suite."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    code: int


def run(name: str, more: list[str]) -> Outcome:
    """Run a suite in a process of its own."""
    report = BUILD / f"{name}.xml"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    print(f"== {name}", flush=True)
    code = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            SUITES[name],
            f"--junitxml={report}",
            *AT_ONCE,
            *more,
        ],
        env={**os.environ, "PYTHONHASHSEED": "0"},  # processes of one run must find the same tests in the same order
        check=False,
    ).returncode
    seconds = time.monotonic() - began
    if not report.exists():
        return Outcome(name, 0, 1, 0, seconds, code or 1)
    suite = ET.parse(report).getroot()[0].attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    skipped = int(suite["skipped"])
    return Outcome(name, int(suite["tests"]) - failed - skipped, failed, skipped, seconds, code)


def main(arguments: list[str]) -> int:
    """Run all suites, or those that are named first; the rest goes to pytest."""
    named = [name for name in arguments if name in SUITES]
    more = [argument for argument in arguments if argument not in SUITES]
    BUILD.mkdir(parents=True, exist_ok=True)
    outcomes = [run(name, more) for name in named or SUITES]
    print(f"\n{'suite':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for each in outcomes:
        print(f"{each.name:<8} {each.passed:>7} {each.failed:>7} {each.skipped:>8} {each.seconds:>8.1f}")
    passed, failed, skipped, seconds = (sum(column) for column in list(zip(*outcomes, strict=True))[1:5])
    print(f"{'all':<8} {passed:>7} {failed:>7} {skipped:>8} {seconds:>8.1f}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed or any(each.code not in {0, NO_TESTS} for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
