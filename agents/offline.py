"""Judging without a broker: a session over the directories of a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.approvals.offline import approvals_in
from agents.files import Directory
from agents.geo import MmdbGeo
from agents.policy_watch import read_policy
from agents.pseudonym_keys import configured, read_keys
from agents.settings import Settings
from agents.state_file import State, put_back
from agents.tables import geo_table, legal_table
from agents.text import printable
from alerts.pseudonyms import Pseudonyms
from rules.catalogue import RULES
from rules.join import Joiner
from rules.judge import Judge
from rules.session import Session
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.errors import ConfigurationError


def session_of(
    policy_path: Path,
    directory: Directory,
    settings: Settings,
    *,
    geo_mmdb: Path | None = None,
    memo: bool = True,
    approvals: Path | None = None,
) -> Session:
    """Return a session for a policy and a folder's directories; approvals that do not count are told on stderr.

    Raises:
        ConfigurationError: policy or tables cannot be used.
    """
    content, policy = read_policy(policy_path)
    legal = legal_table(settings)
    geo = geo_table(settings) if geo_mmdb is None else MmdbGeo(geo_mmdb)
    judged_with = JudgedWith(
        policy=policy.version,
        legal_table=legal.digest,
        geo_table=geo.digest,
        directories=directory.digest,
        known=directory.hashes,
    )
    judge = Judge(Joiner(policy, directory.knowledge, legal, geo), RULES)
    if approvals is not None:
        _grant(approvals, content, judge.joiner)
    return Session(judge, describe=describe_line, provenance=lambda: judged_with, memo=memo, patient=False)


def _grant(path: Path, content: bytes, joiner: Joiner) -> None:
    """Let a file's approvals be those that are known, in place of others."""
    for former in list(joiner.knowledge.approvals()):
        joiner.knowledge.revoke(former.approval_id)
    found, bad = approvals_in(path, content, joiner)
    for approval in found:
        joiner.knowledge.approve(approval)
    for number, error in bad:
        print(printable(f"{path}:{number}: does not count: {error.detail}"), file=sys.stderr)


def resume(session: Session, state: State, path: Path) -> None:
    """Let a session go on where a state ends.

    Raises:
        ConfigurationError: the policy does not judge behaviour, or the state in the file `path` cannot be used.
    """
    refuse_without_behaviour(session, path)
    put_back(state, session, path)
    session.adopt(session.judge)  # whoever asks about peers asks these from now on


def refuse_without_behaviour(session: Session, path: Path) -> None:
    """Refuse a state where there is nothing to remember.

    Raises:
        ConfigurationError: the policy does not judge behaviour; names the file `path` of the state.
    """
    if session.policy.behaviour is None:
        raise ConfigurationError(
            f"--state: {path}: the policy {session.policy.version} has no [behaviour]: there is nothing to remember"
        )


def published_ids(settings: Settings) -> Callable[[Alert], Alert]:
    """Return what gives an alert of a replay the ids that it has in the stream; it is in clear all the same.

    Without keys the ids stay as they are made: enough to compare replays with each other.

    Raises:
        ConfigurationError: keys are named and cannot be used.
    """
    if not configured(settings):
        return lambda alert: alert
    return Pseudonyms(read_keys(settings), lambda _: None).keyed


def describe_line(message: Any, event: AccessEvent) -> EventRef:
    """Return where an event of a file came from."""
    return EventRef(event_id=event.event_id, source=f"{message.topic}:{message.offset}")
