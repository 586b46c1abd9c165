"""Which records of an approval count, whatever somebody with a client of their own writes. No broker."""

from __future__ import annotations

from contextlib import suppress
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.approvals.folding import OLD_FORM, REASON, Standing
from agents.approvals.whereabouts import Whereabouts, terms_of
from alerts.approvals import STORED_WITHIN_MS, Terms, added, step
from alerts.people import Person, read_people
from rules.cases import DAY, HOUR, POLICY, T
from rules.catalogue import RULE_IDS
from rules.gateway.granting import span
from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.policy import parse
from schemas.approval import STEPS, Approval, Signed, StepName, step_key
from schemas.errors import BadRecordError
from schemas.toml_file import TomlFile
from tests.approvals.office import GATEWAY, POLICY_TEXT, SIGNERS, rows
from tests.rules.streams import badge, role
from tests.rules.world import GEO, LEGAL

MINUTE = 60_000

POLICY_ = parse(POLICY_TEXT, "policy.toml", RULE_IDS)


def people() -> dict[str, Person]:
    file = TomlFile(POLICY_TEXT, "policy.toml")
    return dict(read_people(file, file.data))


PEOPLE = people()


def whereabouts(knowledge: Knowledge | None = None) -> Whereabouts:
    """What the directories say of everybody at `T`."""
    known = knowledge or Knowledge()
    if knowledge is None:
        for row in rows(T):
            known.apply(row)
    joiner = Joiner(POLICY_, known, LEGAL, GEO)
    return Whereabouts(lambda: joiner)


def terms(*, directories: bool = False) -> Terms:
    found = terms_of(POLICY_, LEGAL, whereabouts() if directories else None)
    assert found is not None
    return found


def asked(by: str = "anna", **fields: Any) -> Approval:
    """A signed request of anna's at `T`."""
    whole: dict[str, Any] = {
        "approval_id": "a-1",
        "person": "e-1",
        "datasets": ("users",),
        "actions": ("read",),
        "until": T + 4 * HOUR,
        "requested": Signed(by=by, at=T),
        **fields,
    }
    return step(Approval(**whole), "requested", SIGNERS[by], T, reason="restore")


def then(approval: Approval, name: StepName, by: str, at: int = T + 1000, **fields: Any) -> Approval:
    given = {"place": "IE"} if name == "approved" and not approval.break_glass else {}
    return step(approval, name, SIGNERS[by], at, **{"reason": "seen", **given, **fields})


def glass(by: str = "anna", **fields: Any) -> Approval:
    """Break-glass that somebody takes for themselves."""
    made = asked(by, **{"break_glass": True, "until": T + HOUR, **fields})
    return then(made, "approved", by, T)


def count(record: Approval, before: Approval | None = None, stored_at: int = T + 1000, **given: Any) -> str | None:
    """Why a record does not count."""
    now, why = added(before, record, stored_at, given.get("people", PEOPLE), given.get("terms", terms()))
    assert (why is None) == (now == record) or now == before
    return why


def test_what_people_do_by_the_book_counts() -> None:
    request = asked()
    approved = then(request, "approved", "ben")
    steps = [request, approved, then(approved, "withdrawn", "anna", T + 2000)]
    before = None
    for each in steps:
        assert count(each, before) is None
        before = each
    assert count(steps[-1]) is None, "whoever starts later reads only the last"
    assert count(then(request, "refused", "cleo"), request) is None, "refusing needs no place"
    assert count(then(approved, "withdrawn", "dora"), approved) is None, "any approver ends it"
    taken = glass()
    assert count(taken) is None
    assert count(then(taken, "reviewed", "ben"), taken) is None
    gone = then(taken, "withdrawn", "anna")
    assert count(then(gone, "reviewed", "ben", T + 3000), gone) is None, "what was ended is reviewed too"


REQUEST = asked()
APPROVED = then(REQUEST, "approved", "ben")


