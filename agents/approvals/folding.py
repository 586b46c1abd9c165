"""What stands on `gateway.approvals`: its records in their order, each verified against what stood before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from alerts.approvals import Terms, added, as_of, misdated
from alerts.people import Person
from schemas.approval import MAX_BYTES, STEPS, Approval, Signed, StepName, step_key, step_of
from schemas.codec import Codec
from schemas.errors import BadRecordError

REASON: Final = "not_allowed"
"""Of a dead letter: what is signed wrongly, not allowed, or does not fit."""

OLD_FORM: Final = "misdated_old_form"
"""What compaction left of an approval that was written before each step had a record of its own, and a step that was
taken since under such a one: the last step was stored when it was taken, those before it by records that are gone.
Nobody forged it; it does not count all the same, since nothing bears out when it was asked for."""


def _settled(approval: Approval) -> bool:
    """Hold times to integer milliseconds: what is signed is what is written."""
    steps = (approval.requested, approval.approved, approval.refused, approval.withdrawn, approval.reviewed)
    times: list[Any] = [approval.until, *(step.at for step in steps if isinstance(step, Signed))]
    if not all(isinstance(time, int) for time in times):
        raise BadRecordError("wrong_type", "a time of an approval is integer milliseconds since 1970")
    return True


CODEC: Final = Codec(Approval, max_bytes=MAX_BYTES, settle=_settled, whole=False)


class Standing:
    """The approvals that stand, by id. Fed record by record; the same records in the same order give the same.

    Args:
        people: of the policy in force.
        terms: of the policy in force; None where it has no `[gateway]`: nothing counts then.
    """

    def __init__(self, people: Callable[[], Mapping[str, Person]], terms: Callable[[], Terms | None]) -> None:
        self._people, self._terms = people, terms
        self.approvals: dict[str, Approval] = {}
        self.untidy: dict[bytes, tuple[Approval, StepName] | None] = {}
        """By key of which step the last record should be, and is not: compaction would keep the wrong one. None: it
        should be a tombstone."""
        self.gone: set[str] = set()
        """Ids whose approval was deleted: none is used again."""
        self.old_form: dict[str, Approval] = {}
        """By id the last record of each that does not count for `OLD_FORM`."""

    def take(self, key: bytes | None, value: bytes | None, stored_at: int | None) -> Approval | str | None:
        """Take a record; return the approval that stands now where it changed, or the id of one that was deleted.

        Args:
            key: the record's.
            value: the record's; None is a tombstone.
            stored_at: when the broker stored it, milliseconds since 1970; None: not known (of a file), and not asked.

        Raises:
            BadRecordError: the record does not count; what stood before still stands.
        """
        if value is None:
            return self._delete(key, stored_at)
        record = CODEC.decode(value)
        try:
            step = step_of(key, record.approval_id)
        except ValueError as error:
            raise BadRecordError("bad_key", str(error)) from None
        if step is not None and getattr(record, step) is None:
            raise BadRecordError("bad_key", f"the key says that the record takes the step {step}, and it does not")
        if record.approval_id in self.gone:
            raise BadRecordError(REASON, "the approval of this id was deleted; ids are not used again")
        terms = self._terms()
        if terms is None:
            return None  # a policy without [gateway]: no approval counts, and none is wrong
        before = self.approvals.get(record.approval_id)
        now, why = added(before, record, stored_at, self._people(), terms)
        if now is not None:
            self._look_after(before, now, record, step)
        if why is None and now == before:
            why = misdated(record, step or _newest(record), stored_at)
            why = why and f"{why}; written once more, so that whoever starts later will not know when it was"
        if why is not None or now is None:
            reason = REASON
            if self._is_old_form(before, record, step, stored_at, terms):
                reason, self.old_form[record.approval_id] = OLD_FORM, record
            raise BadRecordError(reason, why or "nothing stands")
        if now == before:
            return None
        self.approvals[now.approval_id] = now
        return now

    def _is_old_form(
        self, before: Approval | None, record: Approval, step: StepName | None, stored_at: int | None, terms: Terms
    ) -> bool:
        """Whether a record does not count only because the steps before its last one were stored with it."""
        return (
            (step is None or record.approval_id in self.old_form)
            and misdated(record, step or _newest(record), stored_at) is None
            and added(before, record, None, self._people(), terms)[1] is None
        )

    def _look_after(self, before: Approval | None, now: Approval, record: Approval, step: StepName | None) -> None:
        """Note under which keys the last record is not, or no longer, that of the step which stands.

        What is under the key of a step that does not stand is left there: under another policy it may count.
        """
        for name in STEPS:
            taken = getattr(now, name)
            if taken is not None and (before is None or getattr(before, name) is None):
                self.untidy[step_key(now.approval_id, name)] = now, name  # until its own record is read, below
        if step is None:
            return
        key = step_key(now.approval_id, step)
        if getattr(record, step) == getattr(now, step):
            self.untidy.pop(key, None)
        elif getattr(now, step) is not None:
            self.untidy[key] = now, step

    def _delete(self, key: bytes | None, stored_at: int | None) -> str | None:
        """Take a tombstone. Signed by nobody, it deletes only what is over, and reviewed where it has to be.

        An approval is deleted under its id alone; its steps' records are to be deleted after that.
        """
        try:
            text = (key or b"").decode()
        except UnicodeDecodeError:
            raise BadRecordError("bad_key", "the key of an approval is its id and a step, ID|STEP") from None
        if (found := self.approvals.get(text)) is None:
            self._delete_step(text)
            return None
        if found.break_glass and found.approved is not None and found.reviewed is None:
            raise BadRecordError(REASON, "break-glass that nobody has reviewed is not deleted")
        if found.approved is not None and stored_at is not None and stored_at < found.ends:
            raise BadRecordError(REASON, "an approval that still holds is not deleted; withdraw it")
        for name in STEPS:
            self.untidy.pop(step_key(text, name), None)
            if getattr(found, name) is not None:
                self.untidy[step_key(text, name)] = None
        del self.approvals[text]
        self.gone.add(text)
        return text

    def _delete_step(self, text: str) -> None:
        """Take a tombstone of a step's record: right where the step does not stand."""
        key = text.encode()
        for approval_id, name in ((text.removesuffix(f"|{name}"), name) for name in STEPS):
            found = self.approvals.get(approval_id)
            if found is not None and key == step_key(approval_id, name) and getattr(found, name) is not None:
                self.untidy[key] = found, name
                raise BadRecordError(REASON, f"the step {name} stands: an approval is deleted whole, under its id")
        self.untidy.pop(key, None)

    def mending(self, now: int) -> dict[bytes, Approval | None]:
        """Return what has to be written, by key; None: a tombstone. What is too late to be written is forgotten.

        A record that is stored too long after its step would not bear out when that was taken.
        """
        for key, lost in list(self.untidy.items()):
            if lost is not None and misdated(*lost, now) is not None:
                del self.untidy[key]
        return {key: None if lost is None else as_of(*lost) for key, lost in self.untidy.items()}


def _newest(record: Approval) -> StepName:
    """Return the step that was taken last."""
    taken = [(each.at, STEPS.index(name), name) for name in STEPS if (each := getattr(record, name)) is not None]
    return max(taken)[2]
