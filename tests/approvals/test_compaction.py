"""Whatever is written and whatever compaction takes: nobody who starts later lets more pass than the log bears out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.approvals.folding import Standing
from alerts.approvals import STORED_WITHIN_MS
from rules.cases import T
from rules.gateway.granting import span
from schemas.approval import STEPS, Approval, StepName, step_key
from schemas.errors import BadRecordError
from tests.approvals.test_steps import MINUTE, PEOPLE, POLICY_, asked, glass, terms, then

TIMES: Final = tuple(T + minutes * MINUTE for minutes in (0, 1, 7, 30, 55, 180))
"""Within the five minutes of each other, beyond them, and after the end of a break-glass."""

Record = tuple[bytes, Approval | None, int]
"""A key, what is under it (None: a tombstone), when the broker stored it."""


def steps() -> st.SearchStrategy[Approval]:
    """An approval whose steps claim any time of `TIMES`: its people sign whatever they like."""
    at = st.sampled_from(TIMES)

    def plain(first: int, second: int, ending: StepName | None, third: int) -> Approval:
        made = then(asked(), "approved", "ben", max(T, first))
        return made if ending is None else then(made, ending, "anna" if ending == "withdrawn" else "dora", second)

    def taken(later: int, ending: StepName | None) -> Approval:
        made = glass(approval_id="a-2")
        return made if ending is None else then(made, ending, "ben", later)

    return st.one_of(
        st.just(asked()),
        st.builds(plain, at, at, st.sampled_from([None, "withdrawn", "refused"]), at),
        st.builds(taken, at, st.sampled_from([None, "withdrawn", "reviewed"])),
        st.builds(lambda when: then(asked(), "withdrawn", "anna", when), at),
    )


def keyed(record: Approval, name: StepName) -> bytes:
    return step_key(record.approval_id, name)


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """A log: steps as they are taken, old ones once more, nonsense and tombstones under any key."""
    log: list[Record] = []
    known = draw(st.lists(steps(), min_size=1, max_size=4))
    for stored_at in sorted(draw(st.lists(st.sampled_from(TIMES), min_size=1, max_size=9))):
        record = draw(st.sampled_from(known))
        there = [name for name in STEPS if getattr(record, name) is not None]
        name = draw(st.sampled_from(there))
        cut = draw(st.booleans())
        kept = msgspec.structs.replace(record, **dict.fromkeys(STEPS[STEPS.index(name) + 1 :])) if cut else record
        value = None if draw(st.integers(0, 5)) == 0 else kept
        key = record.approval_id.encode() if draw(st.integers(0, 9)) == 0 else keyed(record, name)
        log.append((key, value, stored_at))
    return log


def read(log: list[Record], mended: list[Record] | None = None) -> Standing:
    """Read a log; with `mended` as a gateway does, which writes at once what is to be written."""
    standing = Standing(lambda: PEOPLE, terms)

    def take(record: Record) -> None:
        key, value, stored_at = record
        with suppress(BadRecordError):
            standing.take(key, None if value is None else msgspec.json.encode(value), stored_at)

    for record in log:
        take(record)
        if mended is None:
            continue
        mended.append(record)
        for _ in range(3):
            for key, value in standing.mending(record[2]).items():
                mended.append((key, value, record[2]))
                take(mended[-1])
        assert not standing.mending(record[2]), "what is to be written is written once"
    return standing


def compacted(log: list[Record]) -> list[Record]:
    """Return the last record of every key, in their order; tombstones are gone in the end."""
    last = {key: number for number, (key, _, _) in enumerate(log)}
    return [each for number, each in enumerate(log) if last[each[0]] == number and each[1] is not None]


def held(standing: Standing) -> dict[str, tuple[int, int]]:
    gateway: Any = POLICY_.gateway
    grants = [span(each, gateway) for each in standing.approvals.values()]
    return {each.approval.approval_id: (each.since, each.until) for each in grants if each is not None}


@settings(max_examples=150, deadline=None)
@given(logs())
def test_whoever_starts_later_grants_no_more_than_whoever_saw_it_all(log: list[Record]) -> None:
    mended: list[Record] = []
    whole = read(log, mended)
    later = read(compacted(mended))
    known = held(whole)
    for approval_id, (since, until) in held(later).items():
        if approval_id in whole.gone:
            continue  # what was over was deleted, and somebody wrote it again
        assert known[approval_id][0] == since
        assert until <= known[approval_id][1]


@settings(max_examples=150, deadline=None)
@given(logs(), st.sets(st.integers(0, 8)))
def test_no_step_stands_that_the_broker_did_not_see_near_its_time(log: list[Record], lost: set[int]) -> None:
    for kept in (log, compacted(log), [each for number, each in enumerate(log) if number not in lost]):
        for approval in read(kept).approvals.values():
            for name in ("requested", "approved", "reviewed"):
                taken = getattr(approval, name)
                assert taken is None or any(
                    value is not None
                    and getattr(value, name) == taken
                    and abs(stored_at - taken.at) <= STORED_WITHIN_MS
                    for _, value, stored_at in log
                )
