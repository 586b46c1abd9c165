"""A witness answers as C2SP tlog-witness says, status by status; and what its log learns of it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from agents.audit.tlog import Folder, InconsistentLogError, Log, LogBrokenError, LogReader, NoteSigner, Policy, Told
from agents.audit.tlog.notes import COSIGNATURE
from agents.audit.tlog.witness import Answer, Witness
from agents.audit.tlog.witnessing import SIZE_TYPE, WitnessClient, Witnesses, request
from tests.audit.tlog.disks import NOW, clock

ORIGIN = "example.com/log"


class Bench:
    """A log, a witness, and their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_key = NoteSigner.new(ORIGIN)
        self.witness_key = NoteSigner.new("witness.example/w1", COSIGNATURE)
        self.told: list[Told] = []
        self.witness = self.again()

    def again(self) -> Witness:
        """The witness, started anew."""
        return Witness(self.witness_key, {ORIGIN: [self.log_key.public]}, Folder(self.folder / "witness"), clock)

    def log(self, name: str = "log", **more: object) -> Log:
        return Log(self.folder / name, self.log_key, clock, **more)  # type: ignore[arg-type]

    def client(self) -> WitnessClient:
        def post(body: bytes) -> tuple[int, str, bytes]:
            answer = self.witness.add_checkpoint(body)
            return answer.status, answer.kind, answer.body

        return WitnessClient("http://127.0.0.1:1/", self.witness_key.public, post=post)

    def witnesses(self, needed: int = 1) -> Witnesses:
        return Witnesses([self.client()], needed, self.told.append)

    def submit(self, log: Log, old: int) -> Answer:
        return self.witness.add_checkpoint(request(old, log.tree().consistency_proof(old), log.checkpoint()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_cosigns_what_extends_what_it_cosigned(bench: Bench) -> None:
    with bench.log() as log:
        for old, new in ((0, 3), (3, 300), (300, 300), (300, 1_000)):
            log.append([b"entry"] * (new - old))
            answer = bench.submit(log, old)
            assert answer.status == 200
            bench.witness = bench.again()
            newest = bench.witness.newest(ORIGIN)
            assert newest is not None
            assert newest.size == new
        note = log.checkpoint().note
        from agents.audit.tlog.notes import signature_line

        signature = signature_line(answer.body.decode().removesuffix("\n"), "line")
        assert bench.witness_key.public.verifies(note.text, signature)
        assert signature.time == int(NOW)


def test_every_refusal(bench: Bench) -> None:
    with bench.log() as log, bench.log("fork") as fork:
        log.append([b"entry"] * 10)
        fork.append([b"other"] * 10)
        assert bench.submit(log, 0).status == 200
        log.append([b"entry"] * 10)
        fork.append([b"other"] * 10)
        stale = bench.submit(log, 5)
        assert (stale.status, stale.kind, stale.body) == (409, SIZE_TYPE, b"10\n")
        checkpoint, proof = log.checkpoint(), log.tree().consistency_proof(10)
        assert bench.witness.add_checkpoint(request(10, [*proof, proof[0]], checkpoint)).status == 422
        assert bench.witness.add_checkpoint(request(21, proof, checkpoint)).status == 400
        assert bench.submit(fork, 10).status == 422
        assert bench.submit(log, 10).status == 200
        two_roots = bench.submit(fork, 20)
        assert two_roots.status == 409
        assert two_roots.kind != SIZE_TYPE
        kept = list((bench.folder / "witness").glob("*.evidence/*"))
        assert len(kept) == 2, "the signed checkpoints of the other history are kept"
        body = request(20, [], log.checkpoint())
        for old, new, status in (
            (b"old 20", b"old 020", 400),
            (b"old 20", b"old  20", 400),
            (b"old 20\n", b"", 400),
            (b"old 20\n", b"old 20\nx\n", 400),
            (b"old 20\n", b"old 20\n" + b64encode(bytes(32)) + b"\n", 422),
            (b"old 20\n", b"old 20\n" + (b64encode(bytes(32)) + b"\n") * 64, 400),
            (b"\n20\n", b"\n21\n", 403),
            (b"\nexample.com/log\n", b"\nexample.com/other\n", 404),
            (b"", b"", 200),
        ):
            assert bench.witness.add_checkpoint(body.replace(old, new, 1)).status == status, (old, new)
        assert bench.witness.newest(ORIGIN) is not None


def test_the_log_publishes_cosignatures_and_goes_on_without(bench: Bench) -> None:
    reads = LogReader(bench.folder / "log")
    keys, policy = [bench.log_key.public], Policy((bench.witness_key.public,), 1)
    with bench.log(witnesses=bench.witnesses()) as log:
        log.append([b"entry"] * 5)
        log.cosign()
        assert reads.checkpoint(keys, policy).size == 5
        log.append([b"entry"] * 5)
        assert reads.checkpoint(keys).size == 10
        assert reads.checkpoint(keys, policy).size == 5, "the newest that is witnessed"
        assert len(list(reads.entries())) == 5
        bench.witness = Witness(bench.witness_key, {}, Folder(bench.folder / "other"), clock)
        assert log.cosign()[0].what == "does not cosign for this log (404)"
        bench.witness = bench.again()
        log.cosign()
        assert reads.checkpoint(keys, policy).size == 10
    assert [each.cosigned for each in bench.told] == [True, True, False, True]


def test_a_log_and_its_state_put_back_together_are_found_by_the_witness(bench: Bench) -> None:
    import shutil

    with bench.log(witnesses=bench.witnesses()) as log:
        log.append([b"entry"] * 5)
        shutil.copytree(bench.folder / "log", bench.folder / "backup")
        log.append([b"entry"] * 5)
        log.cosign()
    shutil.rmtree(bench.folder / "log")
    (bench.folder / "backup").rename(bench.folder / "log")
    with pytest.raises(InconsistentLogError, match="has cosigned 10 entries, the log has 5: it was put back"):
        bench.log(witnesses=bench.witnesses())
    with bench.log() as log:
        log.append([b"other"] * 5)
    with pytest.raises(InconsistentLogError, match="another history"):
        bench.log(witnesses=bench.witnesses())


def test_a_fork_that_shows_while_it_runs_stops_the_log(bench: Bench) -> None:
    with bench.log("one") as log:
        log.append([b"one"])
        assert bench.submit(log, 0).status == 200
    with bench.log("two", witnesses=bench.witnesses(), ask=False) as log:
        log.append([b"two"])
        with pytest.raises(InconsistentLogError):
            log.cosign()
        with pytest.raises(LogBrokenError, match="another history"):
            log.append([b"more"])


def test_a_witness_whose_state_was_changed_says_so(bench: Bench) -> None:
    from agents.audit.tlog import BadNoteError

    with bench.log() as log:
        log.append([b"entry"])
        bench.submit(log, 0)
    (kept,) = (bench.folder / "witness").glob("*.checkpoint")
    kept.write_bytes(kept.read_bytes().replace(b"\n1\n", b"\n2\n"))
    with pytest.raises(BadNoteError, match="not theirs"):
        bench.again().newest(ORIGIN)
