"""Whatever bytes an entry, a file or an export holds: the verifier answers, and never with a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import orjson
import pytest

from agents.cli import main
from tests.audit.making import KEY, World, write_log

HOSTILE: tuple[object, ...] = (
    None,
    True,
    -1,
    7,
    10**18,
    1.5,
    "",
    "x",
    "\u0661|9",
    "9" * 5000,
    [],
    ["x"],
    [[]],
    {},
    {"a": {}},
    "f" * 64,
)


def broken(entry: dict[str, object], rng: random.Random) -> bytes:
    """An entry with something in it that does not belong there, somewhere."""
    into = entry
    if isinstance(entry.get("about"), dict) and entry["about"] and rng.random() < 0.7:
        about = dict(entry["about"])  # type: ignore[call-overload]
        entry["about"] = into = about
    name = rng.choice(sorted(into)) if rng.random() < 0.9 else "other"
    if rng.random() < 0.15:
        into.pop(name, None)
    else:
        into[name] = rng.choice(HOSTILE)
    return orjson.dumps(entry, option=orjson.OPT_PASSTHROUGH_DATETIME)


@pytest.mark.parametrize("seed", range(12))
def test_no_entry_crashes_it(seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The operator signs anything: every entry of a log may be broken in its own way."""
    rng = random.Random(seed)
    world = World(seed=seed)
    world.live(60)
    raw = [msgspec.json.encode(each) for each in world.entries]
    for _ in range(60):
        at = rng.randrange(len(raw))
        raw[at] = broken(orjson.loads(raw[at]), rng)
    write_log(tmp_path / "log", raw)
    world.export(tmp_path / "topics")
    for more in ((), ("--json",), ("--topics", str(tmp_path / "topics"), "--grace", "0")):
        assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY, *more]) == 1
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("seed", range(12))
def test_no_file_crashes_it(seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Files cut, filled with anything, removed."""
    rng = random.Random(seed)
    world = World(seed=seed)
    world.live(150)
    write_log(tmp_path / "log", world.entries)
    for path in sorted((tmp_path / "log" / "tile").rglob("*")):
        if path.is_file() and rng.random() < 0.4:
            raw = path.read_bytes()
            kind = rng.randrange(4)
            if kind == 0:
                path.unlink()
            else:
                path.write_bytes((raw[: rng.randrange(len(raw))], rng.randbytes(len(raw)), raw + b"x")[kind - 1])
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY]) in {0, 1}
    assert "Traceback" not in capfd.readouterr().err
