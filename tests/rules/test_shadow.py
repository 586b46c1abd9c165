"""Rules in shadow: what they find is told apart, and the other rules' alerts are what they would be were they off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from rules.cases import POLICY, Case, T
from rules.catalogue import RULE_IDS, RULES
from rules.haul import Haul
from rules.join import Joiner
from rules.judge import FAILED, Judge
from rules.policy import parse
from rules.report import dataset_version_id, digest
from rules.rule import Rule
from rules.session import Session, judged_alone
from schemas.codec import encode
from schemas.errors import ConfigurationError
from schemas.topics import ALERTS, ALERTS_SHADOW
from tests.bad_input.worker import Heart
from tests.rules.streams import JUDGED_WITH, access, complete, dataset, describe, line, session
from tests.rules.world import GEO, LEGAL, event_of, knowledge_of

INDIA = {"device_country": "IN"}
PLACE, PURPOSE = "place.third_country", "purpose.not_allowed"
FIRING = [pytest.param(rule, case, id=f"{rule.id}: {case.name}") for rule in RULES for case in rule.cases if case.fires]


def shadow(*rules: str) -> str:
    return "".join(f'\n[rules."{rule}"]\nshadow = true\n' for rule in rules)


def off(*rules: str) -> str:
    return "".join(f'\n[rules."{rule}"]\nenabled = false\n' for rule in rules)


def haul_of(case: Case, more: str) -> Haul:
    """What comes of a case's access, whose id was used before where the case says so."""
    policy = parse(POLICY + case.policy + more, "cases.toml", RULE_IDS)
    judge = Judge(Joiner(policy, knowledge_of(case), LEGAL, GEO), RULES)
    made = Session(judge, describe=describe, provenance=lambda: JUDGED_WITH, patient=False)
    event = orjson.loads(encode(event_of(case)))
    if case.reused:
        made.remember(line({**event, "client": "another"}, 0))
    return made.take([line(event, 1)], T)


@pytest.mark.parametrize(("rule", "case"), FIRING)
def test_a_rule_in_shadow_changes_no_alert_and_is_told_apart(rule: Rule, case: Case) -> None:
    if f'"{rule.id}"' in case.policy:
        pytest.skip("the case tunes the rule itself")
    live, unlit = haul_of(case, off(rule.id)), haul_of(case, shadow(rule.id))
    assert unlit.alerts == live.alerts, "as if the rule were off"
    (alert,) = unlit.shadow
    assert [reason.rule_id for reason in alert.reasons] == [rule.id]
    assert alert.facts["shadow"] is True
    lit = {each.alert_id for each in haul_of(case, "").alerts}
    assert alert.alert_id not in lit
    assert alert.alert_id in {digest("shadow", each) for each in lit}, "the same on every replay"
    assert not live.shadow


@pytest.mark.parametrize("memo", [True, False])
def test_what_a_shadow_finds_is_found_each_time(memo: bool) -> None:
    made = session([*complete(), dataset()], more=shadow(PLACE), memo=memo, patient=False)
    events = [line(access(event_id=f"ev-{number}", **INDIA), number) for number in range(4)]
    haul = made.take(events, T)
    assert not haul.alerts
    assert len(haul.shadow) == 4
    assert haul.judged == 4


def test_a_live_finding_of_the_same_access_has_an_alert_of_its_own() -> None:
    made = session([*complete(), dataset()], more=shadow(PLACE), patient=False)
    haul = made.take([line(access(purpose="unheard", **INDIA), 0)], T)
    (live,), (unlit,) = haul.alerts, haul.shadow
    assert [reason.rule_id for reason in live.reasons] == [PURPOSE]
    assert [reason.rule_id for reason in unlit.reasons] == [PLACE]
    assert "India" not in live.explanation.partition(": ")[2]
    assert (live.family, unlit.family) == ("access", "access")
    assert live.dedup_key != unlit.dedup_key


def test_of_a_version_of_a_dataset_it_is_told_once() -> None:
    rows = [*complete(), abroad := dataset(site="sin-1", site_country="SG")]
    made = session(rows, more=shadow("dataset.outside_perimeter"), patient=False)
    told = judged_alone(made, [line(access(event_id=f"ev-{number}"), number) for number in range(3)], T)
    assert not told
    made = session(rows, more=shadow("dataset.outside_perimeter"), patient=False)
    haul = made.take([line(access(event_id=f"ev-{number}"), number) for number in range(3)], T)
    (alert,) = haul.shadow
    assert alert.alert_id == digest("shadow", dataset_version_id(abroad))  # type: ignore[arg-type]


def test_a_shadow_that_raises_wakes_nobody() -> None:
    def check(*_: Any) -> None:
        raise RuntimeError

    rules = [replace(rule, check=check) if rule.id == PLACE else rule for rule in RULES]
    made = session([*complete(), dataset()], more=shadow(PLACE), rules=rules, patient=False)
    haul = made.take([line(access(), 0)], T)
    assert not haul.alerts
    assert [alert.rule_id for alert in haul.shadow] == [FAILED]
    assert haul.failures == {PLACE: 1}


def test_an_exemption_hides_from_the_shadow_too_and_stands_on_no_live_alert() -> None:
    exemption = f"""
        [[exemptions]]
        id = "rota"
        rules = ["{PLACE}"]
        owner = "dpo@example.org"
        reason = "rota"
        until = 2030-01-01T00:00:00Z
    """
    made = session([*complete(), dataset()], more=shadow(PLACE) + exemption, patient=False)
    haul = made.take([line(access(purpose="unheard", **INDIA), 0)], T)
    (alert,) = haul.alerts
    assert "exempted" not in alert.facts
    assert not haul.shadow
    assert haul.exempted == {(PLACE, "rota"): 1}


def test_nobody_waits_for_the_sake_of_a_shadow() -> None:
    rows = [row for row in [*complete(), dataset()] if row.topic != "directory.locations"]
    event = line(access(source_ip="1.6.0.1"), 0)
    assert session(rows).take([event], T).held == 1
    haul = session(rows, more=shadow(PLACE)).take([event], T)
    assert (haul.held, len(haul.shadow), haul.alerts) == (0, 1, [])


def test_a_rule_that_is_off_casts_none() -> None:
    wrong = f'\n[rules."{PLACE}"]\nenabled = false\nshadow = true\n'
    with pytest.raises(ConfigurationError, match=r"shadow: true: a rule that is off casts none; allowed: enabled"):
        parse(POLICY + wrong, "p.toml", RULE_IDS)


async def test_it_goes_to_a_topic_and_a_metric_of_its_own() -> None:
    heart = Heart([*complete(), dataset()], more=shadow(PLACE))
    event = orjson.dumps(access(purpose="unheard", **INDIA))
    async with heart.beating():
        await heart.judge("e-1", [event], T)
    written = {topic: orjson.loads(message["value"]) for topic, message in heart.stored.messages}
    assert written.keys() == {ALERTS, ALERTS_SHADOW}
    assert written[ALERTS_SHADOW]["rule_id"] == PLACE
    assert {message["key"].decode() for _, message in heart.stored.messages} == {
        each["alert_id"] for each in written.values()
    }
    assert heart.value("shadow_findings_total", rule=PLACE, severity="critical") == 1
    assert heart.value("findings_total", rule=PLACE, severity="critical") == 0
    assert heart.value("findings_total", rule=PURPOSE, severity="medium") == 1
    assert heart.value("alerts_total", family="access", severity="medium") == 1
    assert heart.value("alerts_total", family="access", severity="critical") == 0
