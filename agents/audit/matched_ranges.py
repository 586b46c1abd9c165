"""What `cloverwatch match` says of a range: under which policy it held its accesses against decisions, and by when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from schemas.coverage import Judged
from schemas.fields import TIME_MAX


@dataclass(slots=True)
class Matched:
    """Its ranges of one partition, in the order of the log."""

    first: int
    """Of the offsets that are asked about."""
    last: int
    begins: int | None = None
    """The lowest offset that it says anything of; None: it says nothing. Logs that are older than these records
    begin with accesses of which it says nothing."""
    ranges: list[Judged] = field(default_factory=list)
    """Those that reach into the offsets; `at` is when each was stored, by the broker."""
    before: dict[str, int] = field(default_factory=dict)
    """By the policy's version the last offset before them that was matched under it."""
    mixed_before: int = -1
    """The last of `mixed` before them."""
    mixed: list[tuple[int, int]] = field(default_factory=list)
    """The first range under each policy that followed another: what was matched together with its end may have been
    matched under the former in part."""
    _policy: str = ""

    def take(self, judged: Judged, stored_at: int) -> None:
        """Take a range."""
        changed = bool(self._policy) and judged.policy != self._policy
        self._policy = judged.policy
        if judged.first > self.last:
            return
        self.begins = judged.first if self.begins is None else min(self.begins, judged.first)
        if judged.last < self.first:
            self.before[judged.policy] = max(judged.last, self.before.get(judged.policy, -1))
            if changed:
                self.mixed_before = max(judged.last, self.mixed_before)
        else:
            self.ranges.append(msgspec.structs.replace(judged, at=stored_at))
            if changed:
                self.mixed.append((judged.first, judged.last))

    def is_mixed(self, offset: int) -> bool:
        """Whether it is not known which of two policies an access was matched under."""
        return any(first <= offset <= last for first, last in self.mixed)

    def other_to(self, policy: str, judged: int) -> int:
        """Return the last offset before the range that may have been matched under another policy than this; -1: none.

        Args:
            policy: this.
            judged: the last that workers judged under another: that has to do where matching says nothing.
        """
        others = [last for one, last in self.before.items() if one != policy]
        silent = judged if self.begins is None else min(judged, self.begins - 1)
        return max(silent, self.mixed_before, *others)


def in_order(ranges: Iterable[Judged]) -> list[Judged]:
    """Return ranges by offset, the earlier judgement first."""
    return sorted(ranges, key=lambda each: (each.first, each.at))


class Ranges:
    """By offset in which range it is; ranges do not overlap here, the first judgement counts."""

    def __init__(self, ordered: Iterable[Judged]) -> None:
        self._firsts: list[int] = []
        self._ranges: list[Judged] = []
        reached = -1
        for each in ordered:
            if each.last > reached:
                self._firsts.append(max(each.first, reached + 1))
                self._ranges.append(each)
                reached = each.last

    def of(self, offset: int) -> Judged | None:
        """Return its range; None where nobody went over it."""
        at = bisect_right(self._firsts, offset) - 1
        return None if at < 0 or offset > self._ranges[at].last else self._ranges[at]

    def policy(self, offset: int) -> str:
        """Return the version of the policy of its range; empty where nobody went over it."""
        found = self.of(offset)
        return "" if found is None else found.policy


class Under:
    """Under which policy, and by when, each access of a range was matched.

    Args:
        matched: what matching says.
        judged: what workers say: their policy has to do where matching says nothing.
        other_to: the last offset before the range that workers judged under another policy than this; -1: none.
        policy: this.
    """

    def __init__(self, matched: Matched, judged: Iterable[Judged], other_to: int, policy: str) -> None:
        self._matched, self._policy = matched, policy
        self._matchings, self._judgements = Ranges(in_order(matched.ranges)), Ranges(in_order(judged))
        self._other_to = matched.other_to(policy, other_to)

    def said(self, offset: int) -> Judged | None:
        """Return matching's range of an access; None where it says nothing of it."""
        return self._matchings.of(offset)

    def policy(self, offset: int) -> str:
        """Return the version of the policy; empty where nobody went over the access."""
        return self._matchings.policy(offset) or self._judgements.policy(offset)

    def other(self, offset: int) -> bool:
        """Whether it may have been another policy than this, or nobody's that is known."""
        if offset < self._matched.first:
            return offset <= self._other_to
        return self.policy(offset) != self._policy or self._matched.is_mixed(offset)

    def by(self, offset: int) -> int:
        """Return by when it was matched, milliseconds; what is before the range was before the range."""
        found = self.said(max(offset, self._matched.first))
        return TIME_MAX if found is None else found.at
