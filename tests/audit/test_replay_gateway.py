"""`audit replay` of the family `gateway`: accesses matched with the decisions again, from an export."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from agents.audit import doubts
from agents.audit.told import OTHERWISE, WHY_NOT
from agents.cli import main
from agents.policy_watch import read_policy
from agents.settings import load
from agents.tables import geo_table, legal_table
from alerts.approvals import as_of, step
from rules.cases import DAY, HOUR
from rules.cases import POLICY as CASES
from rules.cases import T as NOON
from rules.join import Joiner
from rules.matching.compare import Compared, Comparer, Finding
from rules.matching.elsewhere import Elsewhere
from rules.matching.kinds import BYPASS, QUIET
from rules.matching.matcher import Judged, Matcher
from rules.matching.report import gateway_alert, match_alert
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.approval import STEPS, Approval, Signed, step_key
from schemas.codec import ACCESS, encode
from schemas.coverage import InForce, hash_of
from schemas.coverage import Judged as Range
from schemas.decision import Decision, Obligations
from schemas.places import PlaceClass
from tests.approvals.office import POLICY_TEXT, SIGNERS, rows
from tests.approvals.test_steps import then
from tests.audit.making import EVENTS, KEY, Stored
from tests.audit.test_replay import Operator
from tests.rules.streams import access, complete, dataset

MINUTE = 60_000
DECISIONS = "gateway.decisions"

POLICY = POLICY_TEXT.replace("[gateway]\n", '[gateway]\nmust_pass = ["users", "unheard"]\nuses = 2\nwait = "5s"\n')


class Gatekeeper(Operator):
    """An operator whose accesses pass gateways; `cloverwatch match` runs beside the worker."""

    def __init__(self, folder: Path, policy_text: str = POLICY) -> None:
        super().__init__(folder, policy_text)
        self.world.now = NOON
        _, policy = read_policy(self.policy_file)
        settings = load({}, None)
        self.joiner = Joiner(policy, self.knowledge, legal_table(settings), geo_table(settings))
        self.approvals: dict[str, Approval] = {}
        self.elsewhere = Elsewhere(HOUR)
        self.restart()

    def restart(self) -> None:
        """`cloverwatch match` starts without its memory."""
        self.matcher = Matcher(Comparer(self.joiner, self.approvals, self.elsewhere))

    def decide(self, name: str = "d-1", **fields: Any) -> Stored:
        """A gateway is answered."""
        at = fields.pop("decided_at", NOON - 1_000)
        given: dict[str, Any] = {
            "gateway_id": "gw-1", "effect": "allow", "decided_at": at, "expires_at": at + 15 * MINUTE,
            "person": "e-1", "dataset_id": "users", "action": "read", "country": "IE",
            "place_class": PlaceClass.INSIDE, "uses": 2,
            "obligations": Obligations(**fields.pop("obligations", {})),
        }  # fmt: skip
        made = Decision(decision_id=name, **given | fields)
        stored = self.world.store(DECISIONS, 0, made.person, encode(made))
        self.matcher.decide(made, stored.offset, stored.timestamp)
        self.elsewhere.add(name, made.person, stored.timestamp)
        return stored

    def grant(self, approval: Approval) -> None:
        """An approval is stored, each new step by itself; gateways and matching know it, the worker does too."""
        before = self.approvals.get(approval.approval_id)
        for name in STEPS:
            if getattr(approval, name) is None or (before is not None and getattr(before, name) is not None):
                continue
            taken = as_of(approval, name)
            key = step_key(approval.approval_id, name).decode()
            self.world.store("gateway.approvals", 0, key, msgspec.json.encode(taken), state=taken.state)
        self.knowledge.approve(approval)
        self.approvals[approval.approval_id] = approval

    def reach(self, *events: dict[str, Any]) -> list[Alert]:
        """Accesses are judged by the worker and, when the wait is over, matched; return what matching told."""
        self.arrive(*events)
        return self.match()

    def arrive(self, *events: dict[str, Any]) -> None:
        """Accesses are judged by the worker, and wait to be matched."""
        self.judge(*events)
        for each in [each for each in self.world.stored if each.topic == EVENTS][-len(events) :]:
            event = ACCESS.decode(each.value or b"")
            ref = EventRef(event_id=event.event_id, topic=EVENTS, partition=0, offset=each.offset)
            self.matcher.access(event, ref, each.offset, each.timestamp)

    def match(self) -> list[Alert]:
        """What waited is matched."""
        self.world.now += 6_000
        told = [each for each in self.matcher.advance(self.world.now, self.world.now) if each.compared.findings]
        return [self.tell(self.alert_of(each)) for each in told]

    def said(self, first: int, last: int, policy: str | None = None) -> None:
        """Matching says what it went over."""
        self.world.cover(
            Range(
                topic=EVENTS, partition=0, first=first, last=last, records=last + 1 - first, alerts_hash=hash_of([]),
                policy=policy or self.version, directories="d", worker="m", at=self.world.now, by="match",
            )
        )  # fmt: skip

    def alert_of(self, judged: Judged) -> Alert:
        """The alert about an access."""
        known = {topic: f"0:{offset}" for topic, offset in sorted(self.offsets.items())}
        return match_alert(
            judged.access.event, self.knowledge.find(judged.access.event.person), judged.compared, judged.access.ref,
            self.joiner, appended_at=judged.access.appended_at, detected_at=self.world.now,
            judged_with=JudgedWith(
                policy=self.version, legal_table="", geo_table="", known=known,
                directories=blake2b(repr(known).encode(), digest_size=8).hexdigest(),
            ),
        )  # fmt: skip

    def tell(self, alert: Alert) -> Alert:
        """An alert is published under pseudonyms, and delivered."""
        hidden, record = self.names.hide(alert)
        self.world.store("alerts", 0, hidden.alert_id, record)
        self.world.receipts(hidden.alert_id, hidden.revision)
        return alert

    def done(self, later: int = HOUR) -> None:
        """The log goes on for so long."""
        self.world.now += later
        self.world.stop(0)
        super().done()
        path = self.folder / "export" / DECISIONS / "0.jsonl.gz"
        if not path.is_file():  # an export has a file for every partition, also of a topic without records
            path.parent.mkdir()
            path.write_bytes(gzip.compress(b""))
            manifest = self.folder / "export" / "export.json"
            told = orjson.loads(manifest.read_bytes())
            told["topics"][DECISIONS] = {"0": {"first": 0, "following": 0}}
            manifest.write_bytes(orjson.dumps(told))


def approval() -> Approval:
    """An approval for e-2, given a minute ago."""
    at = NOON - MINUTE
    asked = Approval(
        approval_id="a-1", person="e-2", datasets=("users",), actions=("read",), until=NOON + HOUR,
        requested=Signed(by="anna", at=at),
    )  # fmt: skip
    return then(step(asked, "requested", SIGNERS["anna"], at, reason="restore"), "approved", "dora", at)


def kinds(alerts: list[Alert]) -> list[str]:
    return sorted(reason.rule_id.removeprefix("gateway.") for alert in alerts for reason in alert.reasons)


def gateway(said: dict[str, Any]) -> tuple[int, int, int, int]:
    """Equal, different, missing, extra."""
    counts = said["families"]["gateway"]
    return counts["equal"], counts["different"], counts["missing"], counts["extra"]


def not_judged(said: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = said["families"]["gateway"]["not_judged"]
    return found


def edit(folder: Path, topic: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of an exported partition."""
    path = folder / "export" / topic / "0.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(change(gzip.decompress(path.read_bytes()).splitlines(keepends=True)))))


