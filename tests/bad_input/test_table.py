"""Bad input, row by row of the table in the documents: what cannot be used is put away, and the stream goes on."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from agents.publisher import partition_of
from agents.watching import wall_clock
from rules.cases import DAY, T
from rules.rule import Rule
from schemas.access import MAX_BYTES
from schemas.codec import row_key
from schemas.errors import REASONS
from tests.bad_input.worker import PARTITIONS, Heart
from tests.rules import test_session
from tests.rules.streams import access, badge, complete, dataset, employee, judge
from tests.schemas.records import ROWS
from tests.schemas.test_codec import BAD

OUTSIDE = {"device_country": "IN"}


def raw(**fields: Any) -> bytes:
    return orjson.dumps({name: value for name, value in access(**fields).items() if value is not None})


async def test_every_kind_of_bad_record_is_put_away_and_the_stream_goes_on() -> None:
    """With its reason, its place and its bytes; the good records around it are judged and the batch is finished."""
    values: list[bytes | None] = []
    for at, (_, bad, _) in enumerate(BAD):
        values += [raw(event_id=f"good-{at}", **OUTSIDE), bad]
    async with Heart([*complete(), dataset()]).beating() as heart:
        tp = await heart.judge("e-1", values, T)
        assert heart.ledger.committable(tp) == len(values), "all is stored: nothing holds the stream up"
        letters = heart.stored.letters
        assert [letter.reason for letter in letters] == [reason for _, _, reason in BAD]
        assert [letter.offset for letter in letters] == [1 + 2 * at for at in range(len(BAD))]
        assert [letter.value for letter in letters] == [bad for _, bad, _ in BAD], "byte for byte"
        assert {(letter.topic, letter.partition) for letter in letters} == {tp}
        assert {letter.headers for letter in letters} == {(("own", b"h"),)}
        assert {alert.event.event_id for alert in heart.stored.alerts} == {  # type: ignore[union-attr]
            f"good-{at}" for at in range(len(BAD))
        }
        for reason in REASONS:
            expected = sum(reason == each for _, _, each in BAD)
            assert heart.value("dead_letters_total", topic=tp[0], reason=reason) == expected
        assert heart.value("records_total", topic=tp[0]) == len(values)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (b"{", "not_json"),
        (raw(action=7), "wrong_type"),
        (raw(event_id=None), "missing_field"),
        (raw(client="x" * MAX_BYTES), "too_large"),
        (None, "null_value"),
        (raw(dataset_id="a\0b"), "nul_byte"),
        (raw().replace(b"users", b"\xff\xfe"), "not_utf8"),
        (b'{"a":' * 5_000, "nested_too_deep"),
        (raw()[:-1] + b',"bytes":' + b"9" * 5_000 + b"}", "wrong_type"),
        (raw()[:-1] + b',"action":"export"}', "duplicate_key"),
        (raw(device_country="ZZ"), "invalid_value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_row_of_the_table_alone(what: bytes | None, reason: str) -> None:
    async with Heart([*complete(), dataset()]).beating() as heart:
        tp = await heart.judge("e-1", [what], T)
        (letter,) = heart.stored.letters
        assert (letter.reason, letter.offset, letter.value) == (reason, 0, what)
        assert heart.ledger.committable(tp) == 1
        await heart.judge("e-1", [raw(**OUTSIDE)], T)
        assert len(heart.stored.alerts) == 1
        assert heart.ledger.committable(tp) == 2


async def test_what_is_corrected_and_sent_again_has_the_alert_that_it_would_have_had() -> None:
    """Where a record stood in a log is no part of its alert's identity."""
    async with Heart([*complete(), dataset()]).beating() as heart:
        await heart.judge("e-1", [raw(device_country="ZZ")], T)
        await heart.judge("e-1", [raw(event_id="other"), raw(**OUTSIDE)], T)
        (corrected,) = heart.stored.alerts
    async with Heart([*complete(), dataset()]).beating() as heart:
        await heart.judge("e-1", [raw(**OUTSIDE)], T)
        (straight,) = heart.stored.alerts
    assert corrected.alert_id == straight.alert_id
    assert corrected.event != straight.event


# Times.