def _edited(approval: Approval, **fields: Any) -> Approval:
    return replace(approval, **fields)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        # Somebody else's signature, or none.
        (_edited(REQUEST, requested=replace(REQUEST.requested, signature="")), "not signed by 'anna'"),
        (_edited(REQUEST, requested=replace(REQUEST.requested, by="ben")), "not signed by 'ben'"),
        (_edited(REQUEST, requested=replace(REQUEST.requested, by="zoe")), "'zoe' is not in the policy"),
        (_edited(REQUEST, requested=replace(REQUEST.requested, at=T + 1)), "changed since"),
        (_edited(REQUEST, requested=replace(REQUEST.requested, reason="other")), "changed since"),
        # What was granted, changed after it was signed.
        (_edited(APPROVED, until=APPROVED.until + 1), "changed since"),
        (_edited(APPROVED, person="e-3"), "changed since"),
        (_edited(APPROVED, datasets=("*",)), "changed since"),
        (_edited(APPROVED, actions=("read", "export")), "changed since"),
        (_edited(APPROVED, purpose="audit"), "changed since"),
        (_edited(APPROVED, ticket="T-1"), "changed since"),
        (_edited(APPROVED, approval_id="a-2"), "changed since"),
        (_edited(APPROVED, break_glass=True), "changed since"),
        # The approval.
        (_edited(APPROVED, approved=replace(APPROVED.approved or Signed(by="x", at=0), at=T + 2)), "changed since"),
        (_edited(APPROVED, approved=replace(APPROVED.approved or Signed(by="x", at=0), place="DE")), "changed since"),
        (_edited(APPROVED, approved=replace(APPROVED.approved or Signed(by="x", at=0), by="dora")), "by 'dora'"),
        (then(REQUEST, "approved", "anna"), "no approver"),
        (then(asked("ben", person="e-2"), "approved", "ben"), "the employee whom it is for"),
        (then(asked("anna", person="e-2"), "approved", "ben"), "the employee whom it is for"),
        (then(asked("ben"), "approved", "ben"), "asked for it"),
        (then(REQUEST, "approved", "ben", place=""), "does not say where"),
        (then(REQUEST, "approved", "cleo", place="IN"), "in IN: outside the perimeter"),
        (then(REQUEST, "approved", "ben", place="US"), "in US: outside the perimeter"),
        (then(REQUEST, "approved", "ben", place="nowhere"), "outside the perimeter"),
        (then(REQUEST, "approved", "ben", T - 1), "older than the request"),
        (then(asked(until=T + 12 * HOUR + 1001), "approved", "ben"), "at most 12 h"),
        (then(asked(until=T + 500), "approved", "ben"), "until after it begins"),
        (asked(until=T), "before it was asked for"),
        (asked(datasets=()), "no dataset"),
        (asked(actions=()), "no dataset, or no action"),
        (step(REQUEST, "requested", SIGNERS["anna"], T, reason=" "), "no reason"),
        # After the end.
        (then(then(REQUEST, "refused", "dora", T + 2000), "approved", "ben"), "refused: it was approved by 'ben'"),
        (then(then(REQUEST, "refused", "dora"), "withdrawn", "anna"), "it was refused by 'dora'"),
        (then(APPROVED, "reviewed", "dora"), "only break-glass"),
        # Break-glass.
        (glass("ben", person="e-1"), "taken for oneself"),
        (then(asked(break_glass=True, until=T + HOUR), "approved", "ben"), "not given by another"),
        (glass(until=T + HOUR + 1), "at most 1 h"),
        (then(glass("ben", person="e-2"), "reviewed", "ben"), "the employee whom it is for"),
        (then(glass(), "reviewed", "anna"), "no approver"),
        (then(glass(), "reviewed", "ben", reason=" "), "does not say what was found"),
    ],
)
def test_what_is_forged_edited_or_not_allowed_does_not_count(record: Approval, words: str) -> None:
    why = count(record)
    assert why is not None
    assert words in why
    if record.approved is not None and record.digest() == REQUEST.digest() and record.requested == REQUEST.requested:
        now, why = added(REQUEST, record, T + 1000, PEOPLE, terms())
        assert now == REQUEST, "what stood before stands"
        assert why is not None
        assert words in why