def begin_at(folder: Path, topic: str, offset: int) -> None:
    """Retention took what is before an offset."""
    edit(folder, topic, lambda lines: [each for each in lines if orjson.loads(each)["offset"] >= offset])
    manifest = folder / "export" / "export.json"
    told = orjson.loads(manifest.read_bytes())
    told["topics"][topic]["0"]["first"] = offset
    manifest.write_bytes(orjson.dumps(told))


def people(made: Gatekeeper) -> Gatekeeper:
    made.rows([*complete("e-1"), *complete("e-2"), dataset()])
    return made


@pytest.fixture
def made(tmp_path: Path) -> Gatekeeper:
    return people(Gatekeeper(tmp_path))


@pytest.fixture(scope="module")
def each_kind(tmp_path_factory: pytest.TempPathFactory) -> Gatekeeper:
    """Of every kind of access one, in two ranges, and some that are as they should be."""
    made = Gatekeeper(tmp_path_factory.mktemp("each"))
    made.rows(rows(NOON - 2_000))
    made.rows([dataset("stats", sensitivity="public")])
    given = approval()
    made.grant(given)
    made.decide("d-1")
    made.decide("d-2", person="e-2")
    made.decide("d-old", decided_at=NOON - 16 * MINUTE)
    made.decide("d-no", effect="deny", person="e-3", uses=0)
    made.decide("d-few", person="e-4", obligations={"row_limit": 10})
    made.decide("d-approved", person="e-2", approval_id="a-1")
    first = made.reach(
        access(event_id="fine", decision_id="d-1"),
        access(event_id="approved", employee_id="e-2", decision_id="d-approved"),
        access(event_id="bypass", employee_id="e-5"),
        access(event_id="stolen", decision_id="d-2"),
        access(event_id="expired", decision_id="d-old"),
        access(event_id="invented", decision_id="d-none"),
        access(event_id="nobody's secret", dataset_id="stats"),
    )
    made.grant(then(given, "withdrawn", "dora", NOON + 1_000))
    second = made.reach(
        access(event_id="denied", employee_id="e-3"),
        access(event_id="wide", employee_id="e-4", record_count=11),
        access(event_id="withdrawn", employee_id="e-2", decision_id="d-approved", occurred_at=NOON + 2_000),
        access(event_id="still fine"),
        access(event_id="too often"),
    )
    assert kinds(first) == ["bypass", "bypass", "expired", "other_person"]
    assert kinds(second) == ["approval_missing", "denied_yet_done", "overused", "wider"]
    made.done()
    return made


