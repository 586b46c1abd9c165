"""A decision and a later verdict on the same facts cannot disagree, whatever policy, directories and access are.

The oracle is the stream itself: a session judges the access that the request asked for, as a gateway would report it.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Final

from hypothesis import event, given, settings
from hypothesis import strategies as st

from rules.behaviour import BEHAVIOUR_IDS
from rules.cases import DAY, HOUR, POLICY
from rules.catalogue import RULE_IDS, RULES
from rules.facts import Facts
from rules.gateway.decide import DENIAL_KEPT_MS, DecisionPoint
from rules.gateway.request import AccessRequest, AskedAction, Decided, Resource, Subject
from rules.join import Joiner
from rules.judge import FAILED, Judge
from rules.knowledge import Knowledge
from rules.policy import Policy, parse
from rules.rule import ANYBODY, Flag, Rule
from rules.session import Session
from schemas.codec import parse_row_key, row_key
from schemas.directory import Row
from tests.rules.streams import JUDGED_WITH, access, describe, knowing, line, role
from tests.rules.test_properties import CHANGES, EXEMPTIONS, PEOPLE, ROWS, SAYS, TIMES
from tests.rules.world import GEO, LEGAL

GATEWAY = """
[rules."role.place_not_covered"]
shadow = {shadow}
[gateway]
valid_for = "{valid_for}"
tolerates = [{tolerates}]
[gateway.gateways.gw-1]
datasets = ["users", "logs", "abroad", "nobody's"]
principals = ["employee", "external", "service", "workload"]
[gateway.break_glass]
roles = ["reader"]
[[gateway.obligations]]
sensitivity = ["restricted"]
actions = ["export"]
ticket = true
[[gateway.obligations]]
places = ["adequate", "third_country"]
row_limit = 5
[[gateway.conditions]]
name = "archived"
sentence = "Ask an administrator."
actions = ["delete"]
when = {{ "resource.status" = "archived" }}
unless = {{ "subject.role" = "inside-only" }}
"""


def _raises(facts: Facts, _: object) -> Flag | None:
    if facts.action == "grant":
        raise RuntimeError("broken")
    return None


BROKEN = Rule(
    id="test.broken", title="t", why="w", example="e", tune="t", principals=ANYBODY, reads=frozenset({"action"}),
    check=_raises, cases=(),
)  # fmt: skip
TOLERATED = ("", '"role.none"', '"place.third_country", "purpose.not_allowed", "dataset.outside_perimeter"')


def _policy(tolerates: str, shadow: bool, valid_for: str, exempt: bool) -> Policy:
    gateway = GATEWAY.format(tolerates=tolerates, shadow=str(shadow).lower(), valid_for=valid_for)
    exemptions = EXEMPTIONS.partition("[gateway]")[0]  # what the stream's own tests say of gateways is not for here
    return parse(POLICY + gateway + (exemptions if exempt else ""), "p.toml", RULE_IDS | BEHAVIOUR_IDS)


POLICIES = {
    key: _policy(*key)
    for key in [
        (tolerates, shadow, valid_for, exempt)
        for tolerates in TOLERATED
        for shadow in (True, False)
        for valid_for in ("15m", "24h")
        for exempt in (True, False)
    ]
}


@st.composite
def _asked(draw: st.DrawFn) -> dict[str, Any]:
    """An access that somebody asks for: everything right, but for a field or two."""
    usable = sorted(set(SAYS) - NOT_ASKED)
    differs = draw(st.lists(st.sampled_from(usable), max_size=2))
    return access(
        event_id="ev-0",
        occurred_at=draw(st.sampled_from(TIMES)),
        **{name: draw(st.sampled_from(SAYS[name])) for name in differs},
        **draw(st.sampled_from(PEOPLE)),
    )


directories = st.lists(st.tuples(st.sampled_from(["row", "tombstone"]), st.sampled_from(CHANGES)), max_size=6)


def _request(fields: dict[str, Any], status: str | None) -> AccessRequest:
    """The request for an access, as a gateway would ask."""
    kind = fields.get("principal_type", "employee")
    named = {"ip": "source_ip"}
    context = {
        name: fields[of]
        for name in ("ip", "device_country", "purpose", "ticket", "session_id", "destination")
        if fields.get(of := named.get(name, name)) is not None
    }
    return AccessRequest(
        subject=Subject(type=kind, id=fields["employee_id"] if kind == "employee" else fields["principal_id"]),
        action=AskedAction(name=fields["action"]),
        resource=Resource(
            type="dataset", id=fields["dataset_id"], properties={} if status is None else {"status": status}
        ),
        context=context,
    )


class World:
    """A decision point and a session over the same directories, by the same policy."""

    def __init__(self, changes: list[tuple[str, Row]], policy: Policy, rules: tuple[Rule, ...]) -> None:
        self.policy = policy
        self.knowledge: Knowledge = knowing((*ROWS, role("inside-only", "e-2")))
        for what, changed in changes:
            if what == "row":
                self.knowledge.apply(changed)
            else:
                self.knowledge.withdraw(changed.topic, parse_row_key(row_key(changed)))
        self.judge = Judge(Joiner(policy, self.knowledge, LEGAL, GEO), rules)
        self.point = DecisionPoint(self.judge, self.knowledge, policy)

    def found(self, fields: dict[str, Any], times: list[int]) -> list[set[str]]:
        """What the stream finds on the access at each of some times; the same session sees them all."""
        session = Session(self.judge, describe=describe, provenance=lambda: JUDGED_WITH, patient=False, memo=True)
        self.knowledge.forget_ids()  # other accesses of this world had the same ids
        results = []
        for number, at in enumerate(times):
            told = {**fields, "event_id": f"ev-{number}", "occurred_at": at}
            haul = session.take([line(told, number)], at)
            assert haul.judged == 1
            session._told.clear()  # a finding about a dataset is told once, and is found every time
            results.append({reason.rule_id for alert in haul.alerts for reason in alert.reasons})
        return results

    def under_glass(self, person: str | None, at: int) -> bool:
        """Whether somebody may break the glass then."""
        known = None if person is None else self.knowledge.people.get(person)
        given = {} if known is None else known.approvals or {}
        return any(each.break_glass and (each.since or at + 1) <= at < each.ends for each in given.values())

    def decide(self, fields: dict[str, Any], status: str | None) -> Decided:
        """What the decision point says of the access."""
        return self.point.decide(
            _request(fields, status), caller="gw-1", now=fields["occurred_at"], decision_id="d", request_id="r"
        )


def _stands_otherwise(world: World, fields: dict[str, Any], status: str | None) -> bool:
    """Whether anything but rules stands against an access, told apart from the decision point's own code."""
    row = world.knowledge.datasets.get(fields["dataset_id"])
    dataset = None if row is None else row.at(fields["occurred_at"])[0]
    restricted = dataset is None or dataset.sensitivity == "restricted"
    given = fields.get("ticket")
    asks = fields.get("purpose") == "support"
    no_ticket = given is None or (asks and given == "holiday")
    person = world.knowledge.people.get(fields.get("employee_id") or fields.get("principal_id"))  # type: ignore[arg-type]
    inside_only = None if person is None else person.roles.get("inside-only")
    holds = inside_only is not None and inside_only.at(fields["occurred_at"])[0] is not None
    return (
        fields["dataset_id"] == "swiss"  # not behind this gateway
        or (restricted and fields["action"] == "export" and no_ticket)
        or (fields["action"] == "delete" and status == "archived" and not holds)
    )


