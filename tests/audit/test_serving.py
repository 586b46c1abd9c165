"""`audit serve`, a real process: what it answers, with which headers, and that it answers nothing else."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.cli import main
from tests.audit.making import KEY, World, write_log

START = "import sys; from agents.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serving")
    world = World(seed=3)
    world.live(150)
    (folder / "secret").write_text("beside the log")
    write_log(folder / "log", world.entries)
    (folder / "log" / "private").write_text("within the log's folder")
    (folder / "log" / "tile" / "0" / "999").symlink_to(folder / "secret")
    return folder / "log"


@pytest.fixture(scope="module")
def port(log: Path) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", START, "audit", "serve", str(log), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def ask(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def test_the_checkpoint_is_text_that_no_cache_keeps(port: int, log: Path) -> None:
    status, headers, body = ask(port, "/checkpoint")
    assert (status, body) == (200, (log / "checkpoint").read_bytes())
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["cache-control"] == "no-cache"


def test_a_full_tile_is_kept_for_ever_and_a_partial_one_is_not(port: int, log: Path) -> None:
    status, headers, body = ask(port, "/tile/0/000")
    assert (status, len(body)) == (200, 256 * 32)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    size = int((log / "checkpoint").read_text().split("\n")[1])
    status, headers, body = ask(port, f"/tile/entries/{size // 256:03d}.p/{size % 256}")
    assert status == 200
    assert body
    assert headers["cache-control"] == "public, max-age=3600"


def test_head_is_the_same_without_the_body(port: int) -> None:
    status, headers, body = ask(port, "/tile/entries/000", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 1000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    status, headers, _ = ask(port, "/checkpoint", method)
    assert status == 405
    assert headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/tile", "/tile/", "/tile/0", "/tile/0/", "/private", "/.state/latest", "/checkpoint/", "/checkpoint?x=1",
        "/../secret", "/tile/../../secret", "/tile/0/%2e%2e/%2e%2e/%2e%2e/secret", "/%2e%2e/secret", "//checkpoint",
        "/tile/0/000/../../../private", "/tile/0/999", "/tile/64/000", "/tile/00/000", "/tile/0/0", "/tile/0/000.p/256",
        "/tile/0/000.p/0", "/tile/0/000.p/01", "/tile/entries/x000/", "/checkpoint%00", "/checkpoint%0a", "/CHECKPOINT",
        "/tile/x/000", "/tile/data/000", "/" + "x" * 5000,
    ],
)  # fmt: skip
def test_nothing_else_is_there(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := raw.recv(65536):
            answer += part
    assert answer.split(b" ", 2)[1] in {b"404", b"400"}
    assert b"beside the log" not in answer
    assert b"within the log" not in answer


def test_what_is_fetched_can_be_verified(port: int, log: Path, tmp_path: Path) -> None:
    """An auditor's mirror, of nothing but what is served."""
    mirror = tmp_path / "mirror"
    size = int(ask(port, "/checkpoint")[2].split(b"\n")[1])
    names, count, level = ["checkpoint"], size, 0
    while count:
        names += [f"tile/{level}/{number:03d}" for number in range(count // 256)]
        if count % 256:
            names.append(f"tile/{level}/{count // 256:03d}.p/{count % 256}")
        count, level = count // 256, level + 1
    names += [name.replace("tile/0/", "tile/entries/") for name in names if name.startswith("tile/0/")]
    for name in names:
        status, _, body = ask(port, f"/{name}")
        assert status == 200, name
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(body)
    assert main(["audit", "verify", str(mirror), "--key", KEY, "--json"]) == 0


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    assert main(["audit", "serve", str(tmp_path)]) == 2