def test_every_kind_comes_out_as_it_was_without_any_key(
    each_kind: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    code, said = each_kind.replay(capfd)
    assert said["differ"] == []
    assert (gateway(said), not_judged(said), said["limits"], code) == ((8, 0, 0, 0), {}, [], 0)
    assert (said["events"], said["matched"]) == (12, 11)


def test_how_often_a_decision_was_used_before_the_range_is_known(
    each_kind: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    code, said = each_kind.replay(capfd, "--first", "7")
    assert (gateway(said), not_judged(said), code) == ((4, 0, 0, 0), {}, 0)
    code, said = each_kind.replay(capfd, last=6)
    assert (gateway(said), not_judged(said), said["matched"], code) == ((4, 0, 0, 0), {}, 6, 0)


def test_uses_before_the_export_are_not_known_and_it_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = people(Gatekeeper(tmp_path))
    made.decide()
    made.reach(access(event_id="one"), access(event_id="two"))
    assert kinds(made.reach(access(event_id="three"))) == ["overused"]
    made.done()
    begin_at(tmp_path, EVENTS, 2)
    code, said = made.replay(capfd, "--first", "2")
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.NO_USES: 1}, 0)


def test_an_alert_that_was_never_made_is_missing(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), code) == ((0, 0, 1, 0), 1)
    assert "access.events/0 offset 0: judging again gives gateway.bypass (critical)" in said["differ"][0]


