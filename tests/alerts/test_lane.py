"""The lane: order by key through failures, patience with a receiver, an end to it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.lane import BACKOFF_MOST_MS, Done, Lane
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from tests.delivering.world import an_alert


def a_notice(name: str, key: str = "k") -> Notice:
    alert = an_alert(name, key=key)
    return Notice(
        id=name,
        key=key,
        state="firing",
        alerts=(alert,),
        firing=1,
        severity="high",
        title="t",
        started_at=0,
        at=0,
    )


def a_lane(*names: tuple[str, str], batch_max: int = 10, budget: int = 60_000) -> Lane:
    lane = Lane(batch_max, budget, lambda: 0.5)
    for name, key in names:
        lane.put(a_notice(name, key), name, 0)
    return lane


def ids(lane: Lane, now: int) -> list[str]:
    return [item.notice.id for item in lane.ready(now)]


def test_one_that_fails_by_itself_holds_up_its_own_key_only() -> None:
    lane = a_lane(("a", "x"), ("b", "x"), ("c", "y"), batch_max=1)
    lane.took(lane.ready(0), [Failed("500")], 0)
    assert ids(lane, 0) == ["c"]
    lane.took(lane.ready(0), [Delivered()], 0)
    assert ids(lane, 0) == []
    assert ids(lane, BACKOFF_MOST_MS) == ["a"]


def test_a_receiver_that_takes_nothing_is_left_alone_for_a_while() -> None:
    lane = a_lane(("a", "x"), ("b", "y"), ("c", "z"), batch_max=1)
    for _ in range(2):
        lane.took(lane.ready(0), [Failed("away")], 0)
    assert ids(lane, 0) == []
    assert lane.next_at() is not None
    assert ids(lane, BACKOFF_MOST_MS) == ["a"]


def test_a_pause_that_is_asked_for_is_kept() -> None:
    lane = a_lane(("a", "x"), ("b", "y"), batch_max=1)
    lane.took(lane.ready(0), [Failed("429", retry_after_s=120)], 0)
    assert ids(lane, 119_999) == []
    assert ids(lane, 120_000) == ["a"]


def test_after_its_budget_a_notice_is_given_up_with_all_behind_it() -> None:
    lane = a_lane(("a", "x"), ("b", "x"), ("c", "y"), batch_max=1, budget=1_000)
    lane.took(lane.ready(0), [Failed("first")], 0)
    lane.took(lane.ready(0), [Delivered()], 0)
    done = lane.took(lane.ready(5_000), [Failed("last")], 5_000)
    assert [each.item.notice.id for each in done] == ["a", "b"]
    assert isinstance(done[0].outcome, Refused)
    assert done[0].outcome.reason == "given up after 2 tries: last"
    assert len(lane) == 0


def test_what_is_refused_takes_what_waits_behind_it_along() -> None:
    lane = a_lane(("a", "x"), ("b", "x"), ("c", "y"), batch_max=1)
    done = lane.took(lane.ready(0), [Refused("no such field")], 0)
    assert [each.item.notice.id for each in done] == ["a", "b"]
    assert ids(lane, 0) == ["c"]


def test_a_receiver_that_stays_away_has_everything_parked_when_its_budget_is_over() -> None:
    budget = 900_000
    lane = a_lane(*[(f"a{at}", f"k{at}") for at in range(200)], batch_max=1, budget=budget)
    now = parked = 0
    while now < 2 * budget and lane.pending:
        items = lane.ready(now)
        parked += len(lane.took(items, [Failed("away")] * len(items), now + 100)) if items else 0
        now = max(now + 100, lane.next_at() or 0)
    assert parked == 200
    assert now < budget + 60_000


def test_what_was_taken_behind_something_refused_is_sent_again_behind_it() -> None:
    lane = a_lane(("a", "x"), ("b", "x"), ("c", "y"))
    done = lane.took(lane.ready(0), [Refused("no such field"), Delivered(), Delivered()], 0)
    assert [(each.item.notice.id, type(each.outcome)) for each in done] == [
        ("a", Refused),
        ("b", Refused),
        ("c", Delivered),
    ]


OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    [Delivered(), Delivered(), Failed("x"), Failed("y", retry_after_s=3), Refused("z")]
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_notice_has_one_end_and_those_of_a_key_end_in_order(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from("xyz"), min_size=1, max_size=12))
    lane = a_lane(*[(str(at), key) for at, key in enumerate(keys)], batch_max=data.draw(st.integers(1, 5)))
    done: list[Done] = []
    now = 0
    while len(lane):
        items = lane.ready(now)
        if not items:
            at = lane.next_at()
            assert at is not None
            assert at > now
            now = at
            continue
        outcomes: list[Outcome] = [data.draw(OUTCOMES) for _ in items]
        done += lane.took(items, outcomes, now + 5)
        now += 5
    assert sorted(each.item.handle for each in done) == sorted(str(at) for at in range(len(keys)))
    for key in set(keys):
        # What is delivered of a key is delivered in order; nothing is delivered after something that was parked.
        ends = [each for each in done if each.item.notice.key == key]
        delivered = [int(each.item.notice.id) for each in ends if isinstance(each.outcome, Delivered)]
        assert delivered == sorted(delivered)