def test_somebody_else_does_not_withdraw() -> None:
    before = then(asked("ben"), "approved", "dora")
    words = count(then(before, "withdrawn", "anna", T + 2000), before)
    assert words is None, "it is theirs"
    mine = then(asked("ben", person="e-2"), "approved", "dora")
    words = count(then(mine, "withdrawn", "anna", T + 2000), mine)
    assert words is not None
    assert "no approver, did not ask for it, and it is not theirs" in words


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (then(APPROVED, "withdrawn", "anna", T + 3000), "withdrawn: 'anna' did so before"),
        (then(REQUEST, "approved", "dora"), "approved: 'ben' did so before"),
        (then(asked(ticket="T-9"), "approved", "dora"), "something else than what stands"),
        (then(step(REQUEST, "requested", SIGNERS["ben"], T, reason="r"), "approved", "dora"), "by another"),
    ],
)
def test_withdrawn_stays_withdrawn_whatever_is_written_after_it(record: Approval, words: str) -> None:
    before = then(APPROVED, "withdrawn", "anna", T + 2000)
    now, why = added(before, record, T + 3000, PEOPLE, terms())
    assert now == before
    assert why is not None
    assert words in why


def test_a_request_withdrawn_is_not_approved_after_that() -> None:
    before = then(REQUEST, "withdrawn", "anna")
    now, why = added(before, APPROVED, T + 3000, PEOPLE, terms())
    assert (now, why) == (before, "approved: it was withdrawn by 'anna'")


def test_a_withdrawal_written_beside_an_approval_is_added_to_it() -> None:
    now, why = added(APPROVED, then(REQUEST, "withdrawn", "anna", T + 2000), T + 2000, PEOPLE, terms())
    assert why is None
    assert now == then(APPROVED, "withdrawn", "anna", T + 2000)


@pytest.mark.parametrize("shift", [STORED_WITHIN_MS + 1, -STORED_WITHIN_MS - 1])
def test_a_grant_is_neither_dated_back_nor_forward(shift: int) -> None:
    request = asked()
    back = then(request, "approved", "ben", T)
    for before in (None, request):
        now, why = added(before, back, T + shift, PEOPLE, terms())
        assert now == before
        assert why is not None
        assert "allowed: within 5 minutes" in why
        assert added(before, back, T + shift - (1 if shift > 0 else -1), PEOPLE, terms())[1] is None


@pytest.mark.parametrize(
    "record",
    [
        then(glass(), "withdrawn", "anna", T + 50 * MINUTE),
        then(glass(), "reviewed", "ben", T + 50 * MINUTE),
        then(glass(), "reviewed", "ben", T + 50 * DAY),
        then(APPROVED, "withdrawn", "anna", T + 50 * MINUTE),
        then(asked(), "approved", "ben", T + 50 * MINUTE),
    ],
)
def test_no_step_is_dated_back_behind_another_that_is_taken_now(record: Approval) -> None:
    """Not in a record that nobody has seen anything of before either."""
    now = max(each.at for name in STEPS if (each := getattr(record, name)) is not None)
    why = count(record, None, now)
    assert why is not None
    assert "allowed: within 5 minutes" in why
    for name in STEPS:
        standing = Standing(lambda: PEOPLE, terms)
        if getattr(record, name) is not None:
            with pytest.raises(BadRecordError, match="allowed: within 5 minutes"):
                standing.take(step_key("a-1", name), msgspec.json.encode(record), now)
        assert not standing.approvals


@pytest.mark.parametrize("at", [T, T + 1, T + 1000, T + 2000])
def test_what_is_ended_before_it_is_approved_never_holds_in_whichever_order_it_is_read(at: int) -> None:
    gateway = POLICY_.gateway
    assert gateway is not None
    for name, by in (("withdrawn", "anna"), ("refused", "dora")):
        ending = then(REQUEST, name, by, at)  # type: ignore[arg-type]  # a step
        for first, second in permutations([APPROVED, ending]):
            now, _ = added(first, second, T + 2000, PEOPLE, terms())
            assert now is not None
            grant = span(now, gateway)
            if at <= T + 1000:
                assert grant is None
            elif name == "withdrawn" and first == APPROVED:
                assert grant is not None
                assert grant.until == at


