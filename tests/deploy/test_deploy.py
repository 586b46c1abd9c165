"""The files under deploy/: linted, tested, and true to the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
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

from agents.audit.note_keys import note_signer
from agents.gateway.callers import Callers, read_tokens
from agents.gateway.tls import server_tls
from agents.plan_file import read_plan_of
from agents.settings import PREFIX, Settings
from tests.conftest import require

DEPLOY = Path("deploy")
STARTS_WITHIN_S = 300.0
"""An engine builds the image first."""

SCRAPED = {
    "worker": ("worker", "web_port"),
    "deliver": ("deliver", "deliver_port"),
    "gateway": ("gateway", "gateway_web_port"),
    "match": ("match", "match_port"),
    "audit-log": ("audit log", "audit_port"),
}
"""Services of the compose file that Prometheus asks: the command of each, and the setting of its metrics' port."""


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
    assert len(ours) == 10
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
    scraped = {
        target
        for job in loaded(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    assert {target.split(":")[0] for target in scraped} == SCRAPED.keys()
    for target in scraped:
        name, port = target.split(":")
        there = image | services[name]["environment"]
        command, setting = SCRAPED[name]
        assert services[name]["command"] == command.split()
        assert there["CLOVERWATCH_WEB_HOST"] == "0.0.0.0"
        assert int(port) == int(there.get(f"{PREFIX}{setting.upper()}", getattr(Settings(), setting)))
        assert f"127.0.0.1:{port}:{port}" in services[name]["ports"]


def test_the_decision_point_of_the_compose_file_is_reached_by_tls_with_a_token() -> None:
    """What its service of keys makes is what it starts with, but for where it lies."""
    service = loaded(DEPLOY / "compose.yaml")["services"]["gateway"]
    there = service["environment"]
    assert there["CLOVERWATCH_GATEWAY_HOST"] == "0.0.0.0"
    assert there["CLOVERWATCH_GATEWAY_URL"] == "https://gateway:9820", "a name of its certificate"
    port = there["CLOVERWATCH_GATEWAY_PORT"]
    assert f"127.0.0.1:{port}:{port}" in service["ports"]
    for setting in ("TLS_CERT", "TLS_KEY", "TOKENS"):
        assert there[f"CLOVERWATCH_GATEWAY_{setting}"].startswith("/var/lib/cloverwatch/")
    assert "gateway:/var/lib/cloverwatch:ro" in service["volumes"]


def test_what_the_compose_file_makes_of_keys_can_be_used(tmp_path: Path) -> None:
    """Both services of keys, run twice as at two starts: their files are taken, and made once."""
    openssl = shutil.which("openssl")
    require(None if openssl else "openssl is not installed (Debian: openssl)")
    services = loaded(DEPLOY / "compose.yaml")["services"]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    made: dict[str, dict[str, bytes]] = {}
    for _ in range(2):
        for name in ("gateway-keys", "audit-keys"):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            assert services[name]["entrypoint"] == ["sh", "-euc"]
            (script,) = services[name]["command"]
            script = script.replace("/var/lib/cloverwatch", str(folder))
            done = subprocess.run(
                ["sh", "-euc", script], env={**os.environ, "PATH": path}, capture_output=True, check=False, timeout=60
            )
            assert done.returncode == 0, done.stderr
            files = {each.name: each.read_bytes() for each in folder.iterdir()}
            assert made.setdefault(name, files) == files, "the second start makes nothing anew"
            assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    gateway, audit = tmp_path / "gateway-keys", tmp_path / "audit-keys"
    there = services["gateway"]["environment"]
    file = {
        setting: Path(there[f"CLOVERWATCH_GATEWAY_{setting}"]).name for setting in ("TLS_CERT", "TLS_KEY", "TOKENS")
    }
    settings = Settings(
        gateway_host=there["CLOVERWATCH_GATEWAY_HOST"],
        gateway_tls_cert=gateway / file["TLS_CERT"],
        gateway_tls_key=gateway / file["TLS_KEY"],
        gateway_tokens=gateway / file["TOKENS"],
    )
    assert server_tls(settings) is not None
    assert settings.gateway_tokens is not None
    tokens = read_tokens(settings.gateway_tokens)
    token = (gateway / "gw-dub-1.token").read_text().strip()
    callers = tomllib.loads((DEPLOY / "policy.toml").read_text(encoding="utf-8"))["gateway"]["gateways"]
    assert Callers(tokens, callers).caller(f"Bearer {token}", None) == "gw-dub-1"
    key = services["audit-log"]["environment"]["CLOVERWATCH_AUDIT_KEY"]
    assert note_signer(audit / Path(key).name, option="audit_key").public.name == "compose.cloverwatch.example/log"


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
    for name in ("worker", "deliver", "gateway", "match"):
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
        for name, port in (
            ("worker", 9808),
            ("deliver", 9809),
            ("gateway", 9821),
            ("match", 9812),
            ("audit-log", 9813),
        ):
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
