"""What a pager groups by: one key for all revisions of an alert, and none that names somebody for ever."""

from __future__ import annotations

from collections import defaultdict

from rules.cases import DAY, T
from rules.habits.across import Across
from rules.habits.crowds import Visit
from schemas.alert import Alert, EventRef
from tests.rules.streams import JUDGED_WITH, access, complete, dataset, line, policy, session


def keys_of(alerts: list[Alert]) -> dict[str, set[str]]:
    """By alert id, the keys of its revisions."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for alert in alerts:
        found[alert.alert_id].add(alert.dedup_key)
    return found


def test_an_anomaly_keeps_its_key_and_the_next_one_has_another() -> None:
    used = [(day, n) for day in (0, 9) for n in range(9)]
    lines = [
        line(access(event_id=f"ev-{at}", occurred_at=T + day * DAY + n * 1000, service_account=f"svc-{n}"), at)
        for at, (day, n) in enumerate(used)
    ]
    judging = session([*complete(), dataset()], more="[behaviour]\n", patient=False)
    told = [alert for each in lines for alert in judging.take([each], each.timestamp).alerts]
    told = [alert for alert in told if alert.rule_id == "behaviour.split_accounts"]
    assert [alert.revision for alert in told] == [0, 1, 0, 1]
    found = keys_of(told)
    assert [len(keys) for keys in found.values()] == [1, 1]
    assert len(set.union(*found.values())) == 2, "no key is of a person for ever"


def test_a_crowd_keeps_its_key_and_the_next_one_has_another() -> None:
    across = Across(lambda: JUDGED_WITH)
    across.adopt(policy("[behaviour]\n"))
    visits = [Visit(1, f"e-{n}", at, at, "users", EventRef(event_id="x")) for at in (T, T + 20 * DAY) for n in range(9)]
    found = keys_of([alert for each in visits if (alert := across.visit(each, T)) is not None])
    assert [len(keys) for keys in found.values()] == [1, 1]
    assert len(set.union(*found.values())) == 2, "no key is of a data subject for ever"
