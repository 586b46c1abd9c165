"""The approvals of an export, as they came to count: verified as a worker verifies them, signatures and all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agents.approvals.folding import CODEC, Standing
from agents.approvals.whereabouts import Whereabouts, terms_of
from agents.audit.verifying.exported import Record, partitions_of, records
from agents.policy_watch import people_in
from rules.join import Joiner
from rules.knowledge import Knowledge
from schemas.approval import Approval, approval_of
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX
from schemas.gateway_topics import GATEWAY_APPROVALS

ABSENT: Final = (
    f"the export holds no {GATEWAY_APPROVALS}: what an approval let pass was judged again as if there had been none"
)


class Granted:
    """Approvals that go forward in time with the directories.

    Each record counts from when the approval was given, not from when that record was stored: what it adds holds from
    its own time on.
    """

    def __init__(self, folder: Path, content: bytes, joiner: Joiner, into: Knowledge | None = None) -> None:
        """Open an export.

        Args:
            folder: the export.
            content: the policy's bytes: its people.
            joiner: over the directories, under that policy: where whoever approved was.
            into: what is approved goes into it too.
        """
        people = people_in(content)
        terms = terms_of(joiner.policy, joiner.legal, Whereabouts(lambda: joiner))
        partitions = partitions_of(folder, GATEWAY_APPROVALS)
        self.absent = joiner.policy.gateway is not None and not partitions
        """Whether there may have been approvals, and the export has none of their topic."""
        self._standing = Standing(lambda: people, lambda: terms)
        self._knowledge = into
        self._coming = [(_since(each), each) for partition in partitions for each in _all(folder, partition)]
        self._next = min((since for since, _ in self._coming), default=TIME_MAX)
        self.appended: dict[str, int] = {}
        """By id when the last record of an approval was stored, of all that the export has."""
        for _, each in self._coming:
            approval_id = approval_of(each.raw_key)
            self.appended[approval_id] = max(each.timestamp, self.appended.get(approval_id, 0))

    @property
    def standing(self) -> Mapping[str, Approval]:
        """Every approval that stands, whatever its state, by id."""
        return self._standing.approvals

    @property
    def old_form(self) -> Mapping[str, Approval]:
        """By id what is in the form of before each step had a record, and may have counted then though not now."""
        return self._standing.old_form

    def until(self, at: int) -> None:
        """Take what was given, or asked for, until `at`, milliseconds; what does not count is passed over."""
        if at < self._next:
            return
        coming = []
        for since, record in self._coming:
            if since > at:
                coming.append((since, record))
                continue
            try:
                now = self._standing.take(record.raw_key, record.raw, record.timestamp)
            except BadRecordError:
                continue
            if self._knowledge is None or now is None:
                continue
            if isinstance(now, str):
                self._knowledge.revoke(now)
            else:
                self._knowledge.approve(now)
        self._coming = coming
        self._next = min((since for since, _ in coming), default=TIME_MAX)


def _all(folder: Path, partition: int) -> list[Record]:
    return list(records(folder, GATEWAY_APPROVALS, partition))


def _since(record: Record) -> int:
    """Return from when on a record counts, milliseconds."""
    if record.raw is None:
        return record.timestamp
    try:
        found = CODEC.decode(record.raw)
    except BadRecordError:
        return record.timestamp
    return (found.approved or found.requested).at