@pytest.mark.parametrize(
    ("shift", "clock", "metric"),
    [
        (10 * DAY, "ahead", "events_ahead_total"),
        (253_402_300_799_999 - T, "ahead", "events_ahead_total"),
        (-36 * DAY, "late", "events_late_total"),
        (-T, "late", "events_late_total"),
    ],
)
async def test_an_access_far_in_the_future_or_long_ago_is_judged_and_said(shift: int, clock: str, metric: str) -> None:
    async with Heart([*complete(), dataset(valid_from=0), employee(valid_from=0)]).beating() as heart:
        tp = await heart.judge("e-1", [raw(occurred_at=T + shift, **OUTSIDE)], T)
        assert heart.value(metric) == 1
        assert heart.stored.letters == [], "never dropped"
        (alert,) = (alert for alert in heart.stored.alerts if alert.family == "access")
        assert alert.facts["clock"] == clock
        assert "place.third_country" in {reason.rule_id for reason in alert.reasons}
        assert heart.ledger.committable(tp) == 1
        counted = heart.value("occurrence_to_verdict_seconds_count")
        assert counted == 1
        assert heart.value("occurrence_to_verdict_seconds_sum") >= 0, "a clock ahead of ours counts as none"


# Waiting: an access whose employee is not known yet holds its own batch open, and no other.


async def test_a_waiting_access_holds_the_commit_and_is_given_up_unacked() -> None:
    async with Heart([*complete(), dataset()]).beating() as heart:
        now = wall_clock()
        tp = await heart.judge("e-1", [raw(**OUTSIDE), raw(event_id="w", employee_id="e-1", dataset_id="new")], now)
        await heart.judge("e-1", [raw(event_id="behind"), b"{"], now)
        assert heart.session.waiting == 2, "what comes after it of the same person queues behind it"
        assert heart.ledger.committable(tp) in {None, 0}
        assert len(heart.stored.letters) == 1, "what cannot be used waits for nobody"
        heart.watch.forget()
        assert heart.session.waiting == 0
        await heart.watch.retry()
        assert heart.ledger.committable(tp) in {None, 0}, "unacked: the next owner reads it again"


async def test_a_row_that_comes_in_time_settles_the_batch_without_an_alert() -> None:
    async with Heart([*complete(), dataset()]).beating() as heart:
        tp = await heart.judge("e-1", [raw(dataset_id="new")], wall_clock())
        heart.put(dataset("new"))
        await heart.read()
        await heart.watch.retry()
        assert heart.stored.alerts == []
        assert heart.ledger.committable(tp) == 1


# Rows of the directories.


def _row(topic: str, **fields: Any) -> bytes:
    return orjson.dumps({**ROWS[topic], **fields})


