"""Defects of what a runner remembers (each test fails until it is mended)."""

from __future__ import annotations

from agents.delivering.memory import TOLD_MAX, Memory
from alerts.lane import Lane
from alerts.notice import Failed
from alerts.straight import notice_of
from tests.delivering.world import an_alert


def test_one_slow_key_does_not_make_all_others_come_twice() -> None:
    """DEFECT: offsets stand at the oldest unsettled alert for as long as its budget (an hour), others go past it without
    bound: after a kill all of them are read again, and only the last TOLD_MAX of their receipts are remembered."""
    memory = Memory("there")
    alerts = [an_alert(f"a{at}") for at in range(TOLD_MAX + 1)]
    for each in alerts:  # as `read_receipts` does after the kill
        memory.tell(each.alert_id, each.revision)
    assert memory.knows(alerts[0]), "delivered, with a receipt, and sent again"


def test_every_notice_is_parked_within_a_few_budgets() -> None:
    """DEFECT: a budget begins with the first try, and while a receiver is away only one or two batches are ever tried:
    of 200 pages to a dead pager three are parked after three budgets, 196 were never tried. `policy.md` promises 15m."""
    lane, budget = Lane(1, 900_000, lambda: 0.5), 900_000
    for at in range(200):
        lane.put(notice_of("there", an_alert(f"a{at}", key=f"k{at}"), 0), None)
    now = parked = 0
    while now < 3 * budget and lane.pending:
        items = lane.ready(now)
        parked += len(lane.took(items, [Failed("away")] * len(items), now + 100, now)) if items else 0
        now = max(now + 100, lane.next_at() or 0)
    assert parked == 200