NOT_ASKED: Final = frozenset({"outcome", "client", "record_count", "view"})
"""What nobody knows of an access before it happens."""


def agrees(world: World, fields: dict[str, Any], status: str | None, chosen: float) -> Decided:
    """Decide, and hold the answer against what the stream finds for as long as the answer stands."""
    decided = world.decide(fields, status)
    now, ends = fields["occurred_at"], decided.record.expires_at
    assert now < ends
    assert world.policy.gateway is not None
    times = [now, ends - 1, now + int((ends - 1 - now) * chosen)]
    for at, found in zip(times, world.found(fields, times), strict=True):
        denied = bool(found - world.policy.gateway.tolerates) and not decided.record.break_glass
        expected = not denied and not _stands_otherwise(world, {**fields, "occurred_at": at}, status)
        assert (decided.record.effect == "allow") == expected, (at - now, found, decided)
        reasons = {reason.rule_id for reason in decided.record.reasons if not reason.rule_id.startswith("decision.")}
        if not decided.record.approval_id:
            # Under break-glass what rules find is overridden, and what only the decision point looks at may deny still.
            overridden = not reasons and world.under_glass(fields.get("employee_id"), now)
            assert overridden or reasons == found - world.policy.gateway.tolerates, (at - now, found, decided)
        elif decided.record.break_glass:
            assert reasons >= found - world.policy.gateway.tolerates, "break-glass hides nothing from the stream"
            assert found - world.policy.gateway.tolerates, "it is named only where it is needed"
            assert not found & world.policy.gateway.never
        else:
            assert reasons, "an approval is named only where it is needed"
            assert not reasons & found, "what it overrides, the stream does not tell"
    if decided.record.effect == "deny":
        assert ends - now <= DENIAL_KEPT_MS
    return decided


@given(
    directories,
    st.sampled_from(sorted(POLICIES)),
    st.booleans(),
    _asked(),
    st.sampled_from([None, "archived", "active"]),
    st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_a_decision_and_a_verdict_on_the_same_facts_agree(
    changes: list[tuple[str, Row]],
    which: tuple[str, bool, str, bool],
    broken: bool,
    fields: dict[str, Any],
    status: str | None,
    chosen: float,
) -> None:
    world = World(changes, POLICIES[which], (*RULES, BROKEN) if broken else RULES)
    event(agrees(world, fields, status, chosen).record.effect)


def test_many_decisions_agree_and_every_rule_takes_part() -> None:
    """The same without a search for the smallest example, so that it can be counted what was met."""
    random = Random(6)
    met: Counter[str] = Counter()
    for _ in range(700):
        changes = [(random.choice(("row", "row", "tombstone")), each) for each in random.sample(CHANGES, 5)]
        world = World(changes, POLICIES[random.choice(sorted(POLICIES))], (*RULES, BROKEN))
        for _ in range(4):
            differs = random.sample(sorted(set(SAYS) - NOT_ASKED), random.choice((0, 1, 2)))
            fields = access(
                occurred_at=random.choice(TIMES),
                **{name: random.choice(SAYS[name]) for name in differs},
                **random.choice(PEOPLE),
            )
            record = agrees(world, fields, random.choice((None, "archived", "active")), random.random()).record
            met[record.effect] += 1
            met.update(reason.rule_id for reason in record.reasons)
            met["cut short by facts"] += record.effect == "allow" and record.expires_at - record.decided_at not in (
                15 * HOUR // 60,
                DAY,
            )
    assert min(met["allow"], met["deny"]) > 100, met
    assert met["cut short by facts"] > 20, met
    # No access that is only asked for has an id that was used before.
    assert set(met) >= (RULE_IDS | {FAILED}) - {"event.id_reused"}, (RULE_IDS - set(met), met)