def test_an_ending_counts_however_late_it_is_stored_but_not_ahead_of_its_time() -> None:
    """One whose record was written over is written again: it only takes away."""
    ended = then(APPROVED, "withdrawn", "anna", T + 2000)
    assert count(ended, APPROVED, T + 3 * HOUR) is None
    assert count(then(REQUEST, "refused", "ben", T + 2000), REQUEST, T + 3 * HOUR) is None
    ahead = then(APPROVED, "withdrawn", "anna", T + 3 * HOUR)
    assert "allowed: within 5 minutes" in str(count(ahead, APPROVED, T + 2000))


def test_the_directories_are_asked_where_the_approver_was_and_who_may_break_glass() -> None:
    asked_of = terms(directories=True)
    assert count(then(REQUEST, "approved", "ben"), terms=asked_of) is None
    assert count(then(REQUEST, "approved", "emil"), terms=asked_of) is None, "nothing is known: what is signed counts"
    why = count(then(REQUEST, "approved", "cleo"), terms=asked_of)
    assert why is not None
    assert "in India" in why
    assert count(glass(), terms=asked_of) is None
    knowledge = Knowledge()
    knowledge.apply(role("inside-only", "e-1", valid_from=T - DAY))
    without = terms_of(POLICY_, LEGAL, whereabouts(knowledge))
    why = count(glass(), terms=without)
    assert why is not None
    assert "break-glass is for the roles reader; held: inside-only" in why


def test_without_break_glass_in_the_policy_there_is_none() -> None:
    policy = parse(POLICY_TEXT.replace(GATEWAY, "\n[gateway]\n"), "p", RULE_IDS)
    assert count(glass(), terms=terms_of(policy, LEGAL)) == "the policy has no [gateway.break_glass]"
    assert terms_of(parse(POLICY, "p", RULE_IDS)) is None


def test_who_approves_must_be_inside_by_all_that_is_known() -> None:
    asked_of = whereabouts()
    assert asked_of.refusal("e-2", T) is None
    assert "you are in India (third_country)" in str(asked_of.refusal("e-3", T))
    assert "nothing is known of where you are" in str(asked_of.refusal("e-5", T))
    assert asked_of.refusal("e-5", T, "87.32.0.1") is None, "the address says Ireland"
    assert "you are in India" in str(asked_of.refusal("e-5", T, "1.6.0.1"))
    assert "source_ip says India" in str(asked_of.refusal("e-2", T, "1.6.0.1"))
    knowledge = Knowledge()
    knowledge.apply(badge("IE", "e-6", evidence="contract", valid_from=T - DAY))
    assert "only your contract says" in str(whereabouts(knowledge).refusal("e-6", T))


def put(approval: Approval, name: StepName | None = None) -> tuple[bytes, bytes]:
    """A record's key and value; of the last step unless told otherwise."""
    taken = name or [each for each in STEPS if getattr(approval, each) is not None][-1]
    return step_key(approval.approval_id, taken), msgspec.json.encode(approval)


@given(st.permutations(range(5)))
def test_whatever_comes_in_whatever_order_nothing_withdrawn_comes_back(order: list[int]) -> None:
    """Nor for whoever reads only what compaction has left, once what stands is written last."""
    records = [
        REQUEST,
        APPROVED,
        then(REQUEST, "approved", "dora"),
        then(REQUEST, "withdrawn", "anna", T + 1500),
        then(APPROVED, "withdrawn", "anna", T + 1600),
    ]
    standing, ended = Standing(lambda: PEOPLE, terms), None
    for at in order:
        with suppress(BadRecordError):
            standing.take(*put(records[at]), T + 2000)
        found = standing.approvals["a-1"]
        assert ended is None or found.withdrawn == ended
        ended = found.withdrawn
    assert ended is not None
    log = {put(records[at])[0]: (records[at], T + 2000) for at in order}  # what compaction leaves, unless mended
    for key, mended in standing.mending(T + 3000).items():
        assert mended is not None
        log.pop(key, None)
        log[key] = mended, T + 3000
    later = Standing(lambda: PEOPLE, terms)
    for key, (record, stored_at) in log.items():
        with suppress(BadRecordError):
            later.take(key, msgspec.json.encode(record), stored_at)
    assert later.approvals["a-1"].withdrawn == ended


