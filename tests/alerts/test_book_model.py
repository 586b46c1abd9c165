"""The group book under random histories: what is read, answered, refused, silenced, replanned, restarted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts.book import Book, Due, Settled
from alerts.groups import acknowledged, over
from alerts.notice import Delivered, Failed, Notice, Refused
from alerts.plan import Plan, Silence
from alerts.routing import Silenced, decide_for
from schemas.action import Handling
from schemas.alert import Alert
from schemas.receipt import Receipt
from tests.alerts.plans import alert, destination, kind, plan, silence

MINUTE = 60_000
KEYS = ["k0", "k1", "k2", "k3"]
SEVERITIES = ["low", "high", "critical"]


class Pager:
    """What a receiver knows: the state of each key, and which revision of each alert it was told."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.told: dict[str, int] = {}
        self.began: set[str] = set()
        self.by_key: dict[str, set[str]] = defaultdict(set)
        self.covered: dict[str, set[str]] = {}
        self.notices: list[Notice] = []

    def take(self, notice: Notice) -> None:
        self.notices.append(notice)
        if notice.state == "resolved":
            self.state.pop(notice.key, None)
            self.by_key.pop(notice.key, None)
        else:
            self.state[notice.key] = notice.state
        for each in notice.alerts:
            if not notice.again:
                assert self.told.get(each.alert_id, -1) <= each.revision, "revisions of an alert go forward"
            self.told[each.alert_id] = max(each.revision, self.told.get(each.alert_id, -1))
            if notice.state == "firing":
                self.began.add(each.alert_id)
            if notice.state != "resolved":
                self.by_key[notice.key].add(each.alert_id)


