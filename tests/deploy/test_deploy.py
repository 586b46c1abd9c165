"""The files under deploy/: linted, tested, and true to the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from agents.plan_file import read_plan_of
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
    assert len(ours) == 5
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), (
            f"{name} listens beyond loopback"
        )


def test_what_prometheus_asks_is_what_the_compose_file_starts() -> None:
    """By name and port, and beyond the container's loopback: else every target would be down."""
    services = loaded(DEPLOY / "compose.yaml")["services"]
    image = dict(
        re.findall(r"^ *(?:ENV )?(CLOVERWATCH_\w+)=(\S+)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    )
    ports = {"worker": Settings().web_port, "deliver": Settings().deliver_port}
    scraped = {
        target
        for job in loaded(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    for target in scraped:
        name, port = target.split(":")
        there = image | services[name]["environment"]
        setting = {"worker": "CLOVERWATCH_WEB_PORT", "deliver": "CLOVERWATCH_DELIVER_PORT"}[name]
        assert services[name]["command"] == [name]
        assert there["CLOVERWATCH_WEB_HOST"] == "0.0.0.0"
        assert int(port) == int(there.get(setting, ports[name]))
        assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert {target.split(":")[0] for target in scraped} == {"worker", "deliver"}


def test_the_compose_files_policy_is_the_demos_and_tells_whom_it_starts() -> None:
    text = (DEPLOY / "policy.toml").read_text(encoding="utf-8")
    assert text.startswith(Path("demo/policy.toml").read_text(encoding="utf-8")), "copy what was changed there"
    _, plan = read_plan_of(DEPLOY / "policy.toml")
    assert {name: each.kind.name for name, each in plan.destinations.items()} == {
        "alertmanager": "alertmanager",
        "log": "stdout",
    }
    services = loaded(DEPLOY / "compose.yaml")["services"]
    for url in tomllib.loads(text)["destinations"]["alertmanager"]["urls"]:
        where = urlsplit(url)
        assert f"127.0.0.1:{where.port}:{where.port}" in services[where.hostname]["ports"]
    assert all(each.names == "pseudonyms" for each in plan.destinations.values()), "else it needs the keys"
    for name in ("worker", "deliver"):
        (mounted,) = (each for each in services[name]["volumes"] if "policy.toml" in each)
        assert mounted == "${CLOVERWATCH_POLICY_FILE:-./policy.toml}:/etc/cloverwatch/policy.toml:ro"


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
        for name, port in (("worker", 9808), ("deliver", 9809)):
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                        assert answer.status == 200
                        break
                except OSError:
                    assert time.monotonic() < deadline, f"{name} is not ready in time"
                    time.sleep(1)
            assert run(*compose, "exec", name, "id", "-u").strip() == "10001"
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=True, timeout=120)