def test_every_order_of_two_approvals_gives_the_first() -> None:
    for first, second in permutations([APPROVED, then(REQUEST, "approved", "dora")]):
        standing = Standing(lambda: PEOPLE, terms)
        standing.take(*put(first), T + 1000)
        with pytest.raises(BadRecordError, match="did so before"):
            standing.take(*put(second), T + 1000)
        assert standing.approvals == {"a-1": first}
        approved = step_key("a-1", "approved")
        assert standing.mending(T + 1000)[approved] == first, "compaction would keep the second"
        assert standing.take(*put(first), T + 1000) is None
        assert approved not in standing.mending(T + 1000)
        standing.take(*put(REQUEST), T + 1000)
        assert not standing.mending(T + 1000)


def test_a_tombstone_deletes_only_what_is_over() -> None:
    standing = Standing(lambda: PEOPLE, terms)
    standing.take(*put(APPROVED), T + 1000)
    with pytest.raises(BadRecordError, match="still holds is not deleted"):
        standing.take(b"a-1", None, APPROVED.ends - 1)
    assert standing.take(b"a-1", None, APPROVED.ends) == "a-1"
    with pytest.raises(BadRecordError, match="ids are not used again"):
        standing.take(*put(APPROVED), T + 1000)
    taken = glass(approval_id="a-2")
    standing.take(*put(taken), T)
    with pytest.raises(BadRecordError, match="nobody has reviewed is not deleted"):
        standing.take(b"a-2", None, T + DAY)
    assert standing.take(b"never", None, T) is None


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"a-2", put(REQUEST)[1], "bad_key"),
        (b"a-2|requested", put(REQUEST)[1], "bad_key"),
        (b"a-1|approved", put(REQUEST)[1], "bad_key"),
        (b"a-1|expired", put(REQUEST)[1], "bad_key"),
        (b"a-1|", put(REQUEST)[1], "bad_key"),
        (None, put(REQUEST)[1], "bad_key"),
        (b"\xff", None, "bad_key"),
        (b"a-1", b"{", "not_json"),
        (b"a-1", b"{}", "missing_field"),
        (b"a-1", put(REQUEST)[1].replace(b'"until":', b'"until":"2026-01-01T00:00:00Z","x":'), "wrong_type"),
        (b"a-1", put(REQUEST)[1].replace(b'"ticket":""', b'"ticket":"","ticket":""'), "duplicate_key"),
    ],
)
def test_what_is_no_approval_is_told_apart(key: bytes | None, value: bytes | None, reason: str) -> None:
    standing = Standing(lambda: PEOPLE, terms)
    with pytest.raises(BadRecordError) as caught:
        standing.take(key, value, T)
    assert caught.value.reason == reason
    assert not standing.approvals


def test_under_a_policy_without_a_gateway_nothing_counts_and_nothing_is_wrong() -> None:
    standing = Standing(lambda: PEOPLE, lambda: None)
    assert standing.take(*put(APPROVED), T) is None
    assert not standing.approvals


def test_a_tombstone_of_a_step_that_stands_does_not_count_and_is_written_over() -> None:
    """Compaction keeps the last record of a key: what stands must be that, or a restart forgets a break-glass."""
    standing = Standing(lambda: PEOPLE, terms)
    taken = glass()
    for name in ("requested", "approved"):
        standing.take(*put(taken, name), T)
    approved = step_key("a-1", "approved")
    assert not standing.mending(T)
    with pytest.raises(BadRecordError, match="the step approved stands"):
        standing.take(approved, None, T + 1)
    assert standing.approvals == {"a-1": taken}
    assert standing.mending(T + STORED_WITHIN_MS) == {approved: taken}
    standing.take(approved, msgspec.json.encode(taken), T + 2)
    assert not standing.mending(T + 2)
    assert standing.take(step_key("a-1", "reviewed"), None, T) is None, "there is none"


def test_what_is_too_late_to_be_written_again_is_left() -> None:
    """It would not bear out when the step was taken; an ending is written again whenever that is."""
    standing = Standing(lambda: PEOPLE, terms)
    ended = then(APPROVED, "withdrawn", "anna", T + 2000)
    for record in (REQUEST, APPROVED, ended):
        standing.take(*put(record), T + 2000)
    for name in ("approved", "withdrawn"):
        with pytest.raises(BadRecordError):
            standing.take(step_key("a-1", name), None, T + 3 * HOUR)
    assert standing.mending(T + 3 * HOUR) == {step_key("a-1", "withdrawn"): ended}