def test_an_alert_that_was_softened_differs(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    tell = made.tell
    made.tell = lambda alert: tell(msgspec.structs.replace(alert, severity="low"))  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), code) == ((0, 1, 0, 0), 1)
    assert "severity low and again critical" in said["differ"][0]


def test_an_alert_about_nothing_is_extra(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    made.decide()
    accuse(made, access(event_id="fine"))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), code) == ((0, 0, 0, 1), 1)


def accuse(made: Gatekeeper, event: dict[str, Any]) -> None:
    """Tell of a bypass that was none."""
    alert_of = made.alert_of
    assert made.reach(event) == []
    stored = [each for each in made.world.stored if each.topic == EVENTS][-1]
    record: AccessEvent = ACCESS.decode(stored.value or b"")
    ref = EventRef(event_id=record.event_id, topic=EVENTS, partition=0, offset=stored.offset)
    waiting = type("W", (), {"event": record, "ref": ref, "appended_at": stored.timestamp})()
    made.tell(alert_of(Judged(waiting, Compared(None, (Finding(BYPASS, "no gateway decided on it"),)))))


def test_a_decision_that_was_edited_or_left_out_is_named(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    """A denial becomes an allow after the fact, so that the alert looks wrong; or a decision vanishes."""
    made.decide(effect="deny", uses=0)
    made.decide("d-2", person="e-2")
    assert kinds(made.reach(access(event_id="denied"))) == ["denied_yet_done"]
    made.done()
    edit(made.folder, DECISIONS, lambda lines: [each.replace(b"deny", b"allow") for each in lines])
    code, said = made.replay(capfd)
    assert code == 1
    assert "gateway.decisions/0 offset 0: not the record that the log speaks of" in said["differ"]
    edit(made.folder, DECISIONS, lambda lines: lines[1:])
    code, said = made.replay(capfd)
    assert code == 1
    assert any("1 decisions that the log speaks of are not in the export" in each for each in said["differ"])


def test_without_decisions_nothing_is_passed(each_kind: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    path = each_kind.folder / "export" / DECISIONS / "0.jsonl.gz"
    before = path.read_bytes()
    path.unlink()
    try:
        code, said = each_kind.replay(capfd)
    finally:
        path.write_bytes(before)
    # Two alerts come out as they were: with no decision at all these are bypasses all the same.
    assert gateway(said)[1:] == (0, 0, 0)
    assert sum(not_judged(said).values()) + gateway(said)[0] == 11
    assert set(not_judged(said)) == {doubts.NO_DECISIONS}
    assert code == 0


def test_without_accesses_or_gateways_nothing_is_passed(
    made: Gatekeeper, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made.reach(access(event_id="bypass"))
    made.done()
    edit(made.folder, EVENTS, lambda _: [])
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.NO_ACCESSES: 1}, 1)
    made.policy_file = tmp_path / "without.toml"
    made.policy_file.write_text(CASES)
    code, said = made.replay(capfd)
    assert not_judged(said) == {doubts.NO_GATEWAY: 1}


def test_decisions_that_retention_took_are_no_accusation(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    made.decide()
    made.decide("d-2", person="e-2")
    assert made.reach(access(event_id="fine")) == []
    made.done()
    begin_at(made.folder, DECISIONS, 1)
    code, said = made.replay(capfd)
    assert code == 1  # the topic keeps them for longer than an hour
    assert any("1 decisions that the log speaks of are not in the export" in each for each in said["differ"])
    manifest = made.folder / "export" / "export.json"
    told = orjson.loads(manifest.read_bytes())
    manifest.write_bytes(orjson.dumps(told | {"at": made.world.now + 40 * DAY}))
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.NO_DECISIONS: 1}, 0)


def test_an_access_at_the_log_s_end_may_not_be_matched_yet(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.done(later=MINUTE)
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.YOUNG: 1}, 0)


