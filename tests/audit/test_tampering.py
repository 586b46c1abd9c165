"""Each manipulation, at random places, by a script that knows nothing of the verifier: found, with what and where."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.cli import main
from tests.audit import tamper
from tests.audit.making import KEY, ORIGIN, SIGNER, World, write_log
from tests.test_house import imported

SEED = b"operator's key, 32 bytes long .."
"""The operator's private key, of `making.SIGNER`."""

QUICK = range(3)
MANY = range(100, 140)


@dataclass(frozen=True)
class Ground:
    """An honest log, what an auditor kept of it, and its topics; as it is before somebody tampers with it."""

    folder: Path

    def copy(self, to: Path) -> Ground:
        """Another one to tamper with."""
        shutil.copytree(self.folder, to)
        return Ground(to)

    @property
    def kept(self) -> list[Path]:
        """The earlier checkpoints, the oldest first."""
        return sorted((self.folder / "kept").iterdir(), key=lambda path: int(path.suffix[1:]))


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("ground")
    world = World(seed=7)
    world.live(420)
    write_log(folder / "log", world.entries, kept=folder / "kept", steps=5)
    world.export(folder / "topics")
    return Ground(folder)


@dataclass(frozen=True)
class Said:
    """What `audit verify --json` answered."""

    code: int
    document: dict[str, Any]

    def at(self, did: dict[str, Any]) -> list[dict[str, Any]]:
        """Findings that name the place at which something was done."""
        return [each for each in self.document["findings"] if names(each, did)]


def names(finding: dict[str, Any], did: dict[str, Any]) -> bool:
    """Whether a finding says where: the entry, the file, or the place in a topic."""
    if did.get("alert", "").split("|")[0] and did["alert"].split("|")[0] in finding["what"]:
        return True
    if "index" in did and finding.get("index") == did["index"]:
        return True
    if "file" in did and finding.get("file") == did["file"] and "index" not in did:
        return True
    place = [finding.get(name) for name in ("topic", "partition", "offset")]
    return "topic" in did and place == [did["topic"], did["partition"], did["offset"]]


Verify = Callable[..., Said]


@pytest.fixture
def verify(capfd: pytest.CaptureFixture[str]) -> Verify:
    def call(ground: Ground, *, earlier: bool = False, topics: bool = False, grace: int = 0) -> Said:
        log = str(ground.folder / "log")
        arguments = ["audit", "verify", log, "--key", KEY, "--json", "--grace", str(grace)]
        if earlier:
            arguments += [part for path in ground.kept for part in ("--earlier", str(path))]
        if topics:
            arguments += ["--topics", str(ground.folder / "topics")]
        capfd.readouterr()
        code = main(arguments)
        return Said(code, orjson.loads(capfd.readouterr().out))

    return call


def test_what_nobody_touched_has_no_findings(ground: Ground, verify: Verify) -> None:
    said = verify(ground, earlier=True, topics=True)
    assert said.document["findings"] == []
    assert said.code == 0
    assert said.document["agreed"] == said.document["size"]


BY_FILES = {
    "edited_entry": {"tree"},
    "edited_verdict": {"tree"},
    "dropped_alert": {"tree"},
    "removed_receipt": {"tree"},
    "reordered": {"tree"},
    "edited_tile": {"tree"},
    "lost_bundle": {"tree"},
    "forged_checkpoint": {"checkpoint"},
    "forged_signature": {"checkpoint"},
    "half_rolled_back": {"tree"},
    "operator_drops_alert": {"verdicts"},
    "operator_edits_verdict": {"verdicts"},
    "operator_edits_alert": {"verdicts"},
    "operator_skips_range": {"not_covered"},
    "operator_skips_tail": {"not_covered"},
    "operator_stops_judging": {"not_covered"},
    "operator_invents_alert": {"verdicts"},
    "operator_disowns_alert": {"verdicts"},
    "operator_leaves_out": {"offsets"},
    "operator_removes_receipt": {"delivery"},
    "operator_silences_destination": {"delivery"},
    "operator_reorders": {"offsets"},
}
"""What the files and the log's key alone find, as which kind of finding."""

BY_TOPICS = {
    "operator_calls_it_idle": {"not_covered"},
    "operator_hides_alert": {"topic"},
    "operator_edits_alert": {"topic"},
    "operator_rewrites": {"topic"},
    "operator_unnames_destination": {"topic"},
    "topic_without_alert": {"topic"},
    "topic_with_edited_alert": {"topic"},
}
"""What is found with the topics."""

BY_EARLIER = (
    "operator_hides_alert",
    "operator_unnames_destination",
    "operator_rewrites",
    "operator_rolls_back",
    "operator_forks",
)
"""What is right in itself: found with a checkpoint that somebody kept, and by nothing else in the log."""