BAD_ROWS: list[tuple[str, str, bytes, str]] = [
    ("ends before it begins", "directory.employees",
     _row("directory.employees", valid_from=10, valid_until=9), "contradiction"),
    ("an unknown country", "directory.locations", _row("directory.locations", country="ZZ"), "invalid_value"),
    ("an unknown home", "directory.employees", _row("directory.employees", home_country="XX"), "invalid_value"),
    ("an unknown site", "directory.datasets", _row("directory.datasets", site_country="QQ"), "invalid_value"),
    ("an unknown region", "directory.datasets", _row("directory.datasets", subject_region="Mars"), "invalid_value"),
    ("an unknown status", "directory.employees", _row("directory.employees", status="gone"), "wrong_type"),
    ("no network", "directory.workloads", _row("directory.workloads", networks=["office"]), "invalid_value"),
    ("not JSON", "directory.roles", b"{", "not_json"),
    ("a key twice", "directory.roles",
     _row("directory.roles")[:-1] + b',"role":"admin"}', "duplicate_key"),
    ("nothing in it", "directory.roles", b"{}", "missing_field"),
    ("a bomb", "directory.roles", b"[" * 60_000, "nested_too_deep"),
    ("too long", "directory.roles", _row("directory.roles", x="x" * 70_000), "too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "bad", "reason"), [pytest.param(*each[1:], id=each[0]) for each in BAD_ROWS])
async def test_an_impossible_row_is_put_away_and_the_former_version_stands(topic: str, bad: bytes, reason: str) -> None:
    heart = Heart([*complete(), dataset()])
    offset = heart.directories.put(topic, bad, b"whatever")
    heart.put(badge(country="IN", valid_from=T - 5, recorded_at=T))
    async with heart.beating():
        (letter,) = heart.stored.letters
        assert (letter.reason, letter.topic, letter.offset, letter.value) == (reason, topic, offset, bad)
        assert heart.value("reference_bad_rows_total", topic=topic, reason=reason) == 1
        # What was known stands, and what comes behind it is read: the badge in India.
        await heart.judge("e-1", [raw()], T)
        (alert,) = heart.stored.alerts
        assert {each.rule_id for each in alert.reasons} == {"place.third_country"}
        assert alert.facts["employee_status"] == "active"
        # The same while the directories are tailed.
        heart.directories.put(topic, bad, b"whatever")
        heart.put(badge(country="IE", valid_from=T - 4, recorded_at=T))
        await heart.read()
        assert len(heart.stored.letters) == 2
        await heart.judge("e-1", [raw(event_id="home again")], T)
        assert len(heart.stored.alerts) == 1


@pytest.mark.parametrize("key", [None, b"", b"e-1", b"e-1||x|y", b"\xff||1|1"])
async def test_a_tombstone_that_names_no_row_withdraws_none(key: bytes | None) -> None:
    heart = Heart([*complete(), dataset()])
    heart.directories.put("directory.employees", None, key)
    async with heart.beating():
        (letter,) = heart.stored.letters
        assert (letter.reason, letter.value) == ("bad_key", None)
        await heart.judge("e-1", [raw()], T)
        assert heart.stored.alerts == []


async def test_a_tombstone_withdraws_exactly_its_row() -> None:
    """Not one of another kind, nor of another time, nor what a key that is nobody's would name."""
    first, second = employee(), employee(status="leave", valid_from=T - 5)
    for key, status in (
        (row_key(second), "active"),
        (row_key(first), "leave"),
        (row_key(second).replace(b"||", b"|role|"), "leave"),
        (row_key(second)[:-1], "leave"),
    ):
        heart = Heart([first, second, *complete()[1:], dataset()])
        heart.directories.put("directory.employees", None, key)
        async with heart.beating():
            employment = heart.session.knowledge.people["e-1"].employment
            assert employment is not None
            found = employment.at(T).row
            assert found is not None
            assert found.status == status, key


async def test_a_row_under_a_key_that_is_not_its_own_is_read_and_counted() -> None:
    heart = Heart([*complete(), dataset()])
    heart.directories.put("directory.employees", _row("directory.employees", status="suspended"), b"another key")
    async with heart.beating():
        assert heart.tables.strange_keys == 1
        assert heart.session.knowledge.rows["directory.employees"] == 2


# Empty directories, and a rule that raises.


async def test_empty_directories_are_said_and_judge_everything_as_unknown_after_the_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Heart().beating() as heart:
        (error,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
        assert "The directories are empty" in error
        assert "`cloverwatch send" in error
        tp = await heart.judge("e-1", [raw()], T)
        (alert,) = heart.stored.alerts
        assert set(alert.facts["unknown"]) == {"dataset", "employee", "place", "roles"}
        assert heart.ledger.committable(tp) == 1


async def test_a_rule_that_raises_is_an_alert_and_a_metric() -> None:
    async with Heart([*complete(), dataset()]).beating() as heart:
        rules: tuple[Rule, ...] = (test_session.BROKEN, *judge(heart.session.knowledge).rules)
        heart.session.adopt(judge(heart.session.knowledge, rules=rules))
        tp = await heart.judge("e-1", [raw(**OUTSIDE), raw(event_id="x")], T)
        assert sorted(alert.rule_id for alert in heart.stored.alerts) == [
            "place.third_country",
            "rule.failed",
            "rule.failed",
        ]
        assert heart.value("rule_failures_total", rule="test.broken") == 2
        assert heart.ledger.committable(tp) == 2


async def test_a_record_in_the_wrong_partition_is_written_to_the_right_one() -> None:
    async with Heart([*complete(), dataset()]).beating() as heart:
        other = next(name for name in (f"x-{n}" for n in range(99)) if _partition(name) != _partition("e-1"))
        tp = await heart.judge("e-1", [raw(employee_id=other)], T)
        ((topic, message),) = heart.stored.messages
        assert topic == tp[0]
        assert (message["key"], message["partition"]) == (other.encode(), _partition(other))
        assert message["value"] == raw(employee_id=other)
        assert message["headers"] == [("own", b"h")]
        assert heart.value("misplaced_total") == 1
        assert heart.ledger.committable(tp) == 1


def _partition(person: str) -> int:
    return partition_of(person, PARTITIONS)


async def test_a_bomb_costs_little() -> None:
    """A refused record is read twice at most: a batch of the worst takes well under a second."""
    worst = [b"[" * (MAX_BYTES // 2), b'{"a":' * (MAX_BYTES // 5), b'{"x":' + b"9" * (MAX_BYTES - 9) + b"}",
             b'"' + rb"\u0000" * (MAX_BYTES // 6 - 2) + b'"'] * 5  # fmt: skip
    async with Heart([*complete(), dataset()]).beating() as heart:
        began = time.perf_counter()
        await heart.judge("e-1", worst, T)
        assert time.perf_counter() - began < 2
        assert len(heart.stored.letters) == len(worst)