def test_a_row_that_came_after_the_access_is_no_accusation(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    """Matching was down when the dataset became public knowledge: nobody can tell what it knew."""
    made.judge(access(event_id="one", dataset_id="unheard"))
    made.world.now += MINUTE
    made.rows([dataset("unheard", sensitivity="public")])
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.LATER_ROWS: 1}, 0)


def test_later_rows_excuse_nothing_where_the_alert_says_which_were_known(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    tell = made.tell
    made.tell = lambda alert: tell(msgspec.structs.replace(alert, severity="low"))  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.world.now += MINUTE
    made.rows([dataset("users", sensitivity="allowable", valid_from=NOON - HOUR)])
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 1, 0, 0), {}, 1)


def test_the_state_of_an_approval_that_is_gone_is_no_accusation(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was deleted when it was over; or its withdrawal became known after the access was matched."""
    made = Gatekeeper(tmp_path)
    made.rows(rows(NOON - 2_000))
    given = approval()
    made.grant(given)
    made.decide(person="e-2", approval_id="a-1")
    assert made.reach(access(event_id="fine", employee_id="e-2", decision_id="d-1", occurred_at=NOON + 2_000)) == []
    made.world.now += MINUTE
    made.grant(then(given, "withdrawn", "dora", NOON + 1_000))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said)) == ((0, 0, 0, 0), {doubts.NO_APPROVAL: 1})
    edit(tmp_path, "gateway.approvals", lambda _: [])
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.NO_APPROVAL: 1}, 0)


def test_an_approval_of_before_there_was_a_record_a_step_is_no_accusation(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = Gatekeeper(tmp_path)
    made.world.now = NOON - HOUR
    made.rows(rows(NOON - HOUR))
    at = NOON - 20 * MINUTE
    asked = msgspec.structs.replace(approval(), approved=None, requested=Signed(by="anna", at=at))
    asked = step(asked, "requested", SIGNERS["anna"], at, reason="restore")
    given = then(asked, "approved", "dora", NOON - MINUTE)
    made.world.now = NOON - MINUTE
    made.world.store("gateway.approvals", 0, "a-1", msgspec.json.encode(given), state=given.state)
    made.knowledge.approve(given)
    made.approvals["a-1"] = given
    made.decide(person="e-2", approval_id="a-1", obligations={"row_limit": 10})
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    assert made.reach(access(event_id="fine", employee_id="e-2", decision_id="d-1")) == []
    made.done()
    code, said = made.replay(capfd)
    assert said["differ"] == []
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.OLD_FORM: 1}, 0)


def test_an_approval_that_changed_excuses_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = Gatekeeper(tmp_path)
    made.rows(rows(NOON - 2_000))
    given = approval()
    made.grant(given)
    made.decide(person="e-2", approval_id="a-1", obligations={"row_limit": 10})
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    assert kinds(made.reach(access(event_id="wide", employee_id="e-2", record_count=11))) == ["wider"]
    made.grant(then(given, "withdrawn", "dora", NOON + MINUTE))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {}, 1)


def test_a_withdrawal_that_was_known_and_not_told_of_is_a_difference(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = Gatekeeper(tmp_path)
    made.rows(rows(NOON - 2_000))
    given = approval()
    made.grant(given)
    made.decide(person="e-2", approval_id="a-1")
    made.grant(then(given, "withdrawn", "dora", NOON - MINUTE // 2))
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    assert kinds(
        made.reach(access(event_id="late", employee_id="e-2", occurred_at=NOON + 2_000, decision_id="d-1"))
    ) == ["approval_missing"]
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {}, 1)


def test_about_when_the_policy_changed_a_missing_alert_is_no_accusation(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    before = next(each for each in made.world.stored if each.topic == "monitor.coverage")
    ours = msgspec.json.decode(before.value or b"", type=InForce)
    made.world.cover(msgspec.structs.replace(ours, policy="another", at=made.world.now))
    made.world.cover(msgspec.structs.replace(ours, at=made.world.now))
    made.reach(access(event_id="soon after"))
    made.world.now += 10 * MINUTE
    made.reach(access(event_id="long after"))
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {doubts.CHANGED: 1}, 1)


def test_what_was_matched_under_another_policy_than_it_was_judged_under_is_no_accusation(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    """Matching was an hour behind when the policy was changed: the workers had judged under the former one."""
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.world.now += HOUR
    made.said(0, 0, "another")
    made.done()
    code, said = made.replay(capfd)
    why = doubts.MATCHED_UNDER.format("another")
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {why: 1}, 0)


def test_what_was_matched_under_this_policy_is_compared_whatever_it_was_judged_under(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, made.version = made.version, "another"
    made.arrive(access(event_id="bypass"))
    made.arrive(access(event_id="another bypass"))
    made.version = ours
    assert kinds(made.match()) == ["bypass", "bypass"]
    made.said(0, 1)
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), said["nothing"], code) == ((2, 0, 0, 0), {}, "", 0)


def test_where_matching_says_its_policy_the_workers_change_explains_nothing(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    before = next(each for each in made.world.stored if each.topic == "monitor.coverage")
    ours = msgspec.json.decode(before.value or b"", type=InForce)
    made.world.cover(msgspec.structs.replace(ours, policy="another", at=made.world.now))
    made.world.cover(msgspec.structs.replace(ours, at=made.world.now))
    made.reach(access(event_id="soon after"))
    made.said(0, 0)
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {}, 1)


def test_the_first_range_of_matching_under_a_policy_may_be_of_two(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    """A batch says the policy of its last access; those before it may have been matched under the one before."""
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(*(access(event_id=f"bypass-{number}") for number in range(3)))
    made.said(0, 0, "another")
    made.said(1, 1)
    made.said(2, 2)
    made.done()
    code, said = made.replay(capfd)
    why = doubts.MATCHED_UNDER.format("another")
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {why: 1, doubts.MIXED: 1}, 1)
    code, said = made.replay(capfd, "--first", "2")
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {}, 1)


def test_uses_that_were_matched_under_another_policy_are_not_known(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    """The workers judged all of it under this policy; matching was behind with what used the decision up."""
    made.decide()
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(*(access(event_id=f"use-{number}") for number in range(3)))
    made.said(0, 1, "another")
    made.said(2, 2)
    made.done()
    for first in ("0", "2"):
        code, said = made.replay(capfd, "--first", first)
        assert gateway(said) == (0, 0, 0, 0)
        assert not_judged(said)[doubts.NO_USES] == 1
        assert code == 0


def test_the_young_are_told_by_when_they_were_matched(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    """Matching was behind: the access is old, and its alert may not be in the log yet."""
    made.tell = lambda alert: alert  # type: ignore[method-assign]
    made.reach(access(event_id="bypass"))
    made.world.now += HOUR
    made.said(0, 0)
    made.done(later=MINUTE)
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.YOUNG: 1}, 0)


def test_rows_that_came_after_it_was_matched_explain_nothing(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    made.judge(access(event_id="one", dataset_id="unheard"))
    made.said(0, 0)
    made.world.now += 5 * MINUTE
    made.rows([dataset("unheard", sensitivity="public")])
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 1, 0), {}, 1)


def test_an_access_that_was_recorded_twice_has_one_alert(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    """After a start without memory the repetition is told of again, under the same id; the topic keeps the last."""
    made.reach(access(event_id="bypass"))
    made.restart()
    assert kinds(made.reach(access(event_id="bypass"))) == ["bypass"]
    made.done()
    first = next(
        each.offset for each in made.world.stored if each.topic == "alerts" and b'"gateway' in (each.value or b"")
    )
    edit(made.folder, "alerts", lambda lines: [each for each in lines if orjson.loads(each)["offset"] != first])
    code, said = made.replay(capfd)
    assert (gateway(said), said["differ"], code) == ((1, 0, 0, 0), [], 0)
    code, said = made.replay(capfd, last=0)
    assert (gateway(said), said["differ"], code) == ((1, 0, 0, 0), [], 0)


def test_a_decision_that_came_within_the_wait_counts(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    made.arrive(access(event_id="early", decision_id="d-1"))
    made.decide()
    assert made.match() == []
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {}, 0)


def test_a_decision_that_came_too_late_is_none(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    assert kinds(made.reach(access(event_id="bypass", decision_id="d-late"))) == ["bypass"]
    made.decide("d-late")
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((1, 0, 0, 0), {}, 0)


def test_ids_that_may_have_been_forgotten_are_no_accusation(
    made: Gatekeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    made.decide("d-1", person="e-2")
    made.world.now += 3 * HOUR
    made.elsewhere = Elsewhere(HOUR)
    made.restart()
    told = made.reach(access(event_id="stolen", occurred_at=NOON + 3 * HOUR, decision_id="d-1"))
    assert kinds(told) == ["bypass"]  # forgotten: with a longer memory it is somebody else's
    made.done()
    code, said = made.replay(capfd)
    assert (gateway(said), not_judged(said), code) == ((0, 0, 0, 0), {doubts.NO_IDS: 1}, 0)


def test_under_another_policy_nothing_is_compared(
    each_kind: Gatekeeper, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(POLICY + "\n# another\n")
    monkeypatch.setattr(each_kind, "policy_file", other)
    code, said = each_kind.replay(capfd)
    assert (gateway(said), code) == ((0, 0, 0, 0), 1)
    assert "nothing was compared" in said["nothing"]
    assert not_judged(said) == {doubts.OTHER_POLICY.format(each_kind.version): 8}


def test_what_is_not_judged_again_is_counted_with_why(made: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    policy = made.joiner.policy
    used = JudgedWith(policy=made.version, legal_table="", geo_table="", directories="", known={})
    made.reach(access(event_id="bypass"))
    quiet = gateway_alert(
        QUIET, "gw-1", "it has asked nothing since", since=NOON, detected_at=made.world.now, judged_with=used,
        policy=policy,
    )  # fmt: skip
    made.tell(quiet)
    made.tell(msgspec.structs.replace(quiet, alert_id="s-1", family="stream"))
    about = EventRef(event_id="bypass", topic=EVENTS, partition=0, offset=0)
    made.tell(msgspec.structs.replace(quiet, alert_id="b-1", family="behaviour", event=about))
    made.tell(msgspec.structs.replace(quiet, alert_id="b-2", family="behaviour", event=about))
    made.judge(access(event_id="later", dataset_id="other"))
    made.tell(msgspec.structs.replace(quiet, alert_id="q-2", detected_at=made.world.now + HOUR))
    made.done()
    code, said = made.replay(capfd)
    families = {name: each["not_judged"] for name, each in said["families"].items()}
    assert families == {
        "access": {},
        "behaviour": {WHY_NOT["behaviour"]: 2},
        "gateway": {WHY_NOT["gateway"]: 1},
        "stream": {OTHERWISE: 1},
    }
    assert (gateway(said), code) == ((1, 0, 0, 0), 0)


def test_the_report_says_it_in_words(each_kind: Gatekeeper, capfd: pytest.CaptureFixture[str]) -> None:
    folder = each_kind.folder
    code = main(
        [
            "audit", "replay", str(folder / "log"), "--key", KEY, "--policy", str(each_kind.policy_file),
            "--events", str(folder / "export"), "--partition", "0", "--first", "0", "--last", "11",
        ]
    )  # fmt: skip
    said = capfd.readouterr().out
    assert "gateway: 8 equal, 0 different, 0 missing, 0 extra, 0 not judged again" in said
    assert code == 0
