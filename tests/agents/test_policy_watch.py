"""A policy that is changed while the worker runs: a good one takes force, a broken one is refused loudly."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.metrics import Metrics
from agents.policy_watch import PolicyWatch, read_policy
from rules.cases import POLICY
from rules.policy import Policy
from schemas.errors import ConfigurationError

INTERVAL = 0.004
REFUSED = "The new policy is refused, the old one stays in force"


@dataclass
class Told:
    """What the watch said."""

    adopted: list[Policy] = field(default_factory=list)
    metrics: Metrics = field(default_factory=lambda: Metrics("test"))
    failed: list[bool] = field(default_factory=list)

    def fail(self, wrong: bool) -> None:
        self.failed.append(wrong)
        self.metrics.policy_failed.set(int(wrong))

    @property
    def gauge(self) -> float | None:
        return self.metrics.registry.get_sample_value("cloverwatch_policy_reload_failed")


def put(path: Path, content: str | bytes | None) -> None:
    """Change the file, at once as an editor's rename does: we write between two looks of the same loop."""
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(INTERVAL / 2)


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Told]:
    told = Told()
    content, _ = read_policy(path)
    watch = PolicyWatch(path, content, INTERVAL, adopt=lambda policy, _: told.adopted.append(policy), failed=told.fail)
    async with watch:
        yield told


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "policy.toml"
    found.write_text(POLICY)
    return found


async def test_a_file_that_does_not_change_changes_nothing(path: Path) -> None:
    async with watching(path) as told:
        put(path, POLICY)
        await asyncio.sleep(INTERVAL * 5)
    assert (told.adopted, told.failed) == ([], [])


async def test_a_good_new_policy_takes_force_once(path: Path) -> None:
    async with watching(path) as told:
        put(path, POLICY + "# another\n")
        await until(lambda: bool(told.adopted))
        await asyncio.sleep(INTERVAL * 5)
    assert [policy.version for policy in told.adopted] == [read_policy(path)[1].version]


@pytest.mark.parametrize(
    "content", [b"version = 2", b"version =", b"\xff\xfe", b"x = " + b"[" * 50_000, b"x = " + b"9" * 9_000, None]
)
async def test_a_broken_policy_leaves_the_old_one_in_force_and_says_so_loudly(
    path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(path) as told:
        put(path, content)
        await until(lambda: told.gauge == 1)
        await asyncio.sleep(INTERVAL * 5)
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(errors) == 1, "once for each error, or nobody reads it"
        assert REFUSED in errors[0].getMessage()
        assert path.name in errors[0].getMessage()
        assert told.adopted == []
        # And the way back: to what was in force, or to something new.
        put(path, POLICY)
        await until(lambda: told.gauge == 0)
        assert told.adopted == [], "it is the one in force"
        put(path, POLICY + "\n")
        await until(lambda: bool(told.adopted))
    assert told.failed[0] is True
    assert told.failed[-1] is False


async def test_another_error_is_said_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def errors() -> int:
        return sum(REFUSED in record.getMessage() for record in caplog.records)

    async with watching(path) as told:
        put(path, "version = 2")
        await until(lambda: errors() == 1)
        put(path, "version = 3")
        await until(lambda: errors() == 2)
        assert told.gauge == 1


async def test_what_cannot_be_taken_is_refused_as_a_broken_one_is(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway cannot decide by a policy without `[gateway]`, right as the file may be."""
    told = Told()

    def adopt(policy: Policy, content: bytes) -> None:
        if b"refuse me" in content:
            raise ConfigurationError("policy: it has no [gateway]")
        told.adopted.append(policy)

    content, before = read_policy(path)
    async with PolicyWatch(path, content, INTERVAL, adopt=adopt, failed=told.fail):
        put(path, POLICY + "# refuse me\n")
        await until(lambda: told.gauge == 1)
        await asyncio.sleep(INTERVAL * 5)
        assert told.gauge == 1, "until a file can be taken"
        assert (told.adopted, told.failed) == ([], [True])
        said = [record.getMessage() for record in caplog.records]
        assert sum(REFUSED in each for each in said) == 1
        assert not any("is in force" in each for each in said)
        put(path, POLICY)
        await until(lambda: told.gauge == 0)
        assert told.adopted == [], f"{before.version} is in force all the time"
