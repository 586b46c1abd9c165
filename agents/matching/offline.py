"""Matching without a broker: decisions and accesses of files, by the same matcher as the stream's."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from agents.approvals.offline import approvals_in
from agents.files import Directory, Line, Reading, lines
from agents.geo import MmdbGeo
from agents.matching.states import States, gateway_of
from agents.offline import describe_line
from agents.policy_watch import read_policy
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from rules.join import Joiner
from rules.matching.compare import Comparer
from rules.matching.elsewhere import Elsewhere
from rules.matching.gateways import Gateways
from rules.matching.matcher import Matcher
from rules.matching.report import match_alert
from rules.policy import Policy
from schemas import approval
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval
from schemas.codec import ACCESS
from schemas.decision_codec import DECISION
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX, Time, milliseconds

LOOK_EVERY_MS: Final = 1_000
"""How often gateways are looked at, by the log's time."""


class _Received(msgspec.Struct):
    received_at: Time | UnsetType = UNSET


_received = msgspec.json.Decoder(_Received).decode


def _when(line: bytes, otherwise: int) -> int:
    if b'"received_at"' not in line:
        return otherwise
    found: Any = _received(line).received_at
    return otherwise if found is UNSET else found if isinstance(found, int) else milliseconds(found)


def matched_files(
    policy_path: Path,
    directory: Directory,
    settings: Settings,
    accesses: Iterable[Line],
    decisions: Sequence[str],
    approvals: Path | None,
    reading: Reading,
    counts: Counter[str],
    geo_mmdb: Path | None = None,
    *,
    unsigned: bool = False,
) -> Iterator[Alert]:
    """Yield the alerts of files, in the order of the accesses.

    Args:
        policy_path: the policy.
        directory: of a folder.
        settings: which tables are used.
        accesses: lines of accesses; a line's timestamp counts as its append time.
        decisions: files; all of them are read first.
        approvals: a file of them, verified under the policy as a live process verifies them.
        reading: told of lines that cannot be used.
        counts: counted into: decisions, accesses, matched.
        geo_mmdb: a table of addresses in place of the settings'.
        unsigned: whether approvals count that nobody has verified; the last line of an id does then.

    Raises:
        ConfigurationError: policy, tables or files cannot be used.
    """
    content, policy = read_policy(policy_path)
    gateway_of(policy)
    legal = legal_table(settings)
    geo = geo_table(settings) if geo_mmdb is None else MmdbGeo(geo_mmdb)
    elsewhere = Elsewhere(TIME_MAX)
    joiner = Joiner(policy, directory.knowledge, legal, geo)
    granted: dict[str, Approval] = {}
    if approvals is not None:
        granted = _unverified(approvals, reading) if unsigned else _verified(approvals, content, joiner, reading)
        counts["approvals"] = len(granted)
    matcher = Matcher(Comparer(joiner, granted, elsewhere))
    asked = []
    for offset, (record, appended_at) in enumerate(_decisions(decisions, reading)):
        matcher.decide(record, offset, appended_at)
        elsewhere.add(record.decision_id, record.person, appended_at)
        asked.append((appended_at, record.gateway_id, record.effect == "allow"))
        counts["decisions"] += 1
    watched = _Watched(policy, asked)
    judged_with = JudgedWith(
        policy=policy.version,
        legal_table=legal.digest,
        geo_table=geo.digest,
        directories=directory.digest,
        known=directory.hashes,
    )
    for offset, line in enumerate(accesses):
        counts["accesses"] += 1
        yield from watched.to(line.timestamp, judged_with)
        try:
            event = ACCESS.decode(line.value)
        except BadRecordError as error:
            reading.refuse(line.topic, line.offset, error)
            continue
        matcher.access(event, describe_line(line, event), offset, line.timestamp)
        # Every decision is known: nothing has to be waited for. The matcher looks at none that came too late.
        for judged in matcher.advance(TIME_MAX, line.timestamp):
            if judged.compared.rows_unsaid:
                counts["under a row limit without a count of records"] += 1
            if judged.compared.decision is not None:
                watched.gateways.accessed(judged.compared.decision.gateway_id, judged.access.appended_at)
            if judged.compared.findings:
                yield match_alert(
                    event,
                    directory.knowledge.find(event.person),
                    judged.compared,
                    judged.access.ref,
                    joiner,
                    appended_at=judged.access.appended_at,
                    detected_at=judged.access.appended_at,
                    judged_with=judged_with,
                )
    counts["matched"] += matcher.matched


class _Watched:
    """Gateways as a log's time goes on."""

    def __init__(self, policy: Policy, asked: list[tuple[int, str, bool]]) -> None:
        self._policy = policy
        self._asked = deque(sorted(asked))
        self._looked_at = 0
        self.gateways = Gateways()
        self._states = States(self.gateways, {})

    def to(self, now: int, judged_with: JudgedWith) -> Iterator[Alert]:
        """Hear what was asked until then; yield what is to be told of gateways."""
        if now - self._looked_at < LOOK_EVERY_MS:
            return
        self._looked_at = now
        while self._asked and self._asked[0][0] <= now:
            appended_at, gateway, allow = self._asked.popleft()
            self.gateways.decided(gateway, appended_at, allow=allow)
        yield from self._states.look(self._policy, now, now, judged_with)


def _decisions(files: Sequence[str], reading: Reading) -> Iterator[tuple[Any, int]]:
    for name in files:
        for number, line in enumerate(lines(name), 1):
            if line.strip():
                try:
                    found = DECISION.decode(line)
                    yield found, _when(line, found.decided_at)
                except BadRecordError as error:
                    reading.refuse(str(name), number, error)
                except msgspec.MsgspecError as error:
                    reading.refuse(str(name), number, BadRecordError("wrong_type", str(error)))


def _verified(path: Path, content: bytes, joiner: Joiner, reading: Reading) -> dict[str, Approval]:
    found, bad = approvals_in(path, content, joiner)
    for number, error in bad:
        reading.refuse(str(path), number, error)
    return {each.approval_id: each for each in found}


def _unverified(path: Path, reading: Reading) -> dict[str, Approval]:
    found = {}
    for number, line in enumerate(lines(path), 1):
        if line.strip():
            try:
                one = approval.decode.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                reading.refuse(str(path), number, BadRecordError("wrong_type", str(error)))
            else:
                found[one.approval_id] = one
    return found