def do(attack: str, ground: Ground, seed: int) -> dict[str, Any]:
    disk = tamper.Disk(ground.folder / "log", ground.folder / "topics", seed, SEED, ORIGIN)
    return tamper.ATTACKS[attack](disk)


def check_files(attack: str, ground: Ground, verify: Verify, seed: int) -> None:
    did = do(attack, ground, seed)
    said = verify(ground)
    found = said.at(did)
    assert said.code == 1
    assert {each["kind"] for each in found} & BY_FILES[attack], (did, said.document["findings"][:5])


def check_topics(attack: str, ground: Ground, verify: Verify, seed: int) -> None:
    did = do(attack, ground, seed)
    said = verify(ground, topics=True)
    assert said.code == 1
    assert {each["kind"] for each in said.at(did)} & BY_TOPICS[attack], (did, said.document["findings"][:5])


def check_earlier(attack: str, ground: Ground, verify: Verify, seed: int) -> None:
    """Without what was kept nothing is wrong, and the report says that this proves little; with it it is found."""
    did = do(attack, ground, seed)
    alone = verify(ground, grace=15)
    assert alone.document["findings"] == []
    assert any(
        "without an earlier or witnessed checkpoint nobody can tell" in each for each in alone.document["limits"]
    )
    said = verify(ground, earlier=True)
    assert said.code == 1
    found = [each for each in said.document["findings"] if each["kind"] == "history"]
    sizes = [int(path.suffix[1:]) for path in ground.kept]
    begin = max([size for size in sizes if size <= did["index"]], default=0)
    # It lies between the last checkpoint that agrees and the first that does not.
    assert found[0]["index"] in {begin, did["index"], said.document["size"]}, (did, found)
    assert "rewritten" in found[0]["what"] or "rolled back" in found[0]["what"]


@pytest.mark.parametrize("seed", QUICK)
@pytest.mark.parametrize("attack", BY_FILES)
def test_files_alone(attack: str, seed: int, ground: Ground, verify: Verify, tmp_path: Path) -> None:
    check_files(attack, ground.copy(tmp_path / "theirs"), verify, seed)


@pytest.mark.parametrize("seed", QUICK)
@pytest.mark.parametrize("attack", BY_TOPICS)
def test_with_topics(attack: str, seed: int, ground: Ground, verify: Verify, tmp_path: Path) -> None:
    check_topics(attack, ground.copy(tmp_path / "theirs"), verify, seed)


@pytest.mark.parametrize("seed", QUICK)
@pytest.mark.parametrize("attack", BY_EARLIER)
def test_only_with_an_earlier_checkpoint(
    attack: str, seed: int, ground: Ground, verify: Verify, tmp_path: Path
) -> None:
    check_earlier(attack, ground.copy(tmp_path / "theirs"), verify, seed)


@pytest.mark.slow
@pytest.mark.parametrize("attack", BY_FILES)
def test_files_alone_at_many_places(attack: str, ground: Ground, verify: Verify, tmp_path: Path) -> None:
    for seed in MANY:
        check_files(attack, ground.copy(tmp_path / str(seed)), verify, seed)


@pytest.mark.slow
@pytest.mark.parametrize("attack", BY_TOPICS)
def test_with_topics_at_many_places(attack: str, ground: Ground, verify: Verify, tmp_path: Path) -> None:
    for seed in MANY:
        check_topics(attack, ground.copy(tmp_path / str(seed)), verify, seed)


@pytest.mark.slow
@pytest.mark.parametrize("attack", BY_EARLIER)
def test_only_with_an_earlier_checkpoint_at_many_places(
    attack: str, ground: Ground, verify: Verify, tmp_path: Path
) -> None:
    for seed in MANY:
        check_earlier(attack, ground.copy(tmp_path / str(seed)), verify, seed)


def test_every_attack_is_tried() -> None:
    assert {*BY_FILES, *BY_TOPICS, *BY_EARLIER} == set(tamper.ATTACKS)


def test_the_script_knows_nothing_of_the_verifier() -> None:
    names = imported(Path(tamper.__file__))
    assert not [name for name in names if "verifying" in name or name.startswith(("schemas", "rules", "tests"))]


def test_the_script_runs_by_itself(ground: Ground, verify: Verify, tmp_path: Path) -> None:
    theirs = ground.copy(tmp_path / "theirs")
    arguments = ["--log", theirs.folder / "log", "--topics", theirs.folder / "topics", "--seed", "5"]
    script = [sys.executable, "-m", "tests.audit.tamper", "edited_verdict"]
    done = subprocess.run([*script, *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60)
    did = json.loads(done.stdout)
    assert verify(theirs).at(did)


def test_keys_of_these_tests_are_one() -> None:
    assert SIGNER.public.name == ORIGIN
