"""Approvals that are read once, from a file for whoever judges without a broker: verified as a worker verifies them."""

from __future__ import annotations

from pathlib import Path

from agents.approvals.folding import CODEC, Standing
from agents.approvals.whereabouts import Whereabouts, terms_of
from agents.files import lines
from agents.policy_watch import people_in
from rules.join import Joiner
from schemas.approval import Approval
from schemas.errors import BadRecordError


def standing_by(content: bytes, joiner: Joiner) -> Standing:
    """Return what stands before the first record, for whoever reads approvals once.

    Args:
        content: the policy's bytes: its people.
        joiner: over the directories, under that policy.
    """
    people = people_in(content)
    terms = terms_of(joiner.policy, joiner.legal, Whereabouts(lambda: joiner))
    return Standing(lambda: people, lambda: terms)


def approvals_in(path: Path, content: bytes, joiner: Joiner) -> tuple[list[Approval], list[tuple[int, BadRecordError]]]:
    """Return the approvals that stand after a file, and the lines that do not count, by number, with why.

    A line is a record of `gateway.approvals` (`cloverwatch approvals list --records`), in the order of the topic. When
    the broker stored it is not in it: that no step was dated back is not checked, only who signed it, and the rest.

    Args:
        path: the file; compressed as others may be.
        content: the policy's bytes: its people.
        joiner: over the directories, under that policy.
    """
    standing = standing_by(content, joiner)
    bad: list[tuple[int, BadRecordError]] = []
    for number, line in enumerate(lines(path), 1):
        try:
            record = CODEC.decode(line)
            standing.take(record.approval_id.encode(), line, None)
        except BadRecordError as error:
            bad.append((number, error))
    return list(standing.approvals.values()), bad
