"""A signed policy at a start: the topic says what was adopted last, whatever lies beside the file."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from agents.cli import main
from agents.clients import producer_of, with_admin
from agents.gateway.callers import new_token
from agents.policy_adopted import adopted, check_adopted
from agents.policy_auditors import UnsignedPolicyError, history_of, require, sig_of
from agents.policy_watch import read_policy
from agents.settings import Settings
from agents.topic_admin import create
from alerts import key_files
from alerts.signatures import Signer
from demo.broker import EmbeddedBroker, free_port
from demo.processes import environment
from schemas.errors import ReferenceUnavailableError
from schemas.gateway_topics import POLICY_CHANGES
from schemas.policy_change import PolicyChange
from tests.brokers import embedded
from tests.conftest import require as required_for
from tests.matching.world import POLICY

pytestmark = pytest.mark.broker

OF_ONE = POLICY + '\n[destinations.out]\nkind = "file"\npath = "PATH"\n'
NOBODY = Settings()


@dataclass
class Place:
    """A policy's place at a broker, an operator and an auditor."""

    settings: Settings
    folder: Path
    policy: Path

    def command(self, *words: object) -> int:
        return main(["policy", *map(str, words)])

    def adopt(self, text: str) -> bytes:
        """Propose, sign and adopt a policy; return its bytes."""
        new = self.folder / "new.toml"
        new.write_text(text)
        old = ["--against", self.policy] if self.policy.exists() else []
        for name, action, more in (("op", "propose", ["--reason", "a test"]), ("anna", "sign", [])):
            key = self.folder / f"{name}.key"
            assert self.command(action, new, *old, "--as", name, "--key", key, *more) == 0
        assert self.command("adopt", new, "--to", self.policy) == 0
        return self.policy.read_bytes()

    @property
    def files(self) -> list[Path]:
        """Everything that an operator can put back."""
        return [self.policy, sig_of(self.policy), history_of(self.policy)]

    def start(self) -> None:
        """What a process does that starts: read the policy, ask the topic."""
        require(self.settings)
        read_policy(self.policy)
        asyncio.run(check_adopted(self.settings))

    def refused(self) -> str:
        with pytest.raises(UnsignedPolicyError) as caught:
            self.start()
        return str(caught.value)

    def publish(self, *changes: PolicyChange | bytes) -> None:
        """Somebody who may write to the topic."""

        async def send() -> None:
            producer = producer_of(self.settings)
            await producer.start()
            try:
                for each in changes:
                    value = each if isinstance(each, bytes) else msgspec.json.encode(each)
                    await producer.send_and_wait(POLICY_CHANGES, value=value, key=b"k", partition=0)
            finally:
                await producer.stop()

        asyncio.run(send())

    def topic(self) -> list[PolicyChange]:
        return asyncio.run(adopted(self.settings))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    required_for(embedded.missing())
    with EmbeddedBroker() as server:
        auditors = tmp_path / "auditors.toml"
        settings = Settings(
            broker=server.bootstrap, policy=tmp_path / "policy.toml", policy_auditors=auditors, partitions=2,
            replication_factor=1, data_dir=tmp_path / "data", identities="clear", start_timeout_s=30.0,
        )  # fmt: skip
        for name in ("op", "anna"):
            signer, seed = key_files.new(name)
            path = tmp_path / f"{name}.key"
            path.touch(0o600)
            path.write_bytes(key_files.write(signer, seed, None))
            if name == "anna":
                auditors.write_text(f'{name} = "{signer.public}"\n')
        tokens = tmp_path / "tokens.toml"
        tokens.touch(0o600)
        tokens.write_text(new_token("db-proxy")[1] + "\n")
        monkeypatch.setenv("CLOVERWATCH_GATEWAY_TOKENS", str(tokens))
        for key, value in environment(settings).items():
            monkeypatch.setenv(key, value)
        asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
        yield Place(settings, tmp_path, tmp_path / "policy.toml")
    require(NOBODY)


