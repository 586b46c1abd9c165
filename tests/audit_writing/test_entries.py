"""Entries say which record, its hash, and only fields that name nobody; the log itself says where it goes on."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.audit.tlog import Log, NoteSigner
from agents.audit.verifying.record_keys import key_text
from agents.audit.writing.entries import CUT, PARTITIONS_MAX, UNREADABLE, about, entry_of, hole, opened
from agents.audit.writing.positions import WENT_BACK, Positions
from agents.policy_changes import proposed, signed
from alerts.approvals import as_of
from alerts.signatures import Signer
from schemas.action import Action
from schemas.approval import Approval, Signed, step_key
from schemas.codec import encode
from schemas.coverage import Judged, hash_of
from schemas.decision import Decision
from schemas.entry import ABOUT, ENTRY_MAX, LOGGED, Entry, decode
from schemas.entry import encode as encode_entry
from schemas.places import PlaceClass
from schemas.receipt import Receipt
from tests.alerts.samples import alert

SECRET = "e-0042-jane"
"""Stands for what must not get into a log that nobody can delete from."""

TEXT = st.text(max_size=300)


def record(value: bytes | None, offset: int = 5, partition: int = 2, timestamp: int = 1_700_000_000_000) -> Any:
    return SimpleNamespace(key=None, value=value, offset=offset, partition=partition, timestamp=timestamp)


def judged(**more: Any) -> Judged:
    return Judged(
        topic="access.events", partition=0, first=0, last=9, records=10, alerts_hash=hash_of([]), policy="p",
        directories="d", worker="w", at=1, **more,
    )  # fmt: skip


DECISION = Decision(
    decision_id="d-1", gateway_id="gw", effect="deny", decided_at=1, expires_at=2, person=SECRET, dataset_id=SECRET,
    action="read", source_ip=SECRET, place_class=PlaceClass.THIRD_COUNTRY, policy="p1", purpose=SECRET,
)  # fmt: skip
APPROVAL = Approval(
    approval_id="a-1", person=SECRET, datasets=(SECRET,), actions=("read",), purpose=SECRET, until=9,
    requested=Signed(by="dana", at=1, reason=SECRET), approved=Signed(by="eli", at=2, reason=SECRET),
)  # fmt: skip
RECEIPT = Receipt(
    destination="pager", alert_id="a", dedup_key=SECRET, revision=0, status="open", state="delivered", at=3,
    published_at=1, partition=4, offset=7, answer={"id": SECRET},
)  # fmt: skip
DANA, ELI = (Signer(f"{SECRET}-{number}", bytes([number]) * 32) for number in (1, 2))
CHANGE = signed(proposed(b"a = 1", None, DANA, 7, SECRET), ELI, 8, "")


def id_of(signer: Signer) -> str:
    """Who it is, as a log says it: no name."""
    return sha256(signer.public.encode()).hexdigest()[:16]


def test_an_entry_says_under_which_key_the_record_of_a_step_is_compacted() -> None:
    whole = msgspec.structs.replace(APPROVAL, withdrawn=APPROVAL.approved, reviewed=APPROVAL.approved)
    for name in ("requested", "approved", "withdrawn", "reviewed"):
        value = msgspec.json.encode(as_of(whole, name))
        made = Entry(kind="approval", topic="gateway.approvals", at=1, about=about("approval", value))
        assert key_text(made).encode() == step_key("a-1", name)
    before = Entry(kind="approval", topic="gateway.approvals", at=1, about={"approval_id": "a-1", "state": "approved"})
    assert key_text(before) == "a-1"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b"a-1", {"approval_id": "a-1"}),
        (b"a-1|approved", {"approval_id": "a-1", "step": "approved"}),
        (b"a-1|of another kind", {"approval_id": "a-1|of another kind"}),
        (b"", {}),
        (None, {}),
        (b"\xff", {}),
        (b"x" * 1_000_000, {}),
    ],
)
def test_the_entry_of_a_tombstone_says_of_which_approval_it_is(key: bytes | None, said: dict[str, str]) -> None:
    gone = SimpleNamespace(value=None, key=key, offset=5, partition=0, timestamp=1)
    made, _ = entry_of("gateway.approvals", gone)
    assert (made.about, made.sha256) == (said, "")
    assert key_text(made).encode() == (key if said else b"")
    assert entry_of("alerts", gone)[0].about == {}


def test_an_entry_names_every_approval_of_a_decision() -> None:
    value = msgspec.json.encode(msgspec.structs.replace(DECISION, approval_id="a-1", approvals=("a-1", "a-2")))
    assert about("decision", value)["approvals"] == ["a-1", "a-2"]


@pytest.mark.parametrize(
    ("topic", "value", "about"),
    [
        ("monitor.coverage", msgspec.json.encode(judged()), None),
        (
            "gateway.decisions",
            msgspec.json.encode(DECISION),
            {"decision_id": "d-1", "gateway_id": "gw", "effect": "deny", "decided_at": 1, "expires_at": 2,
             "approval_id": "", "break_glass": False, "policy": "p1"},
        ),
        (
            "gateway.approvals",
            msgspec.json.encode(APPROVAL),
            {
                "approval_id": "a-1",
                "step": "approved",
                "state": "approved",
                "since": 2,
                "until": 9,
                "break_glass": False,
            },
        ),
        (
            "alerts.receipts",
            msgspec.json.encode(RECEIPT),
            {"destination": "pager", "alert_id": "a", "revision": 0, "state": "delivered", "at": 3, "partition": 4,
             "offset": 7},
        ),
        (
            "alerts.actions",
            msgspec.json.encode(Action(action_id="c-1", alert_id="a", kind="close", by=SECRET, at=4, text=SECRET)),
            {"action_id": "c-1", "alert_id": "a", "kind": "close", "at": 4},
        ),
        (
            "policy.changes",
            msgspec.json.encode(CHANGE),
            {"sha256": CHANGE.sha256, "before": "", "version": CHANGE.version, "adopted_at": 0,
             "changes": ["this is the first policy", "a: 1 keys"],
             "steps": [
                 {"step": "proposed", "who": id_of(DANA), "at": 7,
                  "why": sha256(f'["{SECRET}","{CHANGE.proposed.signature}"]'.encode()).hexdigest()},
                 {"step": "signed", "who": id_of(ELI), "at": 8, "why": ""},
             ]},
        ),
        ("gateway.approvals", None, {}),
        ("alerts", b"not json", UNREADABLE),
        ("alerts", json.dumps({"alert_id": {"name": SECRET}}).encode(), UNREADABLE),
        ("privacy.requests", json.dumps({"kind": SECRET}).encode(), UNREADABLE),
        ("monitor.coverage", json.dumps({"person": SECRET}).encode(), UNREADABLE),
    ],
)  # fmt: skip
def test_an_entry_repeats_what_names_nobody(topic: str, value: bytes | None, about: dict[str, Any] | None) -> None:
    made, encoded = entry_of(topic, record(value))
    assert encode_entry(decode.decode(encoded)) == encoded == encode_entry(made)
    made = decode.decode(encoded)
    assert (made.kind, made.topic, made.partition, made.offset) == (LOGGED[topic], topic, 2, 5)
    assert (made.sha256 == "") == (value is None)
    assert made.about == (json.loads(value or b"") if about is None else about)
    assert SECRET.encode() not in encoded


def test_an_alert_is_named_by_its_incident_only_where_alerts_name_nobody() -> None:
    value = encode(alert())
    hidden, clear = (entry_of("alerts", record(value), clear=clear)[0] for clear in (False, True))
    assert set(hidden.about) == set(ABOUT["alert"])
    assert set(clear.about) == set(ABOUT["alert"]) - {"dedup_key"}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(LOGGED)), st.dictionaries(TEXT, TEXT | st.lists(TEXT, max_size=9), max_size=9))
def test_whatever_is_in_a_topic_an_entry_is_made_and_holds_no_field_of_others(
    topic: str, value: dict[str, Any]
) -> None:
    made, encoded = entry_of(topic, record(json.dumps(value).encode()))
    assert len(encoded) <= ENTRY_MAX
    assert set(made.about) <= {"unreadable", *ABOUT.get(made.kind, ())}


def test_an_entry_that_would_be_too_long_is_cut_and_keeps_its_hash() -> None:
    long = judged(verdicts={f"rule.{number}" * 10: 1 for number in range(1_000)})
    made, encoded = entry_of("monitor.coverage", record(msgspec.json.encode(long)))
    assert made.about == CUT
    assert len(encoded) < 500
    assert made.sha256


def test_very_many_partitions_are_opened_with_several_entries_that_fit() -> None:
    positions = {("alerts", partition): 2**53 for partition in range(2 * PARTITIONS_MAX + 1)}
    made = list(opened("1.0", positions, 1))
    assert len(made) == 3
    assert all(len(encoded) <= ENTRY_MAX for _, encoded in made)
    found = Positions()
    for entry, _ in made:
        found.take(entry)
    assert found.next == positions


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_where_reading_goes_on_is_what_the_entries_say_with_and_without_an_index(seed: int) -> None:
    import tempfile

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, Log(Path(name) / "log", NoteSigner.new("x"), lambda: 0.0) as log:
        index = Path(name) / "index"
        expected = {("alerts", partition): 0 for partition in range(3)}
        positions = Positions.of(log.tree(), index)
        for _ in range(rng.randint(1, 12)):
            batch: list[tuple[Entry, bytes]] = []
            if rng.random() < 0.3 or not log.size:
                batch += opened("1", expected, 1)
            for _ in range(rng.randint(1, 9)):
                tp = "alerts", rng.randrange(3)
                dice = rng.random()
                if dice < 0.2:
                    batch.append(hole(tp, expected[tp], expected[tp] + 4, "compacted", 1))
                    expected[tp] += 5
                elif dice < 0.3 and expected[tp]:
                    batch.append(hole(tp, 0, expected[tp] - 1, WENT_BACK, 1))
                    expected[tp] = 0
                batch.append(entry_of("alerts", record(b"x", expected[tp], tp[1])))
                expected[tp] += 1
            log.append([each for _, each in batch])
            for entry, _ in batch:
                positions.take(entry)
            if rng.random() < 0.3:
                positions.save(index, log.size, log.root)
        assert positions.next == expected
        assert Positions.of(log.tree(), index).next == expected
        index.write_bytes(rng.choice([b"", b"{}", b'{"size":1,"root":"00","positions":[["alerts",0,99]]}']))
        assert Positions.of(log.tree(), index).next == expected
