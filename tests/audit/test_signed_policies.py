"""`audit verify --auditor`: which policies were adopted with signatures; and who changed the policy, and why."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from agents.cli import main
from agents.policy_changes import proposed, signed
from alerts.signatures import Signer
from schemas.entry import ABOUT
from schemas.policy_change import PolicyChange
from tests.audit.making import KEY, World
from tests.audit.test_verify import Verify, verify  # noqa: F401 - a fixture

DANA, ANNA, BO, EVE = (Signer(name, bytes([at]) * 32) for at, name in enumerate(("dana", "anna", "bo", "eve"), 1))
P1, P2 = b"a = 1", b"a = 2"
AUDITOR = ("--auditor", f"anna={ANNA.public}")


def version(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


class Signing(World):
    """A world in which policies are signed."""

    def change(self, content: bytes, old: bytes | None, *signers: Signer, why: str = "less noise") -> PolicyChange:
        """What is proposed by dana, and signed."""
        made = proposed(content, old, DANA, self.now, why)
        for each in signers:
            made = signed(made, each, self.now + 1, "")
        return made

    def put(self, content: bytes, change: PolicyChange) -> None:
        """It is adopted, comes into force, and is judged by."""
        change = replace(change, adopted_at=self.now)
        about = {"steps": change.steps}
        self.store("policy.changes", 0, change.sha256, msgspec.json.encode(change), **about)
        self.use(content)

    def use(self, content: bytes) -> None:
        """It comes into force, and is judged by."""
        self.in_force(version(content), content)
        if not self.judged:
            self.start(0, policy=version(content))
        self.judge(0, policy=version(content), records=10)
        self.judge(0, policy=version(content), records=10)


@pytest.fixture
def world() -> Signing:
    return Signing(seed=4, partitions=1)


def test_policies_that_auditors_signed_are_told_with_what_was_judged_by_them(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    world.put(P1, world.change(P1, None, ANNA))
    world.put(P2, world.change(P2, P1, ANNA, BO))
    world.decide(policy=version(P2))
    said = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics")))
    assert said.found == []
    one, two = said.document["adopted"]
    assert (one["policy"], one["wrong"], set(one["signed"])) == (version(P1), "", {"anna"})
    assert [(each["topic"], each["first"], each["last"]) for each in two["uses"]] == [
        ("access.events", 20, 39),
        ("gateway.decisions", 0, 0),
    ]
    assert f"used {version(P1)}: signed by anna at " in said.text
    assert "access.events/0 offsets 0 to 19 (entries 4 to 5)" in said.text
    assert "no keys of auditors were given" not in said.text
    # Bo was given too, and signed the second one alone.
    both = ("--auditor", f"bo={BO.public}", "--auditors-needed", "2")
    found = verify(None, *AUDITOR, *both, "--topics", str(tmp_path / "topics")).only(
        "policy", "access.events/0 offsets 0 to 19 (entries 4 to 5)", version(P1), "signed by anna; needed: 2"
    )
    assert (found["index"], found["topic"], found["offset"]) == (4, "access.events", 0)


def test_without_keys_of_auditors_it_is_said_that_nobody_looked(world: Signing, verify: Verify) -> None:
    world.use(P1)
    said = verify(world)
    assert said.found == []
    assert said.document["adopted"] == []
    assert "no keys of auditors were given (--auditor)" in said.text


@pytest.mark.parametrize("signers", [(), (EVE,), (Signer("anna", b"9" * 32),), (DANA,)])
def test_a_policy_that_no_auditor_signed_is_a_finding_the_first_one_too(
    signers: tuple[Signer, ...], world: Signing, verify: Verify, tmp_path: Path
) -> None:
    world.put(P1, world.change(P1, None, *signers))
    said = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics")))
    said.only("policy", "signed by none; needed: 1 of anna", "offsets 0 to 19")
    assert f"used {version(P1)}: NOT SIGNED: " in said.text


def test_a_policy_that_was_never_adopted_is_a_finding_and_decisions_under_it_too(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    world.put(P1, world.change(P1, None, ANNA))
    world.now += 20 * 60_000
    world.use(P2)
    world.decide(policy=version(P2))
    said = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics")))
    what = [each["what"] for each in said.found if "signatures of auditors" in each["what"]]
    assert [each.split(" were ")[0] for each in what] == [
        "access.events/0 offsets 20 to 39 (entries 7 to 8)",
        "gateway.decisions/0 offsets 0 to 0 (entry 9)",
    ]
    assert all("the log holds no change that was adopted" in each for each in what)


def test_an_older_policy_that_was_adopted_again_with_its_old_signatures_is_a_finding(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    first = world.change(P1, None, ANNA)
    world.put(P1, first)
    world.now += 60_000
    world.put(P2, world.change(P2, P1, ANNA))
    world.now += 60 * 60_000
    world.put(P1, first)
    found = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics"))).only(
        "policy", version(P1), "adopted with signatures of 2026-03-02T00:00:00.001Z", "an older policy was put back"
    )
    assert (found["topic"], found["offset"]) == ("policy.changes", 2)


def test_ranges_that_borrow_the_version_of_a_signed_policy_are_found(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    """A worker says that what it judges by is the signed file, and its ranges name another version."""
    world.put(P1, world.change(P1, None, ANNA))
    world.in_force("fedcba9876543210", P1)
    world.judge(0, policy="fedcba9876543210")
    said = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics")))
    said.only("policy", "fedcba9876543210", "which is another policy's")


def test_changes_that_were_kept_stand_for_the_topic(world: Signing, verify: Verify, tmp_path: Path) -> None:
    """`POLICY.history` has the records byte by byte; what it lacks is named with its place."""
    history = tmp_path / "policy.toml.history"
    world.put(P1, world.change(P1, None, ANNA))
    world.put(P2, world.change(P2, P1, ANNA))
    lines = [each.value or b"" for each in world.stored if each.topic == "policy.changes"]
    history.write_bytes(b"\n".join(lines) + b"\n")
    said = verify(world, *AUDITOR, "--changes", str(history))
    assert said.found == []
    assert "proposed by the key" in said.text
    history.write_bytes(lines[0])
    said = verify(None, *AUDITOR, "--changes", str(history))
    assert said.text.count("(the auditor anna)") == 1, "of the record that is there"
    said.only("policy", version(P2), "policy.changes/0 offset 1 (entry 6), is not among the records that were given")


def test_a_log_that_begins_after_the_adoption_takes_it_from_what_was_kept(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    history = tmp_path / "policy.toml.history"
    history.write_bytes(msgspec.json.encode(replace(world.change(P1, None, ANNA), adopted_at=7)))
    world.use(P1)
    verify(world, *AUDITOR, "--changes", str(history)).only("policy", "no change that was adopted")
    world.entries[0] = replace(world.entries[0], about={"version": "1", "topics": {"policy.changes": {"0": 5}}})
    said = verify(world, *AUDITOR, "--changes", str(history), folder=tmp_path / "later")
    assert said.found == []


# Who and why.


def test_who_and_why_are_told_by_keys_and_by_words_where_the_record_is_there(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    world.put(P1, world.change(P1, None, ANNA, why="nobody slept"))
    dana, anna = (sha256(each.public.encode()).hexdigest()[:16] for each in (DANA, ANNA))
    alone = verify(world).text
    assert f"proposed by the key {dana} at 2026-03-02T00:00:00.000Z, why: SHA-256 " in alone
    assert "nobody slept" not in alone
    said = verify(None, "--topics", str(world.export(tmp_path / "topics")), *AUDITOR)
    assert f"proposed by the key {dana} at 2026-03-02T00:00:00.000Z: nobody slept" in said.text
    assert f"signed by the key {anna} (the auditor anna) at 2026-03-02T00:00:00.001Z, without a reason" in said.text
    assert "dana" not in said.text
    (change,) = said.document["changes"]
    assert [(each["step"], each["who"], each["reason"]) for each in change["steps"]] == [
        ("proposed", dana, "nobody slept"),
        ("signed", anna, ""),
    ]


def test_an_entry_that_says_another_who_or_why_than_its_record_is_a_finding(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    world.put(P1, world.change(P1, None, ANNA))
    at = next(at for at, each in enumerate(world.entries) if each.kind == "policy")
    steps = [dict(each) for each in world.entries[at].about["steps"]]
    steps[0]["who"] = "f" * 16
    world.entries[at].about["steps"] = steps
    topics = str(world.export(tmp_path / "topics"))
    verify(world, "--topics", topics).only("policy", "who changed the policy", "is not what the record says")


def test_a_record_that_names_the_key_of_somebody_else_is_a_finding(
    world: Signing, verify: Verify, tmp_path: Path
) -> None:
    made = world.change(P1, None, ANNA)
    world.put(P1, replace(made, proposed=replace(made.proposed, key=EVE.public)))
    topics = str(world.export(tmp_path / "topics"))
    found = verify(world, "--topics", topics).only("policy", "proposed by the key", "the signature is not that key's")
    assert (found["topic"], found["offset"]) == ("policy.changes", 0)


def test_a_log_of_a_version_that_did_not_say_who_is_read(world: Signing, verify: Verify) -> None:
    world.put(P1, world.change(P1, None, ANNA))
    for each in world.entries:
        each.about.pop("steps", None)
    said = verify(world)
    assert said.found == []
    assert "who and why are not in the log" in said.text
    assert "steps" in ABOUT["policy"]


def test_wrong_use_of_the_options_is_said(world: Signing, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    two = tmp_path / "two.toml"
    two.write_text(f'anna = "{ANNA.public}"\nbo = "{ANNA.public}"\n')
    broken = tmp_path / "broken.history"
    broken.write_bytes(orjson.dumps({"sha256": 1}))
    for options, said in (
        (AUDITOR, "give them with --topics or --changes"),
        (("--auditor", "anna=short"), "no Ed25519 public key"),
        (("--auditor", str(two)), "is the key of another auditor too"),
        (("--auditor", str(tmp_path / "absent.toml")), "--auditor: "),
        ((*AUDITOR, *AUDITOR), "is given twice"),
        (("--auditors-needed", "1"), "allowed: 1 to 0"),
        ((*AUDITOR, "--auditors-needed", "2", "--topics", "x"), "allowed: 1 to 1"),
        ((*AUDITOR, "--changes", str(broken)), "broken.history is no history of a policy"),
    ):
        assert main(["audit", "verify", str(tmp_path), "--key", KEY, *options]) == 2
        assert said in capfd.readouterr().err
