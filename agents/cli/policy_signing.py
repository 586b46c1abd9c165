"""Change the policy with the auditors' agreement: say what differs, propose, sign, put in place."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from agents.clients import producer_of, started
from agents.policy_adopted import adopted, newest_of
from agents.policy_auditors import Auditors, auditors_of, history_of, put, read_change, read_history, sig_of
from agents.policy_changes import differences, proposed, signed
from agents.policy_watch import people_in, read_policy
from agents.settings import Settings
from agents.signing import passphrase_options, signer_of
from agents.text import printable
from agents.watching import wall_clock
from alerts.signatures import good
from schemas.errors import ConfigurationError
from schemas.fields import TEXT_MAX, iso
from schemas.gateway_topics import POLICY_CHANGES
from schemas.policy_change import PolicyChange
from schemas.toml_file import TomlFile

ACTIONS = ("diff", "propose", "sign", "adopt")


def arguments(actions: Any) -> None:
    """Declare the actions (argparse's subparsers)."""
    diff = actions.add_parser("diff", help="say what differs between two policy files")
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    propose = actions.add_parser("propose", help="write NEW.sig: what differs, why, and who says so")
    propose.add_argument("new", type=Path, metavar="NEW")
    propose.add_argument("--against", type=Path, metavar="OLD", help="the policy in force; none: it is the first")
    sign = actions.add_parser("sign", help="agree to NEW as an auditor, in NEW.sig")
    sign.add_argument("new", type=Path, metavar="NEW")
    sign.add_argument("--against", type=Path, metavar="OLD", help="the policy in force: check what is said to differ")
    for parser, why in ((propose, True), (sign, False)):
        parser.add_argument("--reason", required=why, default="", metavar="TEXT", help="why")
        parser.add_argument("--as", dest="by", required=True, metavar="NAME", help="who you are, as your key says")
        parser.add_argument(
            "--key", type=Path, required=True, metavar="FILE", help="your private key (`keys new` made it)"
        )
        passphrase_options(parser)
    adopt = actions.add_parser("adopt", help="verify NEW and NEW.sig, publish the change, put both in place")
    adopt.add_argument("new", type=Path, metavar="NEW")
    adopt.add_argument("--to", type=Path, required=True, metavar="POLICY", help="the policy that processes read")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Do one of them."""
    if given.action == "diff":
        old, new = _bytes(given.old), _bytes(given.new)
        _differences_of(given.old, old, new)
        print("\n".join(map(printable, differences(old, new))))
        return 0
    if given.action == "propose":
        return _propose(given)
    if given.action == "sign":
        return _sign(given)
    return _adopt(given, settings)


def _propose(given: argparse.Namespace) -> int:
    content, _ = read_policy(given.new)
    old = None if given.against is None else _bytes(given.against)
    _differences_of(given.against, old, content)
    change = proposed(content, old, signer_of(given), wall_clock(), _reason(given.reason))
    put(sig_of(given.new), _json(change))
    _say(change)
    print(f"{sig_of(given.new)} is written; an auditor signs with `cloverwatch policy sign {given.new}`")
    return 0


def _sign(given: argparse.Namespace) -> int:
    content, _ = read_policy(given.new)
    change = _of(content, given.new)
    if given.against is not None:
        _holds(change, _bytes(given.against), content)
    signer = signer_of(given)
    if signer.name == change.proposed.by:
        raise ConfigurationError(f"--as: {signer.name!r} proposed it; nobody agrees to their own change")
    change = signed(change, signer, wall_clock(), _reason(given.reason))
    put(sig_of(given.new), _json(change))
    _say(change)
    if given.against is None:
        print("what differs is as its proposer says; --against OLD checks it", file=sys.stderr)
    return 0


def _adopt(given: argparse.Namespace, settings: Settings) -> int:
    content, _ = read_policy(given.new)
    change = _of(content, given.new)
    history = read_history(given.to)
    current = _bytes(given.to) if given.to.exists() else None
    auditors = None if settings.policy_auditors is None else auditors_of(settings, given.to)
    in_place = current == content and history and history[-1].sha256 == change.sha256
    if in_place and (auditors is None or _recorded(settings, auditors, history[-1])):
        print(f"{given.to}: policy {change.version} is in place already")
        return 0
    _holds(change, current, content)
    _proposer(change, current, content)
    if auditors is not None:
        _agreed(auditors, change, history, given.new)
    else:
        print("policy_auditors: not set; nobody's agreement was asked for", file=sys.stderr)
    change = replace(change, adopted_at=wall_clock())
    asyncio.run(_publish(settings, change))
    # The policy last: whoever reads it meanwhile finds the old one with its change in the history.
    if not history or (history[-1].sha256, history[-1].steps) != (change.sha256, change.steps):
        history = [*history, change]
    put(history_of(given.to), b"".join(msgspec.json.encode(each) + b"\n" for each in history))
    put(sig_of(given.to), _json(change))
    put(given.to, content)
    _say(change)
    print(f"{given.to}: policy {change.version} is in place")
    return 0


def _agreed(auditors: Auditors, change: PolicyChange, history: list[PolicyChange], new: Path) -> None:
    """Refuse what not enough auditors signed, or what they signed before the policy in force."""
    when = auditors.agreed(change)
    if len(when) < auditors.needed:
        raise ConfigurationError(
            f"{sig_of(new)}: signed by {', '.join(sorted(when)) or 'none'} of the auditors "
            f"({', '.join(sorted(auditors.keys))}); needed: {auditors.needed}, not its proposer"
        )
    last = auditors.signed_at(history[-1]) if history else 0
    if history and history[-1].sha256 != change.sha256 and max(when.values()) <= last:
        raise ConfigurationError(f"{sig_of(new)}: was signed before the policy in force ({iso(last)}): sign it again")


def _recorded(settings: Settings, auditors: Auditors, change: PolicyChange) -> bool:
    """Return whether what is in place is signed, and make sure that the topic has it: that keeps three years.

    Raises:
        ConfigurationError: the topic says that another one was adopted.
    """
    if len(auditors.agreed(change)) < auditors.needed:
        return False
    newest = newest_of(asyncio.run(adopted(settings)), auditors)
    if newest is None:
        asyncio.run(_publish(settings, change))
        print(f"{POLICY_CHANGES} had no record of it: it is published again")
    elif newest.sha256 != change.sha256:
        raise ConfigurationError(
            f"{auditors.path} ({change.sha256[:16]}): {POLICY_CHANGES} says that {newest.sha256[:16]} was adopted; "
            "allowed: adopt that one, or have this one signed anew against it"
        )
    return True


async def _publish(settings: Settings, change: PolicyChange) -> None:
    async with started(settings, producer_of(settings)) as producer:
        await producer.send_and_wait(
            POLICY_CHANGES, key=change.sha256.encode(), value=msgspec.json.encode(change), partition=0
        )


def _of(content: bytes, path: Path) -> PolicyChange:
    """Return the change beside a file, which must be about these bytes."""
    change = read_change(path)
    if change.sha256 != PolicyChange.hash_of(content):
        raise ConfigurationError(f"{sig_of(path)} is of other bytes than {path} has now: propose it anew")
    return change


def _holds(change: PolicyChange, old: bytes | None, new: bytes) -> None:
    """Refuse a change that was proposed against another policy, or that says something else than differs."""
    before = "" if old is None else PolicyChange.hash_of(old)
    if change.before != before:
        raise ConfigurationError(
            f"it was proposed against {change.before[:16] or 'no policy'}; in force is {before[:16] or 'none'}: "
            "propose it against that"
        )
    if change.changes != differences(old, new) or change.version != change.sha256[:16]:
        raise ConfigurationError("what it says of the change is not what differs: propose it anew")


def _proposer(change: PolicyChange, old: bytes | None, new: bytes) -> None:
    """Refuse a proposal that is not by whom it says; say so where no policy in force knows their key.

    A policy cannot vouch for who proposed it: where the one in force names people, it has to be one of them.
    """
    step = change.proposed
    before, after = (people_in(content or b"") for content in (old, new))
    known = before.get(step.by) or after.get(step.by)
    if known is not None:
        part = change.step_part("proposed", step.by, step.at, step.reason)
        if not good(part, step.signature, known.key):
            raise ConfigurationError(f"the proposal is not signed by {step.by!r}")
    if step.by in before:
        return
    if before:
        raise ConfigurationError(
            f"the proposal is by {step.by!r}, who is not in [people] of the policy in force; allowed: "
            f"{', '.join(sorted(before))}"
        )
    if known is None:
        said = f"no policy says what the key of {step.by!r} is"
    else:
        said = f"what the key of {step.by!r} is says only the policy that is proposed"
    print(printable(f"unverified: {said}; anybody could have signed so"), file=sys.stderr)


def _differences_of(path: Path | None, old: bytes | None, new: bytes) -> None:
    """Refuse what is no TOML."""
    for name, content in ((path, old), ("NEW", new)):
        try:
            TomlFile((content or b"").decode("utf-8"), str(name))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{name}: not UTF-8 at byte {error.start}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def _reason(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise ConfigurationError(f"--reason: {len(text)} characters; allowed: {TEXT_MAX}")
    return text


def _json(change: PolicyChange) -> bytes:
    return msgspec.json.format(msgspec.json.encode(change), indent=2) + b"\n"


def _say(change: PolicyChange) -> None:
    print(f"policy {change.version}, in place of {change.before[:16] or 'none'}")
    for each in change.changes:
        print(printable(f"  {each}"))
    step = change.proposed
    print(printable(f"proposed by {step.by} at {iso(step.at)}: {step.reason}"))
    for step in change.signed:
        print(printable(f"signed by {step.by} at {iso(step.at)}" + (f": {step.reason}" if step.reason else "")))
