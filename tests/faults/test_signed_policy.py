"""A real worker under a policy that auditors must sign: it refuses, goes on, says so, and takes what is signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from agents.cli import main
from alerts import key_files
from demo.broker import EmbeddedBroker
from demo.processes import environment
from schemas.coverage import InForce
from schemas.coverage import decode as coverage
from schemas.gateway_topics import COVERAGE, POLICY_CHANGES
from schemas.policy_change import decode
from tests.faults.harness import until
from tests.faults.real import RealRun

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealRun]:
    """A broker of its own, and keys of an operator and an auditor."""
    with EmbeddedBroker() as server:
        made = RealRun(server.bootstrap, tmp_path, events=200)
        await made.prepare()
        auditors = []
        for name in ("op", "anna"):
            signer, seed = key_files.new(name)
            path = tmp_path / f"{name}.key"
            path.touch(0o600)
            path.write_bytes(key_files.write(signer, seed, None))
            if name != "op":
                auditors.append(f'{name} = "{signer.public}"\n')
        (tmp_path / "auditors.toml").write_text("".join(auditors))
        for key, value in environment(made.settings).items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("CLOVERWATCH_POLICY_AUDITORS", str(tmp_path / "auditors.toml"))
        yield made
        made.end()


async def command(*words: object) -> int:
    """Run a command in a thread: it has a loop of its own."""
    import asyncio

    return await asyncio.to_thread(main, ["policy", *map(str, words)])


async def adopt(run: RealRun, new: Path, against: Path | None) -> None:
    old = [] if against is None else ["--against", against]
    who = [("op", "propose", ["--reason", "a test"]), ("anna", "sign", [])]
    for name, action, more in who:
        key = run.folder / f"{name}.key"
        assert await command(action, new, *old, "--as", name, "--key", key, *more) == 0
    assert await command("adopt", new, "--to", run.policy) == 0


async def test_nothing_unsigned_takes_force_and_every_change_is_on_record(
    run: RealRun, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run.folder / "first.toml"
    first.write_bytes(run.policy.read_bytes())
    unsigned = run.start()
    assert await unsigned.exit_code() == 2
    assert "is not signed by the auditors" in unsigned.output()

    run.policy.unlink()
    await adopt(run, first, None)
    worker = run.start()
    await run.ready(1)

    # An edit in place: refused, told of, and the old one stays.
    right = run.policy.read_bytes()
    run.policy.write_bytes(right + b'\n[rules."place.third_country"]\nenabled = false\n')
    (alert,) = await run.stream_alerts(1)
    assert alert.rule_id == "stream.policy_refused"
    assert (await run._metrics(1))["cloverwatch_policy_refused_total"] == 1
    assert (await run._metrics(1))["cloverwatch_policy_reload_failed"] == 1
    run.policy.write_bytes(right)

    second = run.folder / "second.toml"
    second.write_bytes(right + b"# another\n")
    key = run.folder / "op.key"
    assert await command("propose", second, "--against", first, "--as", "op", "--key", key, "--reason", "r") == 0
    capsys.readouterr()
    assert await command("adopt", second, "--to", run.policy) == 2
    assert "signed by none of the auditors (anna); needed: 1" in capsys.readouterr().err
    assert await command("sign", second, "--as", "op", "--key", key) == 2, "the proposer"
    await adopt(run, second, first)
    hashes = [sha256(path.read_bytes()).hexdigest() for path in (first, second)]

    async def in_force() -> bool:
        said = [coverage.decode(record.value) for record in await run._all(COVERAGE, 1)]
        return [each.sha256 for each in said if isinstance(each, InForce)] == hashes

    await until("both were in force, in this order, and nothing else", in_force)
    changes = [decode.decode(record.value) for record in await run._all(POLICY_CHANGES, 1)]
    assert [(each.sha256, each.before) for each in changes] == [(hashes[0], ""), (hashes[1], hashes[0])]
    assert all(each.adopted_at for each in changes)
    assert changes[1].changes == ("nothing but comments, order or layout differs",)
    assert worker.popen.poll() is None, worker.output()[-3000:]
    assert await command("adopt", second, "--to", run.policy) == 0, "again, as after a crash"
