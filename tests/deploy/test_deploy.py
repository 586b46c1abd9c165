"""The files under deploy/: linted, tested, and true to the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from agents.settings import PREFIX, Settings
from tests.conftest import require

DEPLOY = Path("deploy")
STARTS_WITHIN_S = 300.0
"""An engine builds the image first."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_containerfile_has_no_finding() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    require(None if hadolint.exists() else "hadolint has no build for this system")
    run(hadolint, DEPLOY / "Containerfile")


def test_containerfile_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    last = (DEPLOY / "Containerfile").read_text().rsplit("\nFROM ", 1)[1]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert "HEALTHCHECK" in last
    assert "pip install" not in last, "what builds stays in the stage that builds"


def test_compose_file_is_one() -> None:
    compose = loaded(DEPLOY / "compose.yaml")
    jsonschema.validate(compose, json.loads(Path("tests/deploy/compose-spec.json").read_text()))
    ours = [service for service in compose["services"].values() if service["image"] == "cloverwatch:local"]
    assert len(ours) == 4
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), (
            f"{name} listens beyond loopback"
        )


@pytest.mark.parametrize("path", [DEPLOY / "compose.yaml", DEPLOY / "Containerfile"])
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    host_only = {"CLOVERWATCH_POLICY_FILE", "CLOVERWATCH_DATA"}  # the compose file's own, for its mounts
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", path.read_text()))
    assert named
    assert named - known - host_only == set()


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_compose_starts() -> None:
    compose = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "-p", "cloverwatch-test"]
    subprocess.run([*compose, "up", "--build", "--detach"], check=True, timeout=STARTS_WITHIN_S)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:9808/readyz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < deadline, "the worker is not ready in time"
                time.sleep(1)
        user = run(*compose, "exec", "worker", "id", "-u").strip()
        assert user == "10001"
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=True, timeout=120)