class Histories(RuleBasedStateMachine):
    """One destination, its topic of alerts, its receipts, and a pager that answers when the history says so."""

    @initialize(
        limit=st.sampled_from([None, 1, 2, 5]),
        wait=st.sampled_from([0, 10_000]),
        again=st.sampled_from([None, 60.0]),
        by=st.sampled_from([("dedup_key",), ("family",), ("severity", "dedup_key")]),
    )
    def begin(self, limit: int | None, wait: int, again: float | None, by: Any) -> None:
        self.to = destination(
            of=kind(again=again), rate_limit=limit, group_wait=wait, group_by=by, group_interval=300_000
        )
        self.now = 1_000_000_000
        self.plan: Plan = plan(self.to)
        self.topic: list[Alert] = []
        self.newest: dict[str, Alert] = {}
        self.receipts: dict[str, Receipt] = {}
        self.parking: dict[str, dict[tuple[str, int], tuple[Alert, int]]] = defaultdict(dict)
        self.pager = Pager()
        self.answered: set[str] = set()
        self.restarted = False
        self.failed: set[str] = set()
        self.start()

    def start(self) -> None:
        self.book: Book[int] = Book(self.plan, "pager")
        self.open: dict[int, Alert] = {}
        self.out: list[Due[int]] = []
        self.pages: list[int] = []

    # what comes in

    def read(self, offset: int) -> None:
        record = self.topic[offset]
        self.open[offset] = record
        decided = decide_for(self.plan, "pager", record, self.now)
        if isinstance(decided, Silenced):
            self.book.silence(record, decided.silence, offset, self.now)
        else:
            self.book.take(record, offset, self.now)
        self.collect()

    def publish(self, record: Alert) -> None:
        self.newest[record.alert_id] = record
        self.topic.append(record)
        self.read(len(self.topic) - 1)

    @rule(key=st.sampled_from(KEYS), severity=st.sampled_from(SEVERITIES), many=st.sampled_from([1, 1, 2, 30]))
    def found(self, key: str, severity: Any, many: int) -> None:
        for _ in range(many):
            name = f"a{len(self.newest)}"
            where = key if many < 30 else f"{key}-{name}"
            self.publish(alert(name, key=where, severity=severity, at=self.now))

    @rule(many=st.integers(1, 3))
    def somebody_is_looked_at(self, many: int) -> None:
        """Each is told at once and by itself, whatever the limit and the silences."""
        for _ in range(many):
            self.publish(alert(f"a{len(self.newest)}", family="privacy", severity="low", at=self.now))
        self.look()
        on_their_way = {each.alert_id for due in self.out for each in due.notice.alerts}
        for name, newest in self.newest.items():
            if newest.family == "privacy" and not self.book.parked and not over(newest) and not acknowledged(newest):
                assert self.failed or name in on_their_way or self.pager.told.get(name, -1) == newest.revision

    @rule(limit=st.sampled_from([1, 3, None]))
    def another_limit(self, limit: int | None) -> None:
        self.to = replace(self.to, rate_limit=limit)
        self.plan = replace(self.plan, destinations={"pager": self.to})
        self.book.replan(self.plan, self.now)
        self.pages = []
        self.collect()

    @precondition(lambda self: self.newest)
    @rule(
        pick=st.integers(0, 1 << 20),
        what=st.sampled_from(["resolved", "withdrawn", "amended", "amended", "open", "ack", "closed"]),
        severity=st.sampled_from(SEVERITIES),
        all_of_key=st.booleans(),
    )
    def revised(self, pick: int, what: str, severity: Any, all_of_key: bool) -> None:
        one = list(self.newest.values())[pick % len(self.newest)]
        those = [each for each in self.newest.values() if each.dedup_key == one.dedup_key] if all_of_key else [one]
        for each in those:
            fields: dict[str, Any] = {"revision": each.revision + 1}
            if what == "ack":
                fields["handled"] = Handling(state="acknowledged", by="ana", at=self.now)
            elif what == "closed":
                fields["handled"] = Handling(state="closed", by="ana", at=self.now)
            else:
                fields["status"] = what
                fields["severity"] = severity if what in {"amended", "open"} else each.severity
            self.publish(msgspec.structs.replace(each, **fields))

    @rule(after=st.sampled_from([1, 1_000, 10_000, MINUTE, 5 * MINUTE]))
    def later(self, after: int) -> None:
        self.now += after

    # what goes out

    @rule()
    def look(self) -> None:
        due = self.book.due(self.now)
        self.check(due)
        again = self.book.next_due()
        assert again is None or again > self.now, "whoever asks when told to ask does not ask in a circle"
        self.collect()

    def check(self, due: list[Due[int]]) -> None:
        keys = [each.notice.key for each in (*self.out, *due)]
        assert len(keys) == len(set(keys)), "one notice of a key at a time"
        for each in due:
            notice = each.notice
            assert notice.alerts
            fresh = not notice.again and notice.id not in self.failed
            limited = not any(each.family == "privacy" for each in notice.alerts) and self.to.rate_limit is not None
            if (
                limited
                and fresh
                and notice.state != "resolved"
                and not (notice.state == "acknowledged" and notice.before)
            ):
                self.pages.append(self.now)
            if notice.key in self.answered and notice.key in self.pager.state and not notice.digest:
                assert notice.before, "what was told is told on, not told anew"
            if notice.state == "resolved" and not notice.digest and not self.restarted:
                for name in self.pager.by_key.get(notice.key, ()):
                    assert over(self.newest[name]), f"{name} is open"
        limit = self.to.rate_limit
        if limit is not None:
            for at in self.pages:
                assert sum(at <= other < at + MINUTE for other in self.pages) <= limit
        self.out += due

    @precondition(lambda self: self.out)
    @rule(
        pick=st.integers(0, 1 << 10), how=st.sampled_from(["delivered", "delivered", "delivered", "failed", "refused"])
    )
    def answer(self, pick: int, how: str) -> None:
        due = self.out.pop(pick % len(self.out))
        notice = due.notice
        if how == "delivered":
            self.deliver(due)
        elif how == "failed":
            self.failed.add(notice.id)
            self.book.settle(due, Failed("away"), self.now, self.now + 1_000)
        else:
            self.book.settle(due, Refused("never"), self.now)
        self.collect()

    def deliver(self, due: Due[int]) -> None:
        self.pager.take(due.notice)
        self.answered.add(due.notice.key)
        self.book.settle(due, Delivered({"id": due.notice.key}), self.now)

    def collect(self) -> None:
        for each in self.book.settled():
            assert isinstance(each, Settled)
            if each.first:
                record = self.open.pop(each.ref)
                assert record is each.alert
            if each.repeated:
                continue
            if each.state == "digested":
                assert each.group.startswith("digest-")
            if each.state in {"delivered", "grouped"} and not each.answer.get("note"):
                assert self.pager.told[each.alert.alert_id] >= each.alert.revision
            if each.state == "parked":
                self.parking[each.group][each.alert.alert_id, each.alert.revision] = (each.alert, each.ref)
            self.receipts[each.alert.alert_id] = Receipt(
                destination="pager",
                alert_id=each.alert.alert_id,
                dedup_key=each.alert.dedup_key,
                revision=each.alert.revision,
                status=each.alert.status,
                state=each.state,
                at=self.now,
                published_at=self.now,
                partition=0,
                offset=each.ref,
                answer=dict(each.answer),
                group=each.group,
                notice=each.notice,
                silence=each.silence,
            )

    # what else happens

    @precondition(lambda self: any(self.parking.values()))
    @rule()
    def replay(self) -> None:
        for key in list(self.parking):
            records = self.parking.pop(key)
            self.book.unpark(key)
            for record, ref in sorted(records.values(), key=lambda each: each[1]):
                self.open[ref] = record
                self.book.take(record, ref, self.now)
        self.collect()

    @rule(
        names=st.lists(st.sampled_from(["low", "high"]), unique=True),
        lasts=st.sampled_from([30_000, 5 * MINUTE]),
        begins=st.sampled_from([0, 20_000]),
    )
    def replan(self, names: list[Any], lasts: int, begins: int) -> None:
        silences: tuple[Silence, ...] = tuple(
            silence(f"s-{name}", self.now + begins, self.now + begins + lasts, up_to=name) for name in names
        )
        self.plan = replace(self.plan, silences=silences)
        self.book.replan(self.plan, self.now)
        self.collect()

    @rule(received=st.booleans())
    def crash(self, received: bool) -> None:
        """The process dies; what was out may or may not have arrived."""
        self.restarted = True
        if received:
            for due in self.out:
                self.pager.take(due.notice)
        committed = min(self.open, default=len(self.topic))
        self.now += 1
        self.start()
        self.book.resume(self.now)
        self.restore()
        for offset in range(committed, len(self.topic)):
            self.read(offset)

    def restore(self) -> None:
        for receipt in sorted(self.receipts.values(), key=lambda each: each.at):
            self.book.restore(receipt, self.newest[receipt.alert_id], receipt.offset)
        self.collect()

    @invariant()
    def what_is_pending_is_what_is_open(self) -> None:
        if hasattr(self, "book"):
            assert self.book.pending >= len(self.open)

    def teardown(self) -> None:
        """Everything works from here on: nothing is lost, nothing stays open that is over."""
        if not hasattr(self, "book"):
            return
        self.plan = replace(self.plan, silences=())
        self.book.replan(self.plan, self.now)
        self.collect()
        for _ in range(400):
            for due in self.out:
                self.deliver(due)
            self.out = []
            self.collect()
            self.replay()
            at = self.book.next_due()
            repeating = self.to.kind.again_every_s is not None
            if at is None or (repeating and not self.open and at > self.now + MINUTE):
                break
            self.now = max(self.now, at)
            self.look()
        assert not self.open, f"{len(self.open)} refs never came back"
        assert self.book.pending == 0
        for name, newest in self.newest.items():
            assert newest.family != "privacy" or name in self.pager.began, f"{name} was hidden"
            quiet = self.receipts[name].state == "digested" and "note" in self.receipts[name].answer
            if not over(newest) and quiet:
                assert name in self.pager.told
            elif not over(newest):
                assert self.pager.told.get(name, -1) == newest.revision, f"{name} was not told"
        still = {self.book.key(each) for each in self.newest.values() if not over(each)}
        for key, state in self.pager.state.items():
            assert key in still or key.startswith("digest-"), f"{key} is {state} at the pager, and over"
        if not still:
            # a digest that arrived while the process died has no receipt that would name it
            assert self.restarted or not self.pager.state
            assert not self.book._groups


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
