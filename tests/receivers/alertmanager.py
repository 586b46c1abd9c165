"""A real Alertmanager from Debian, with a webhook behind it that keeps what it sends on.

It holds alerts in memory only (on disk are silences and what was notified): after a kill it knows what it is told
again. Which alerts of ours it had is in what it sent on and in what it holds: annotation `alert_ids`.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from demo.broker import free_port
from tests.receivers.served import Journal, Served, listen, read_journal

PROGRAM = "prometheus-alertmanager"
READY_TIMEOUT = 60.0


def application(journal: Journal) -> web.Application:
    """Journals every notification of Alertmanager."""

    async def hook(request: web.Request) -> web.Response:
        journal.add(await request.json())
        return web.Response()

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/", hook)
    return app


class AlertmanagerReceiver:
    """It, as a process of its own."""

    exact = True

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "notifications.jsonl"
        self.port, hook = free_port(), free_port()
        config = folder / "alertmanager.yml"
        config.write_text(
            "route:\n  receiver: hook\n  group_by: [dedup_key]\n  group_wait: 100ms\n  group_interval: 1s\n"
            "  repeat_interval: 1h\n"
            "receivers:\n- name: hook\n  webhook_configs:\n"
            f"  - url: http://127.0.0.1:{hook}/\n    send_resolved: true\n"
        )
        self._hook = Served(
            hook,
            Served.python("tests.receivers.alertmanager", str(self._journal), str(hook)),
            folder / "hook.log",
        )
        self._served = Served(
            self.port,
            [
                PROGRAM,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",  # no gossip, which would listen on every address
            ],
            folder / "log",
        )
        self._hooked = False

    @staticmethod
    def missing() -> str | None:
        return None if shutil.which(PROGRAM) else f"{PROGRAM} is not on the PATH (Debian: prometheus-alertmanager)"

    def start(self) -> None:
        if not self._hooked:
            self._hook.start()
            self._hooked = True
        self._served.start()
        until = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                    return
            except OSError:
                assert time.monotonic() < until, "Alertmanager is not ready"
                time.sleep(0.05)

    def kill(self) -> None:
        self._served.kill()

    def stop(self) -> None:
        self._served.stop()
        self._hook.stop()
        self._hooked = False

    def policy(self, name: str) -> str:
        return f'[destinations.{name}]\nkind = "alertmanager"\nurls = ["http://127.0.0.1:{self.port}"]\n'

    def environment(self) -> dict[str, str]:
        return {}

    def held(self) -> list[dict[str, Any]]:
        """The alerts that are active there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/alerts", timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def notified(self) -> list[dict[str, Any]]:
        """What it sent on, in order: one alert each, with its `status`."""
        return [alert for sent in read_journal(self._journal) for alert in sent["alerts"]]

    def received(self) -> Counter[str]:
        """Each alert once an incident: by whatever it was told of, the incident is one and the same."""
        try:
            held = self.held()
        except OSError:  # killed: what it sent on is there
            held = []
        told = {
            (alert["labels"]["dedup_key"], each)
            for alert in [*self.notified(), *held]
            for each in alert["annotations"].get("alert_ids", "").split(",")
            if each
        }
        return Counter(each for _, each in told)


if __name__ == "__main__":
    listen(application(Journal(Path(sys.argv[1]))), int(sys.argv[2]))
