"""`audit fetch` from a real `audit serve`: all of a log, what is new of it, and what no fetch may accept."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents.audit.downloads import FIRST_PAUSE_S, TRIES, Downloads
from agents.audit.mirror import fetch
from agents.audit.tlog import BadLogError, Folder, Log, LogReader, NoteSigner, vkey
from agents.audit.tlog.errors import LogBusyError
from agents.cli import main
from schemas.errors import ReferenceUnavailableError
from tests.audit.making import KEY, World, write_log
from tests.receivers.certificates import Certificates, certificates

START = "import sys; from agents.cli import main; sys.exit(main())"
SIGNER = NoteSigner.new("audit.example/fetched")
BIG = 256 * 256 + 700
"""Entries of a log with tiles on three levels."""


def entries(first: int, last: int, mark: str = "") -> list[bytes]:
    return [b"entry %d%s" % (each, mark.encode()) for each in range(first, last)]


def grow(folder: Path, to: int, mark: str = "") -> None:
    with Log(folder, SIGNER, lambda: 0.0) as log:
        log.append(entries(log.size, to, mark))


@dataclass(frozen=True, slots=True)
class Site:
    """What one `cloverwatch audit serve`, a real process, serves: the log that it is given to show."""

    url: str
    folder: Path

    def show(self, log: Path) -> str:
        shutil.rmtree(self.folder)
        shutil.copytree(log, self.folder)
        return self.url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served") / "log"
    grow(folder, 1)
    process = subprocess.Popen(
        [sys.executable, "-c", START, "audit", "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Site(process.stdout.readline().strip(), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def ask(url: str, to: Path) -> int:
    return main(["audit", "fetch", url, str(to), "--key", str(SIGNER.public)])


def files(folder: Path) -> dict[str, bytes]:
    found = (each for each in folder.rglob("*") if each.is_file() and ".state" not in each.parts)
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def holds(mirror: Path, log: Path) -> bool:
    """Whether all of a log is in its mirror, as the log has it."""
    reader = LogReader(mirror)
    signed = reader.checkpoint([SIGNER.public])
    assert not list(reader.tree(signed).problems())
    return files(mirror).items() <= files(log).items()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fetched") / "log"
    grow(folder, 1_000)
    return folder


@pytest.fixture
def url(site: Site, log: Path) -> str:
    return site.show(log)


def test_a_log_is_fetched_and_verified_with_the_commands_of_the_auditors_page(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(seed=3)
    world.live(150)
    write_log(tmp_path / "log", world.entries)
    where = site.show(tmp_path / "log")
    assert main(["audit", "fetch", where, str(tmp_path / "mirror"), "--key", KEY]) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path / 'mirror'}: " in said
    assert "files were fetched" in said
    assert main(["audit", "verify", str(tmp_path / "mirror"), "--key", KEY]) == 0
    assert files(tmp_path / "mirror") == files(tmp_path / "log")


def test_a_second_fetch_gets_what_is_new_alone(site: Site, log: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    assert ask(site.show(log), mirror) == 0
    before = {path: (mirror / path).stat().st_ino for path in files(mirror) if ".p/" not in path}
    grow(log, 1_500)
    assert ask(site.show(log), mirror) == 0
    assert holds(mirror, log)
    again = {path for path, inode in before.items() if (mirror / path).stat().st_ino != inode}
    assert again == {"checkpoint"}


def test_tiles_of_every_level_and_partial_ones_that_the_log_has_left_behind(site: Site, tmp_path: Path) -> None:
    """The checkpoint is of a moment ago: the partial files that it implies are full ones by now."""
    grow(tmp_path / "log", BIG)
    old = (tmp_path / "log" / "checkpoint").read_bytes()
    grow(tmp_path / "log", BIG + 600)
    (tmp_path / "log" / "checkpoint").write_bytes(old)
    assert ask(site.show(tmp_path / "log"), tmp_path / "mirror") == 0
    grow(tmp_path / "alike", BIG)
    assert set(files(tmp_path / "mirror")) == set(files(tmp_path / "alike"))
    there, alike = files(tmp_path / "mirror"), files(tmp_path / "alike")
    assert {path for path in there if there[path] != alike[path]} <= {"checkpoint"}


def test_a_history_that_was_rewritten_is_refused_and_kept(
    site: Site, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = tmp_path / "mirror"
    assert ask(site.show(log), mirror) == 0
    before = files(mirror)
    size = int(before["checkpoint"].split(b"\n")[1])
    grow(tmp_path / "other", size + 300, "!")
    assert ask(site.show(tmp_path / "other"), mirror) == 1
    assert "the history was rewritten, or two logs of one name are shown" in capsys.readouterr().out
    assert (mirror / "checkpoint.refused").read_bytes() == (tmp_path / "other" / "checkpoint").read_bytes()
    assert before.items() <= files(mirror).items(), "what was fetched before stays"
    assert ask(site.show(log), mirror) == 0


def test_a_log_that_was_put_back_is_refused(
    site: Site, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = tmp_path / "mirror"
    assert ask(site.show(log), mirror) == 0
    grow(tmp_path / "shorter", 300)
    assert ask(site.show(tmp_path / "shorter"), mirror) == 1
    assert "is of 300 entries, the one that was fetched before of" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["tile/0/001", "tile/entries/002", "tile/entries/000"])
def test_a_file_that_is_not_what_was_signed_is_not_kept(
    site: Site, log: Path, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(log, tmp_path / "log")
    changed = bytearray((tmp_path / "log" / path).read_bytes())
    changed[100] ^= 1
    (tmp_path / "log" / path).write_bytes(changed)
    assert ask(site.show(tmp_path / "log"), tmp_path / "mirror") == 1
    assert path in capsys.readouterr().out
    assert not (tmp_path / "mirror" / path).exists()
    assert not (tmp_path / "mirror" / "checkpoint").exists()


def test_another_logs_key_is_refused_before_anything_is_written(url: str, tmp_path: Path) -> None:
    other = str(NoteSigner.new("audit.example/fetched").public)
    assert main(["audit", "fetch", url, str(tmp_path / "mirror"), "--key", other]) == 1
    assert files(tmp_path / "mirror") == {}


def test_what_is_damaged_or_gone_here_is_fetched_again(log: Path, url: str, tmp_path: Path) -> None:
    """A fetch that was killed leaves files without a checkpoint; they are used as far as they are right."""
    mirror = tmp_path / "mirror"
    assert ask(url, mirror) == 0
    (mirror / "checkpoint").unlink()
    (mirror / "tile/0/001").write_bytes(b"x" * 8_192)
    (mirror / "tile/entries/001").write_bytes(b"")
    (mirror / "tile/entries/002").unlink()
    assert ask(url, mirror) == 0
    assert holds(mirror, log)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://x/", "allowed: http://HOST/PATH or https://HOST/PATH"),
        ("http://user@x/", "no user"),
        ("http://x/?a", "no query"),
    ],
)
def test_an_address_that_is_none_is_refused(
    url: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(url, tmp_path / "mirror") == 2
    assert said in capsys.readouterr().err


def test_a_folder_with_something_else_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert ask(url, tmp_path) == 2


def test_two_fetches_do_not_write_one_folder(tmp_path: Path, url: str) -> None:
    folder = Folder(tmp_path)
    folder.lock()
    try:
        with pytest.raises(LogBusyError):
            asyncio.run(fetched(url, tmp_path))
    finally:
        folder.unlock()


async def fetched(url: str, to: Path, pauses: list[float] | None = None) -> None:
    async def pause(seconds: float) -> None:
        (pauses if pauses is not None else []).append(seconds)

    async with Downloads(url, pause=pause) as web:
        await fetch(web, to, [vkey(str(SIGNER.public), "key")])


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], tls: Certificates | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.server, tls.server_key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is overridden
        pass


@pytest.mark.parametrize(("said", "least"), [(None, 0.5), ("7", 7.0), ("Wed, 25 Nov 2026 10:00:00 GMT", 0.5)])
def test_a_server_that_is_busy_is_asked_again_when_it_says_or_with_longer_pauses(
    log: Path, tmp_path: Path, said: str | None, least: float
) -> None:
    asked: Counter[str] = Counter()

    class Busy(Quiet):
        def do_GET(self) -> None:
            asked[self.path] += 1
            found = log / self.path.lstrip("/")
            status = 429 if asked[self.path] <= 2 else 200 if found.is_file() else 404
            body = found.read_bytes() if status == 200 else b""
            self.send_response(status)
            if status == 429 and said is not None:
                self.send_header("Retry-After", said)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    pauses: list[float] = []
    with answering(Busy) as where:
        asyncio.run(fetched(where, tmp_path / "mirror", pauses))
    assert holds(tmp_path / "mirror", log)
    assert set(asked.values()) == {3}
    assert min(pauses) >= least
    assert max(pauses) <= 2 * max(least, FIRST_PAUSE_S * 2)


def test_a_certificate_that_nobody_known_signed_is_refused(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = certificates(tmp_path / "tls", "127.0.0.1")

    class Plain(Quiet):
        def do_GET(self) -> None:
            found = log / self.path.lstrip("/")
            body = found.read_bytes() if found.is_file() else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with answering(Plain, made) as where:
        assert ask(where, tmp_path / "mirror") == 1
        assert "--ca names who signed its certificate" in capsys.readouterr().err
        known = ["--key", str(SIGNER.public), "--ca", str(made.ca)]
        assert main(["audit", "fetch", where, str(tmp_path / "mirror"), *known]) == 0
    assert holds(tmp_path / "mirror", log)
    assert main(["audit", "fetch", where, str(tmp_path / "mirror"), *known[:3], str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("status", [302, 403, 500])
def test_what_it_answers_instead_is_said(status: int, tmp_path: Path) -> None:
    class Refusing(Quiet):
        asked = 0

        def do_GET(self) -> None:
            Refusing.asked += 1
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with answering(Refusing) as where, pytest.raises(ReferenceUnavailableError, match=f"the server answers {status}"):
        asyncio.run(fetched(where, tmp_path / "mirror"))
    assert Refusing.asked == (TRIES if status == 500 else 1)


def test_more_bytes_than_a_file_may_have_are_not_read(tmp_path: Path) -> None:
    class Endless(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65_536)
            except OSError:
                self.close_connection = True

    with answering(Endless) as where, pytest.raises(BadLogError, match="more than 65,536 bytes"):
        asyncio.run(fetched(where, tmp_path / "mirror"))


def test_what_is_fetched_is_what_the_auditors_page_counts(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for size, new in ((621, 621), (1_035, 414)):
        grow(tmp_path / "log", size)
        assert ask(site.show(tmp_path / "log"), tmp_path / "mirror") == 0
        said = f"{new} of them are new; 8 files were fetched"
        assert said in capsys.readouterr().out
        assert said in Path("docs/auditor.md").read_text(encoding="utf-8")
