"""What stands on `gateway.approvals`: its records in their order, each verified against what stood before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from alerts.approvals import Terms, added
from alerts.people import Person
from schemas.approval import MAX_BYTES, Approval, Signed
from schemas.codec import Codec
from schemas.errors import BadRecordError

REASON: Final = "not_allowed"
"""Of a dead letter: what is signed wrongly, not allowed, or does not fit."""


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
        self.untidy: set[str] = set()
        """Ids whose last record is not what stands: compaction would keep the wrong one."""
        self.gone: set[str] = set()
        """Ids whose approval was deleted: none is used again."""

    def take(self, key: bytes | None, value: bytes | None, stored_at: int) -> Approval | str | None:
        """Take a record; return the approval that stands now where it changed, or the id of one that was deleted.

        Args:
            key: the record's.
            value: the record's; None is a tombstone.
            stored_at: when it was stored, milliseconds since 1970.

        Raises:
            BadRecordError: the record does not count; what stood before still stands.
        """
        if value is None:
            return self._delete(key, stored_at)
        record = CODEC.decode(value)
        if key != record.approval_id.encode():
            raise BadRecordError("bad_key", "the key of an approval is its id")
        if record.approval_id in self.gone:
            raise BadRecordError(REASON, "the approval of this id was deleted; ids are not used again")
        terms = self._terms()
        if terms is None:
            return None  # a policy without [gateway]: no approval counts, and none is wrong
        before = self.approvals.get(record.approval_id)
        now, why = added(before, record, stored_at, self._people(), terms)
        if now is not None:
            (self.untidy.discard if now == record else self.untidy.add)(now.approval_id)
        if why is not None or now is None:
            raise BadRecordError(REASON, why or "nothing stands")
        if now == before:
            return None
        self.approvals[now.approval_id] = now
        return now

    def _delete(self, key: bytes | None, stored_at: int) -> str | None:
        """Take a tombstone. Signed by nobody, it deletes only what is over, and reviewed where it has to be."""
        try:
            approval_id = (key or b"").decode()
        except UnicodeDecodeError:
            raise BadRecordError("bad_key", "the key of an approval is its id") from None
        found = self.approvals.get(approval_id)
        if found is None:
            return None
        self.untidy.add(approval_id)  # unless it counts: compaction would keep nothing
        if found.break_glass and found.approved is not None and found.reviewed is None:
            raise BadRecordError(REASON, "break-glass that nobody has reviewed is not deleted")
        if found.approved is not None and stored_at < found.ends:
            raise BadRecordError(REASON, "an approval that still holds is not deleted; withdraw it")
        self.untidy.discard(approval_id)
        del self.approvals[approval_id]
        self.gone.add(approval_id)
        return approval_id