def test_an_older_policy_put_back_with_all_its_files_is_refused_by_every_process(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    text = OF_ONE.replace("PATH", str(place.folder / "out.log"))
    first = place.adopt(text)
    place.start()
    kept = [path.read_bytes() for path in place.files]
    second = place.adopt(text + "# stricter\n")
    place.start()
    for path, content in zip(place.files, kept, strict=True):
        path.write_bytes(content)
    one, two = (PolicyChange.hash_of(each)[:16] for each in (first, second))
    said = place.refused()
    assert f"({one}) is refused: policy.changes says that {two} was adopted" in said
    assert f"allowed: {two}" in said
    for command in ("worker", "gateway", "match", "deliver"):
        capfd.readouterr()
        assert main([command]) == 2, command
        error = capfd.readouterr().err
        assert one in error, command
        assert f"{two} was adopted" in error, command
    # `adopt` does not help either, neither as it is nor from a copy.
    (place.folder / "copy.toml").write_bytes(kept[0])
    (place.folder / "copy.toml.sig").write_bytes(kept[1])
    assert place.command("adopt", place.folder / "copy.toml", "--to", place.policy) == 2
    assert f"{two} was adopted" in capfd.readouterr().err
    assert [each.version for each in place.topic()] == [one, two]


def test_a_policy_that_was_never_adopted_is_refused_and_one_that_the_topic_lost_is_adopted_again(
    place: Place,
) -> None:
    content = place.adopt(POLICY)
    (record,) = place.topic()

    # Another cluster, or one that lost it: the same files, nothing in the topic.
    with EmbeddedBroker() as empty:
        place.settings = dataclasses.replace(place.settings, broker=empty.bootstrap)
        asyncio.run(with_admin(place.settings, lambda admin: create(admin, place.settings)))
        version = PolicyChange.hash_of(content)[:16]
        said = place.refused()
        assert f"({version}) is refused: policy.changes holds no adoption" in said
        assert "`cloverwatch policy adopt`" in said
        place.publish(b"no change", replace(record, adopted_at=0), replace(record, signed=()))
        assert "holds no adoption" in place.refused()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLOVERWATCH_BROKER", empty.bootstrap)
            copy = place.folder / "copy.toml"
            copy.write_bytes(content)
            sig_of(copy).write_bytes(sig_of(place.policy).read_bytes())
            assert place.command("adopt", copy, "--to", place.policy) == 0
            assert place.command("adopt", copy, "--to", place.policy) == 0, "once is enough"
        assert [each.sha256 for each in place.topic()][1:] == [record.sha256]
        place.start()


def test_what_is_put_behind_a_newer_adoption_is_not_taken_for_newer(place: Place) -> None:
    """Whoever may write to the topic sends an old record again, with a later time of its adoption."""
    place.adopt(POLICY)
    kept = [path.read_bytes() for path in place.files]
    place.adopt(POLICY + "# stricter\n")
    old, new = place.topic()
    place.publish(replace(old, adopted_at=new.adopted_at + 60_000))
    place.start()
    for path, content in zip(place.files, kept, strict=True):
        path.write_bytes(content)
    assert new.version in place.refused()


def test_without_brokers_nothing_starts_that_must_be_signed_and_all_else_is_as_before(place: Place) -> None:
    place.adopt(POLICY)
    away = dataclasses.replace(place.settings, broker=f"127.0.0.1:{free_port()}", start_timeout_s=0.5)
    require(away)
    read_policy(place.policy)
    with pytest.raises(ReferenceUnavailableError, match="no broker answers"):
        asyncio.run(check_adopted(away))
    unsigned = dataclasses.replace(away, policy_auditors=None)
    require(unsigned)
    place.policy.write_bytes(POLICY.encode() + b"# nobody signed\n")
    read_policy(place.policy)
    asyncio.run(check_adopted(unsigned))


def test_auditors_who_come_later_sign_what_is_in_force(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy was adopted before there were auditors: they sign it as it is, and it is adopted with that."""
    new = place.folder / "new.toml"
    new.write_text(POLICY)
    key = place.folder / "op.key"
    with monkeypatch.context() as before:
        before.delenv("CLOVERWATCH_POLICY_AUDITORS")
        assert place.command("propose", new, "--as", "op", "--key", key, "--reason", "first") == 0
        assert place.command("adopt", new, "--to", place.policy) == 0
    with pytest.raises(UnsignedPolicyError):
        place.start()
    place.adopt(POLICY)
    place.start()
    assert len(history_of(place.policy).read_bytes().splitlines()) == 2


def test_a_key_that_is_no_auditors_is_none(place: Place) -> None:
    place.adopt(POLICY)
    (record,) = place.topic()
    stranger = Signer("anna", b"s" * 32)
    (step,) = record.signed
    later = replace(step, at=step.at + 60_000)
    forged = replace(
        record, sha256="0" * 64,
        signed=(replace(later, signature=stranger.sign(record.step_part("signed", "anna", later.at, ""))),),
    )  # fmt: skip
    place.publish(forged)
    place.start()