def test_a_deletion_is_finished_by_whoever_may_write() -> None:
    """Or the steps of half an approval would stay."""
    standing = Standing(lambda: PEOPLE, terms)
    for record in (REQUEST, APPROVED):
        standing.take(*put(record), T + 1000)
    standing.take(b"a-1", None, APPROVED.ends)
    left = standing.mending(APPROVED.ends)
    assert left == {step_key("a-1", "requested"): None, step_key("a-1", "approved"): None}
    for key in left:
        assert standing.take(key, None, APPROVED.ends) is None
    assert not standing.mending(APPROVED.ends)


def test_old_records_under_the_id_alone_count_as_far_as_the_broker_saw_their_steps() -> None:
    """Written one after another they do, and get records of their own; what compaction left of them does not."""
    standing = Standing(lambda: PEOPLE, terms)
    late = then(REQUEST, "approved", "ben", T + HOUR)
    value = msgspec.json.encode
    assert standing.take(b"a-1", value(REQUEST), T) == REQUEST
    assert standing.mending(T) == {step_key("a-1", "requested"): REQUEST}
    assert standing.take(b"a-1", value(late), T + HOUR) == late
    assert standing.mending(T + HOUR) == {step_key("a-1", "approved"): late}
    later = Standing(lambda: PEOPLE, terms)
    with pytest.raises(BadRecordError, match="requested: the step of 'anna' is of") as caught:
        later.take(b"a-1", value(late), T + HOUR)
    assert caught.value.reason == OLD_FORM
    assert later.approvals == {}, "for whoever reads it now nothing is granted"
    assert later.old_form == {"a-1": late}
    over = then(late, "withdrawn", "anna", T + 2 * HOUR)
    with pytest.raises(BadRecordError) as caught:  # taken since, by a record of its own: what is before it is missing
        later.take(*put(over), T + 2 * HOUR)
    assert caught.value.reason == OLD_FORM
    assert later.old_form == {"a-1": over}


@pytest.mark.parametrize(
    ("key", "record", "stored_at"),
    [
        (b"a-1", then(REQUEST, "approved", "ben", T + HOUR), T + 2 * HOUR),
        (b"a-1", then(REQUEST, "approved", "ben", T + HOUR), T + HOUR - 6 * MINUTE),
        (b"a-1", then(REQUEST, "approved", "anna", T + HOUR), T + HOUR),
        (b"a-1", replace(then(REQUEST, "approved", "ben", T + HOUR), person="e-9"), T + HOUR),
        (step_key("a-1", "approved"), then(REQUEST, "approved", "ben", T + HOUR), T + HOUR),
    ],
    ids=["last step dated back", "last step ahead", "wrong signer", "edited", "a step's record"],
)
def test_what_is_wrong_otherwise_is_no_record_of_before(key: bytes, record: Approval, stored_at: int) -> None:
    standing = Standing(lambda: PEOPLE, terms)
    with pytest.raises(BadRecordError) as caught:
        standing.take(key, msgspec.json.encode(record), stored_at)
    assert caught.value.reason == REASON
    assert standing.old_form == {}


def test_a_record_written_once_more_is_told_of_unless_it_came_at_once() -> None:
    standing = Standing(lambda: PEOPLE, terms)
    for record in (REQUEST, APPROVED, APPROVED):
        standing.take(*put(record), T + 1000)
    with pytest.raises(BadRecordError, match="written once more"):
        standing.take(*put(APPROVED), T + HOUR)
    assert standing.approvals == {"a-1": APPROVED}


def test_nobody_dates_break_glass_back_by_withdrawing_it_now() -> None:
    """One person, one record that was never seen before: taken last week, withdrawn a moment ago."""
    late = T + 7 * DAY
    assert "ended at" in str(count(then(glass(), "withdrawn", "anna", late), None, late))
    assert count(then(glass(), "withdrawn", "anna", T + HOUR), glass(), T + HOUR) is not None
    assert count(then(glass(), "withdrawn", "anna", T + HOUR - 1), glass(), T + HOUR - 1) is None
