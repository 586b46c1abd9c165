"""Our log, proofs and witness beside the Go programs of the transparency-log community."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents.audit.tlog import Log, LogReader, NoteSigner, Policy, Told, WitnessClient, Witnesses, vkey
from agents.audit.tlog.notes import COSIGNATURE
from demo.broker import end, free_port, wait_for_port
from tests.audit import go_tools
from tests.conftest import require

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
TOOL_TIMEOUT = 120.0
START_TIMEOUT = 60.0


@pytest.fixture(autouse=True)
def _tools() -> None:
    require(go_tools.missing())


def tool(name: str, *arguments: str | Path, timeout: float = TOOL_TIMEOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [go_tools.program(name), *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )


def made(folder: Path, size: int, signer: NoteSigner) -> list[bytes]:
    """A log of `size` entries in a folder, appended in uneven batches."""
    entries = [f"entry {n} ".encode() * (n % 7) for n in range(size)]
    with Log(folder, signer, time.time) as log:
        at, batch = 0, 1
        while at < size:
            log.append(entries[at : at + batch])
            at, batch = at + batch, min(batch * 3 + 1, 9_000)
    return entries


def fsck(url: str, key: Path) -> str:
    found = tool("fsck", f"--storage_url={url}", f"--public_key={key}", "--ui=false", "--alsologtostderr")
    return found.stderr


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The folder `log` over HTTP, as any web server serves it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "log")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 70_000])
def test_fsck_finds_the_whole_log_right(size: int, tmp_path: Path) -> None:
    signer = NoteSigner.new("example.com/log")
    made(tmp_path / "log", size, signer)
    (tmp_path / "key").write_text(str(signer.public))
    said = fsck(f"file://{tmp_path}/log/", tmp_path / "key")
    assert f"Successfully fsck'd log with size {size} " in said, said


def test_fsck_over_http_as_our_reader_over_http(tmp_path: Path, served: str) -> None:
    signer = NoteSigner.new("example.com/log")
    entries = made(tmp_path / "log", 600, signer)
    (tmp_path / "key").write_text(str(signer.public))
    assert "Successfully fsck'd log with size 600 " in fsck(served, tmp_path / "key")
    reader = LogReader(served)
    reader.checkpoint([signer.public])
    assert list(reader.entries()) == entries


def test_fsck_would_have_said_so(tmp_path: Path) -> None:
    signer = NoteSigner.new("example.com/log")
    made(tmp_path / "log", 200, signer)
    (tmp_path / "key").write_text(str(signer.public))
    bundle = tmp_path / "log/tile/entries/000.p/200"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 11 ", b"entry 12 "))
    said = fsck(f"file://{tmp_path}/log/", tmp_path / "key")
    assert "fsck failed" in said
    assert "Successfully" not in said


def test_consistency_proofs_are_verified_by_go(tmp_path: Path) -> None:
    signer = NoteSigner.new("example.com/log")
    made(tmp_path / "log", 1_234, signer)
    reader = LogReader(tmp_path / "log")
    found = reader.checkpoint([signer.public])
    tree = reader.tree(found)
    for old in (1, 2, 255, 256, 257, 512, 1_000, 1_233):
        proof = [b64encode(each).decode() for each in reader.consistency_proof(old)]
        roots = b64encode(tree.root_at(old)).decode(), b64encode(found.root).decode()
        assert tool("prover", "consistency", str(old), roots[0], "1234", roots[1], *proof).stdout == "consistent\n"
        assert tool("prover", "consistency", str(old), roots[1], "1234", roots[1], *proof).returncode == 1


class OmniWitness:
    """The OmniWitness, which cosigns for one log."""

    def __init__(self, folder: Path, log: NoteSigner) -> None:
        self.signer = NoteSigner.new("witness.example/omni", COSIGNATURE)
        self.port = free_port()
        (folder / "key").write_text(self.signer.private())
        (folder / "logs.yaml").write_text(f'Logs:\n  - Origin: {log.public.name}\n    PublicKey: "{log.public}"\n')
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "omniwitness.log").open("ab") as said:
            self._process = subprocess.Popen(
                [
                    go_tools.program("omniwitness"),
                    f"--listen=127.0.0.1:{self.port}",
                    "--metrics_listen=",
                    f"--private_key_path={self.folder}/key",
                    f"--db_file={self.folder}/witness.db",
                    f"--additional_logs={self.folder}/logs.yaml",
                    "--alsologtostderr",
                ],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def omni(tmp_path: Path) -> Iterator[tuple[OmniWitness, NoteSigner]]:
    require(go_tools.missing())
    log = NoteSigner.new("example.com/log")
    (tmp_path / "omni").mkdir()
    running = OmniWitness(tmp_path / "omni", log)
    running.start()
    try:
        yield running, log
    finally:
        running.stop()


def test_the_omniwitness_cosigns_our_log_and_go_verifies_the_proof(
    tmp_path: Path, omni: tuple[OmniWitness, NoteSigner]
) -> None:
    """It is down for a while: the log goes on, tells of it, and gets its cosignature when it is back."""
    witness, signer = omni
    told: list[Told] = []
    witnesses = Witnesses([WitnessClient(witness.url, witness.signer.public)], 1, told.append)
    entries = [f"entry {n}".encode() for n in range(1_000)]
    with Log(tmp_path / "log", signer, time.time, witnesses=witnesses) as log:
        for at in range(0, 500, 100):
            log.append(entries[at : at + 100])
            assert [each.cosigned for each in log.cosign()] == [True], told
        witness.stop()
        log.append(entries[500:600])
        assert not log.cosign()[0].cosigned
        assert told[-1].what.startswith("no answer")
        witness.start()
        log.append(entries[600:])
        assert log.cosign()[0].cosigned
    reader = LogReader(tmp_path / "log")
    found = reader.checkpoint([signer.public], Policy((witness.signer.public,), 1))
    assert found.size == 1_000
    assert abs(found.witnesses["witness.example/omni"] - time.time()) < 300
    (tmp_path / "entry").write_bytes(entries[777])
    (tmp_path / "a.tlog-proof").write_bytes(bytes(reader.prove(777, b"extra")))
    keys = str(signer.public), str(witness.signer.public)
    proven = tool("prover", "proof", tmp_path / "a.tlog-proof", tmp_path / "entry", *keys)
    assert proven.stdout == "proven 777 1000\n"
    (tmp_path / "entry").write_bytes(entries[776])
    assert tool("prover", "proof", tmp_path / "a.tlog-proof", tmp_path / "entry", *keys).returncode == 1


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[tuple[str, NoteSigner, str]]:
    """Our witness as a process: its URL, the log's key, its public key."""
    log = NoteSigner.new("example.com/log")
    key = tmp_path / "witness.key"
    command = [sys.executable, "-m", "tests.audit.part"]
    printed = subprocess.run(
        [*command, "keys", "new", "witness.example/w1", "--out", key, "--witness"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    ).stdout
    port = free_port()
    process = subprocess.Popen(
        [
            *command,
            "witness",
            "--key",
            key,
            "--state",
            tmp_path / "state",
            "--log",
            str(log.public),
            "--port",
            str(port),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process, START_TIMEOUT)
        yield f"http://127.0.0.1:{port}", log, printed.strip()
    finally:
        end(process, 20)


def test_a_go_client_gets_every_answer_from_our_witness(tmp_path: Path, ours: tuple[str, NoteSigner, str]) -> None:
    url, signer, public = ours
    note = tmp_path / "checkpoint"

    def submit(old: int, reader: LogReader, proof: list[bytes]) -> str:
        note.write_bytes(bytes(reader.checkpoint([reader_signer.public])))
        return tool("prover", "submit", url, str(old), note, *(b64encode(each).decode() for each in proof)).stdout

    reader_signer = signer
    made(tmp_path / "log", 100, signer)
    reader = LogReader(tmp_path / "log")
    assert "— witness.example/w1 " in submit(0, reader, [])
    with Log(tmp_path / "log", signer, time.time) as log:
        log.append([b"more"] * 50)
    reader.checkpoint([signer.public])
    proof = reader.consistency_proof(100)
    assert "100" in submit(0, reader, [])
    assert "proof" in submit(100, reader, [*proof[:-1], bytes(32)]).lower()
    line = submit(100, reader, proof)
    signed = reader.checkpoint([signer.public]).note
    from agents.audit.tlog.notes import signature_line

    assert vkey(public).verifies(signed.text, signature_line(line.removesuffix("\n"), "line"))
    made(tmp_path / "forked", 149, signer)
    with Log(tmp_path / "forked", signer, time.time) as log:
        log.append([b"another"])
    forked = LogReader(tmp_path / "forked")
    assert "refused" in submit(150, forked, [])
    reader_signer = NoteSigner.new("example.com/log")
    made(tmp_path / "stranger", 10, reader_signer)
    assert "signature" in submit(0, LogReader(tmp_path / "stranger"), []).lower()
    reader_signer = NoteSigner.new("example.com/unknown")
    made(tmp_path / "unknown", 10, reader_signer)
    assert "unknown" in submit(0, LogReader(tmp_path / "unknown"), []).lower()
