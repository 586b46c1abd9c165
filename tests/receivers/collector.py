"""The OpenTelemetry Collector 0.145.0, built from Go modules: OTLP, syslog over TLS, Splunk HEC with acknowledgement.

Its file exporter is given a `rotation`, with which it writes each record at once; without it, it keeps them in memory
for `flush_interval` although it has confirmed them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.broker import end, free_port, wait_for_port
from tests.receivers.certificates import certificates

VERSION = "0.145.0"
PROVIDERS = "1.51.0"
CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"

BUILDER = f"""dist:
  name: collector
  module: cloverwatch.invalid/collector
  version: {VERSION}
  output_path: ./out
extensions:
  - gomod: {CONTRIB}/extension/ackextension v{VERSION}
receivers:
  - gomod: {CONTRIB}/receiver/splunkhecreceiver v{VERSION}
  - gomod: {CONTRIB}/receiver/syslogreceiver v{VERSION}
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{VERSION}
exporters:
  - gomod: {CONTRIB}/exporter/fileexporter v{VERSION}
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v{PROVIDERS}
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v{PROVIDERS}
"""
"""As few components as there can be: each one more is compile time. The collector does not start without `env`."""

BUILD = Path(__file__).resolve().parents[2] / "build"
CACHE = BUILD / f"collector-{VERSION}-{hashlib.sha256(BUILDER.encode()).hexdigest()[:12]}"
BUILD_TIMEOUT = 1800.0
"""Seconds for the build: three minutes on two idle cores, with everything to be downloaded and compiled."""

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0


def missing() -> str | None:
    """Why it cannot be built here, or None."""
    if (CACHE / "collector").exists():
        return None
    return None if _go() else "the OpenTelemetry Collector is built with Go, and there is no go on the PATH"


def _go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")


def binary() -> Path:
    """The collector, built once and kept in build/ under the name of what it was built from."""
    made = CACHE / "collector"
    if made.exists():
        return made
    go = _go()
    assert go is not None
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "builder.yaml").write_text(BUILDER)
    environment = os.environ | {"GOFLAGS": "-trimpath -modcacherw", "GOMAXPROCS": "2", "CGO_ENABLED": "0"}
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, (CACHE / "build.log").open("w") as log:
        environment["GOBIN"] = folder

        def run(*command: str | Path, where: str = folder) -> None:
            subprocess.run(
                command, cwd=where, env=environment, stdout=log, stderr=log, check=True, timeout=BUILD_TIMEOUT
            )

        run(go, "install", f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}")
        run(Path(folder) / "builder", "--config", CACHE / "builder.yaml", "--skip-compilation")
        run(go, "build", "-ldflags=-s -w", "-o", "../collector", ".", where=f"{folder}/out")
        Path(folder, "collector").replace(made)
    return made


class Collector:
    """One collector with one receiver, which writes what it takes to a file."""

    exact = False
    receiver = ""
    """The receiver's part of the configuration; `{port}`, `{cert}` ... are filled in."""
    extensions = ""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.certificates = certificates(folder / "certificates")
        self.received_file = folder / "received.jsonl"
        self._process: subprocess.Popen[bytes] | None = None
        has = self.certificates
        receiver = self.receiver.format(port=self.port, ca=has.ca, cert=has.server, key=has.server_key)
        kind = receiver.strip().split(":", 1)[0]
        (folder / "collector.yaml").write_text(
            f"""receivers:
{receiver}
exporters:
  file:
    path: {self.received_file}
    rotation: {{max_megabytes: 1000, max_backups: 1}}
extensions:
  ack: {{}}
service:
  telemetry: {{metrics: {{level: none}}}}
  extensions: [{self.extensions}]
  pipelines:
    logs: {{receivers: [{kind}], exporters: [file]}}
"""
        )

    @staticmethod
    def missing() -> str | None:
        return missing()

    def start(self) -> None:
        with (self.folder / "collector.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary(), f"--config=file:{self.folder}/collector.yaml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "GOMAXPROCS": "2"},
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_TIMEOUT)

    def environment(self) -> dict[str, str]:
        return {}

    def records(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each log record that it wrote, with its resource's attributes; a line that a kill cut is left out."""
        if not self.received_file.exists():
            return
        for line in self.received_file.read_bytes().split(b"\n")[:-1]:
            try:
                batch = json.loads(line)
            except ValueError:
                continue
            for resource in batch["resourceLogs"]:
                about = plain(resource.get("resource", {}).get("attributes", []))
                for scope in resource["scopeLogs"]:
                    for record in scope["logRecords"]:
                        yield {**record, "attributes": plain(record.get("attributes", []))}, about

    def alert_id(self, record: dict[str, Any]) -> str | None:
        """The alert that a record tells of."""
        raise NotImplementedError

    def received(self) -> Counter[str]:
        return Counter(found for record, _ in self.records() if (found := self.alert_id(record)) is not None)


class CollectorOtlp(Collector):
    """OTLP over HTTP."""

    receiver = "  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}"

    def policy(self, name: str) -> str:
        return f"""[destinations.{name}]
kind = "otlp"
url = "http://127.0.0.1:{self.port}/v1/logs"
"""

    def alert_id(self, record: dict[str, Any]) -> str | None:
        found = record["attributes"].get("cloverwatch.alert.id")
        return None if found is None else str(found)


class CollectorSyslog(Collector):
    """Syslog RFC 5424 over mutual TLS with octet counting."""

    receiver = """  syslog:
    protocol: rfc5424
    enable_octet_counting: true
    tcp:
      listen_address: 127.0.0.1:{port}
      tls: {{cert_file: {cert}, key_file: {key}, client_ca_file: {ca}}}"""

    def policy(self, name: str) -> str:
        has = self.certificates
        return f"""[destinations.{name}]
kind = "syslog"
host = "127.0.0.1"
port = {self.port}
tls = {{ ca = "{has.ca}", cert = "{has.client}", key = "{has.client_key}" }}
"""

    def alert_id(self, record: dict[str, Any]) -> str | None:
        found = record["attributes"].get("structured_data", {}).get("cloverwatch@32473", {}).get("alertId")
        return None if found is None else str(found)


class CollectorHec(Collector):
    """Splunk HEC with acknowledgement. It checks no token, and takes a missing channel for success."""

    extensions = "ack"
    receiver = """  splunk_hec:
    endpoint: 127.0.0.1:{port}
    ack: {{extension: ack, path: /services/collector/ack}}"""

    def policy(self, name: str) -> str:
        return f"""[destinations.{name}]
kind = "splunk-hec"
url = "http://127.0.0.1:{self.port}"
token = {{ env = "HEC_TOKEN" }}
acknowledge = true
"""

    def environment(self) -> dict[str, str]:
        return {"HEC_TOKEN": "11111111-2222-3333-4444-555555555555"}

    def alert_id(self, record: dict[str, Any]) -> str | None:
        event = value(record.get("body", {}))
        if isinstance(event, str):
            try:
                event = json.loads(event)
            except ValueError:
                return None
        if not isinstance(event, dict):
            return None
        found = event.get("alert_id") or event.get("finding_info", {}).get("uid")
        return None if found is None else str(found)


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """OTLP's list of keys and values as a dictionary."""
    return {each["key"]: value(each["value"]) for each in attributes}


def value(of: dict[str, Any]) -> Any:
    """An AnyValue of OTLP's JSON encoding as a plain one."""
    for kind, held in of.items():
        if kind == "kvlistValue":
            return plain(held.get("values", []))
        if kind == "arrayValue":
            return [value(each) for each in held.get("values", [])]
        return int(held) if kind == "intValue" else held
    return None
