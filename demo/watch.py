"""Prometheus and Alertmanager that look at the demo, with the configuration of `deploy/`. Both listen on loopback."""

from __future__ import annotations

import http.client
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from demo.broker import end, free_port, wait_for_port

DEPLOY: Final = Path(__file__).resolve().parent.parent / "deploy"
"""In a checkout; what is installed has no `deploy/`."""

PROMETHEUS: Final = ("prometheus",)
ALERTMANAGER: Final = ("alertmanager", "prometheus-alertmanager")
"""What the programs are called: upstream, and by Debian."""

EVERY: Final = "1s"
"""Between two looks, in place of the configuration's five seconds: a demo lasts half a minute."""

STARTS_WITHIN_S: Final = 30.0
"""Either starts within a second; a busy machine may need more."""

STOPS_WITHIN_S: Final = 10.0


def missing() -> str | None:
    """Why the demo cannot be watched here, or None."""
    if not (DEPLOY / "prometheus").is_dir():
        return f"{DEPLOY} is not there: run it from a checkout"
    if _found(PROMETHEUS) is None:
        return "prometheus is not on the PATH (Debian: prometheus; prometheus-alertmanager beside it is used as well)"
    return None


ENCLAVE: Final = {"gateway": "gateway:9821", "match": "match:9812", "audit": "audit-log:9813"}
"""Targets of the second act, by the end of their job's name."""

JOB: Final = "  - job_name: cloverwatch-"
"""Where each job of the configuration begins."""


def configured(folder: Path, worker: int, deliver: int, alertmanager: int, enclave: Mapping[str, int]) -> Path:
    """Copy the configuration and the rules with the demo's ports; return the file to start Prometheus with.

    A job of `ENCLAVE` that has no port in `enclave` is left out: nothing runs there.
    """
    for source in (DEPLOY / "prometheus").glob("*.yml"):
        text = source.read_text(encoding="utf-8")
        if source.name == "prometheus.yml":
            for said, meant in (
                ("/etc/prometheus/", f"{folder}/"),
                ("worker:9808", f"127.0.0.1:{worker}"),
                ("deliver:9809", f"127.0.0.1:{deliver}"),
                ("alertmanager:9093", f"127.0.0.1:{alertmanager}"),
                ("interval: 5s", f"interval: {EVERY}"),
            ):
                if said not in text:
                    raise ValueError(f"{source} does not say {said!r}: the demo could not be looked at with it")
                text = text.replace(said, meant)
            head, *jobs = text.split(JOB)
            kept = [head]
            for job in jobs:
                name = job.split("\n", 1)[0]
                if name not in ENCLAVE:
                    kept.append(job)
                elif name in enclave:
                    if ENCLAVE[name] not in job:
                        raise ValueError(f"{source} does not say {ENCLAVE[name]!r}: it could not be looked at")
                    kept.append(job.replace(ENCLAVE[name], f"127.0.0.1:{enclave[name]}"))
            text = JOB.join(kept)
        (folder / source.name).write_text(text, encoding="utf-8")
    return folder / "prometheus.yml"


@contextmanager
def watched(
    folder: Path, worker: int, deliver: int | None, enclave: Mapping[str, int], say: Callable[[str], None]
) -> Iterator[None]:
    """Start both, where they are; say where they are; end them.

    Args:
        folder: exists; what they keep and write goes there.
        worker: port of the worker's metrics.
        deliver: port of the delivery's metrics, None where nothing delivers.
        enclave: ports of the metrics of the second act's processes, as in `ENCLAVE`; none where it is not played.
        say: takes a line for whoever watches.
    """
    alertmanager, prometheus = free_port(), free_port()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        found = _found(ALERTMANAGER)
        if found is not None:
            config = f"--config.file={DEPLOY / 'alertmanager' / 'alertmanager.yml'}"
            listen = f"--web.listen-address=127.0.0.1:{alertmanager}"
            store = f"--storage.path={folder / 'alertmanager'}"
            alone = "--cluster.listen-address="
            _start(processes, folder / "alertmanager.log", alertmanager, found, config, listen, store, alone)
            url = f"http://127.0.0.1:{alertmanager}"
            say(f"Alertmanager: {url} (Debian's comes without pages: `amtool --alertmanager.url={url} alert`)")
        config = f"--config.file={configured(folder, worker, deliver or free_port(), alertmanager, enclave)}"
        listen = f"--web.listen-address=127.0.0.1:{prometheus}"
        store = f"--storage.tsdb.path={folder / 'tsdb'}"
        program = str(_found(PROMETHEUS))
        _start(processes, folder / "prometheus.log", prometheus, program, config, listen, store)
        queries = front_page(prometheus)
        at = queries.rpartition("/")[0]
        pages = f"{at}/alerts: rules; {queries}: queries; {at}/targets: whom it asks"
        say(f"Prometheus: http://127.0.0.1:{prometheus} ({pages})")
        yield
    finally:
        for process in processes:
            end(process, STOPS_WITHIN_S)


def front_page(port: int) -> str:
    """Return the path that a Prometheus leads to from `/`: `/query`, `/graph`, or Debian's `/classic/graph`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTS_WITHIN_S)
    try:
        connection.request("GET", "/")
        return urlsplit(connection.getresponse().headers.get("Location", "")).path or "/graph"
    except OSError:
        return "/graph"
    finally:
        connection.close()


def stay(worker: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    """Return at Ctrl-C, at SIGTERM, or when the worker ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job is begun with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    say("it stays as it is until Ctrl-C")
    try:
        worker.wait()
    except KeyboardInterrupt:
        return


def _found(names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


def _start(processes: list[subprocess.Popen[bytes]], log: Path, port: int, *command: str) -> None:
    """Start a program and return when it listens; it is in `processes` from its first moment."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--log.level=warn"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    processes.append(process)
    wait_for_port(port, process, STARTS_WITHIN_S)
