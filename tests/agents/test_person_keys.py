"""Everybody's own key: whatever order workers write in, and whatever compaction leaves, all use the same one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.person_keys import PersonKeys
from alerts.keyring import KeyRing
from schemas.errors import ConfigurationError
from tests.alerts.pseudonymous import DAY, START, key, ring

RING = ring(START, START + 100 * DAY)
Record = tuple[bytes, bytes | None]


@dataclass
class Log:
    """A log of `privacy.keys`, and workers that read it to its end and answer."""

    records: list[Record] = field(default_factory=list)
    workers: list[tuple[PersonKeys, list[int]]] = field(default_factory=list)

    def join(self) -> PersonKeys:
        """Another worker, which has read nothing."""
        worker = PersonKeys(RING)
        self.workers.append((worker, [0]))
        return worker

    def write(self, person: str, own: str) -> None:
        """Somebody who knows of no key writes one."""
        keys = PersonKeys(RING)
        self.records.append((keys.name(person), keys.sealed(person, key(own))))

    def delete(self, person: str) -> None:
        self.records.append((PersonKeys(RING).name(person), None))

    def read(self, who: int, most: int = 1) -> None:
        """A worker reads some records, and writes what it must answer."""
        worker, at = self.workers[who]
        for _ in range(most):
            if at[0] == len(self.records):
                return
            answer = worker.take(*self.records[at[0]])
            at[0] += 1
            if answer is not None:
                self.records.append(answer)

    def settle(self) -> None:
        """Everybody reads to the end, answers included. Fails where answers never end."""
        for _ in range(1_000):
            for who in range(len(self.workers)):
                self.read(who, 1_000)
            if all(at[0] == len(self.records) for _, at in self.workers):
                return
        raise AssertionError("answers to answers without end")

    def compacted(self, before: int) -> list[Record]:
        """What compaction leaves: of the records before a place, the last of each key among these."""
        last = {name: at for at, (name, _) in enumerate(self.records[:before])}
        return [each for at, each in enumerate(self.records) if at >= before or last[each[0]] == at]


def read(records: list[Record]) -> PersonKeys:
    keys = PersonKeys(RING)
    for each in records:
        keys.take(*each)
    return keys


def test_the_first_of_two_keys_is_in_force_for_everybody_and_written_once_more() -> None:
    log = Log()
    one, other = log.join(), log.join()
    log.write("e-1", "first")
    log.write("e-1", "second")
    log.settle()
    first = read(log.records[:1])
    assert one.tokens_of("e-1") == other.tokens_of("e-1") == first.tokens_of("e-1") != ()
    assert read(log.records[-1:]).tokens_of("e-1") == first.tokens_of("e-1"), "what compaction leaves is the same"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.sampled_from(["e-1", "e-2"]), st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 4)),
        ),
        max_size=30,
    ),
    st.integers(0, 60),
)
def test_all_agree_whatever_the_order_and_whatever_is_compacted(
    steps: list[tuple[str, object, object]], cut: int
) -> None:
    log = Log()
    for _ in range(3):
        log.join()
    for what, one, other in steps:
        if what == "write":
            log.write(str(one), str(other))
        else:
            assert isinstance(one, int)
            assert isinstance(other, int)
            log.read(one, other)
    log.settle()
    people = [[worker.tokens_of(who) for who in ("e-1", "e-2")] for worker, _ in log.workers]
    assert people[0] == people[1] == people[2]
    late = read(log.compacted(min(cut, len(log.records))))
    assert [late.tokens_of(who) for who in ("e-1", "e-2")] == people[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3)), max_size=12))
def test_a_deleted_key_never_comes_back(reads: list[tuple[int, int]]) -> None:
    """Not by a confirmation that was on its way when the key was deleted, either."""
    log = Log()
    log.join(), log.join()
    log.write("e-1", "first")
    log.write("e-1", "second")
    for who, most in reads:
        log.read(who, most)
    log.delete("e-1")
    log.settle()
    assert all("e-1" not in worker for worker, _ in log.workers)
    assert "e-1" not in read(log.compacted(len(log.records)))


def test_erased_and_seen_again_somebody_is_unlinkable() -> None:
    log = Log()
    worker = log.join()
    log.write("e-1", "before")
    log.settle()
    before = worker.tokens_of("e-1")
    assert [worker.person_of(token) for token in before] == ["e-1", "e-1"]
    log.delete("e-1")
    log.settle()
    assert [worker.person_of(token) for token in before] == [None, None]
    assert worker.tokens_of("e-1") == ()
    log.write("e-1", "after")
    log.settle()
    after = worker.tokens_of("e-1")
    assert not {*before} & {*after}
    assert [worker.person_of(token) for token in (*before, *after)] == [None, None, "e-1", "e-1"]


def test_records_tell_nobody_anything_without_the_keys() -> None:
    log = Log()
    log.write("someone@example.eu", "own")
    name, value = log.records[0]
    assert b"someone" not in name + (value or b"")
    foreign = PersonKeys(ring())
    foreign.refuse_foreign()
    other = PersonKeys(_other())
    other.take(name, value)
    assert (len(other), other.unreadable) == (0, 1)
    with pytest.raises(ConfigurationError, match=r"none of the 1 records of privacy\.keys opens"):
        other.refuse_foreign()


def test_a_record_under_another_persons_name_is_no_record() -> None:
    keys = PersonKeys(RING)
    value = keys.sealed("e-1", key("own"))
    for name in (keys.name("e-2"), None, b"\xff"):
        assert keys.take(name, value) is None
    assert len(keys) == 0
    keys.take(keys.name("e-1"), value[:-1] + bytes([value[-1] ^ 1]))
    assert "e-1" not in keys, "what was changed on the way does not open"


def test_only_epochs_may_change_while_a_worker_runs() -> None:
    keys = read([(PersonKeys(RING).name("e-1"), PersonKeys(RING).sealed("e-1", key("own")))])
    before = keys.tokens_of("e-1")
    keys.adopt(ring(START, START + 100 * DAY, START + 200 * DAY))
    assert keys.tokens_of("e-1")[:2] == before
    assert keys.person_of(keys.tokens_of("e-1")[2]) == "e-1"
    for other, said in ((_other(), "ids and wrap"), (ring(START, START + DAY), "an epoch is another")):
        with pytest.raises(ConfigurationError, match=said):
            keys.adopt(other)


def _other() -> KeyRing:
    return replace(RING, ids=key("other ids"), wrap=key("other wrap"))
