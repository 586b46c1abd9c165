"""Let somebody reach data for a time: asked for by one, approved by another; and break-glass."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from agents.approvals.asking import answer, ask, employee_of, everything, policy_of, take_break_glass, wanted
from agents.request_log import Office, now_ms, office_of
from agents.settings import Settings
from agents.signing import key_options, signer_of
from agents.text import check_text, printable, printable_json
from alerts.signatures import Signer
from rules.gateway.granting import span
from rules.gateway.section import GatewayPolicy
from rules.gateway.unreviewed import is_taken
from schemas.access import Action
from schemas.approval import Approval, StepName
from schemas.errors import ConfigurationError
from schemas.fields import iso
from schemas.toml_file import duration

NAME = "approvals"
EXAMPLES = """\
examples:
  cloverwatch approvals request --dataset 'users-*' --action read --reason "restore after incident 7" --ticket T-7 \\
      --for 4h --by anna --key anna.key
  cloverwatch approvals list
  cloverwatch approvals approve ID --by ben --key ben.key
  cloverwatch approvals withdraw ID --reason "done" --by ben --key ben.key
  cloverwatch approvals break-glass --dataset users --action read --reason "..." --by anna --key anna.key
  cloverwatch approvals review ID --reason "looked at the 12 accesses" --by ben --key ben.key

who asks and who approves are people of the policy with an `employee`; approving needs the role "approver", and to be
inside the perimeter by what the directories know. Nobody approves what they asked for, or what is for themselves. An
approval ends by itself, 12 hours after it was given at the latest unless the policy says otherwise. Break-glass is for
the roles of [gateway.break_glass]; it is told at once as an alert and is to be reviewed by another person

exit codes: 0 done, 1 refused, or no broker answers, 2 usage, policy or key
"""

LIFE: Final = "4h"
GLASS_LIFE: Final = "1h"
"""How long a grant is asked for unless told otherwise."""

STEPS: Final[dict[str, tuple[StepName, str]]] = {
    "approve": ("approved", "grant what another asked for"),
    "refuse": ("refused", "end a request"),
    "withdraw": ("withdrawn", "end a grant, or take a request back"),
    "review": ("reviewed", "say what was found when looking at a break-glass"),
}
"""Commands that answer: which step, and what it does."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    steps = parser.add_subparsers(
        dest="step",
        metavar="STEP",
        required=True,
        help="request, approve, refuse, withdraw, break-glass, review, list",
    )
    _wanting(steps.add_parser("request", help="ask, with a reason"), LIFE, for_others=True)
    for name, (_, said) in STEPS.items():
        each = steps.add_parser(name, help=said)
        each.add_argument("approval", metavar="ID", help="its id, as `approvals list` shows it")
        needed = name == "review"
        each.add_argument("--reason", default="", required=needed, metavar="TEXT", help="why, or what was found")
        _common(each, signed=True)
    _wanting(steps.add_parser("break-glass", help="take it for yourself, in an emergency"), GLASS_LIFE)
    listed = steps.add_parser("list", help="what is asked for, what holds, what is to be reviewed")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    listed.add_argument("--records", action="store_true", help="every record, signatures too, for `replay --approvals`")
    listed.add_argument("--all", action="store_true", help="also what is over")
    _common(listed, signed=False)


def _wanting(parser: argparse.ArgumentParser, life: str, *, for_others: bool = False) -> None:
    parser.add_argument(
        "--dataset", action="append", required=True, metavar="ID", help="a dataset, or a pattern (may be repeated)"
    )
    parser.add_argument(
        "--action", action="append", required=True, choices=get_args(Action), metavar="ACTION",
        help=f"{', '.join(get_args(Action))} (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; stored, names nobody")
    parser.add_argument("--purpose", default="", metavar="NAME", help="only accesses for this purpose of the policy")
    parser.add_argument("--ticket", default="", metavar="ID", help="only accesses under this ticket")
    parser.add_argument(
        "--for", dest="life", default=life, metavar="DURATION", help=f"until how long from now ({life})"
    )
    if for_others:
        parser.add_argument("--person", metavar="EMPLOYEE", help="who may; else whoever asks")
    _common(parser, signed=True)


def _common(parser: argparse.ArgumentParser, *, signed: bool) -> None:
    if signed:
        key_options(parser)
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy; else CLOVERWATCH_POLICY")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Take one step."""
    office = office_of(given.policy or settings.policy)
    gateway = policy_of(office).gateway
    assert gateway is not None  # noqa: S101  # held by `policy_of`
    if given.step == "list":
        return _list(given, asyncio.run(everything(settings, office)), gateway)
    for name in ("reason", "purpose", "ticket", "approval", "person"):
        check_text("ID" if name == "approval" else f"--{name}", getattr(given, name, None))
    signer = signer_of(given)
    if given.step in STEPS:
        name, _ = STEPS[given.step]
        stands = asyncio.run(answer(settings, office, signer, given.approval, name, given.reason))
        print(printable(f"{stands.approval_id}: {name} by {signer.name}"))
        print("\n".join(map(printable, readable(told_of(stands, gateway, now_ms())))))
    elif given.step == "request":
        approval = _wanted(given, office, signer, gateway.approvals_longest, "approvals.longest")
        stands = asyncio.run(ask(settings, office, approval))
        print(f"{stands.approval_id}: asked for, until {iso(stands.until)}")
        print(f"another person approves it: cloverwatch approvals approve {stands.approval_id} --by NAME --key FILE")
    else:
        if gateway.break_glass is None:
            raise ConfigurationError(f"policy: {office.path} has no [gateway.break_glass]: there is none to take")
        longest = gateway.break_glass_longest
        approval = _wanted(given, office, signer, longest, "break_glass.longest", break_glass=True)
        stands = asyncio.run(take_break_glass(settings, office, signer, approval))
        print(f"{stands.approval_id}: taken, until {iso(stands.until)}; it is told at once, and another reviews it")
    return 0


def _wanted(
    given: argparse.Namespace, office: Office, signer: Signer, longest: int, key: str, *, break_glass: bool = False
) -> Approval:
    employee = employee_of(office, signer)
    if not given.reason.strip():
        raise ConfigurationError("--reason: it is empty; whoever answers, and whoever audits, needs one")
    for pattern in given.dataset:
        check_text("--dataset", pattern)
    return wanted(
        signer,
        reason=given.reason,
        person=getattr(given, "person", None) or employee,
        datasets=tuple(given.dataset),
        actions=tuple(dict.fromkeys(given.action)),
        purpose=given.purpose,
        ticket=given.ticket,
        until=now_ms() + _life(given.life, longest, key),
        break_glass=break_glass,
    )


def _life(text: str, longest: int, key: str) -> int:
    try:
        life = duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--for: {error}") from None
    if not 0 < life <= longest:
        raise ConfigurationError(
            f"--for: {text!r}; allowed: more than 0, at most {longest / 3_600_000:g}h (gateway.{key})"
        )
    return life


def _list(given: argparse.Namespace, found: list[Approval], gateway: GatewayPolicy) -> int:
    now = now_ms()
    if given.records:
        for approval in found:
            print(printable_json(msgspec.json.encode(approval).decode()))
        return 0
    for approval in found:
        told = told_of(approval, gateway, now)
        if not given.all and told["over"]:
            continue
        print(
            printable_json(json.dumps(told, ensure_ascii=False))
            if given.json
            else "\n".join(map(printable, readable(told)))
        )
    return 0


def told_of(approval: Approval, gateway: GatewayPolicy, now: int) -> dict[str, Any]:
    """Return an approval as plain JSON values, without signatures; `state` is as of `now`."""
    grant = span(approval, gateway)
    state: str = approval.state
    if state == "approved" and (grant is None or now >= grant.until):
        state = "expired"
    elif state == "requested" and now >= approval.until:
        state = "lapsed"
    unreviewed = is_taken(approval) and approval.reviewed is None
    return {
        "approval": approval.approval_id,
        "state": state,
        "break_glass": approval.break_glass,
        "to_review": unreviewed,
        "over": state not in {"requested", "approved"} and not unreviewed,
        "person": approval.person,
        "datasets": list(approval.datasets),
        "actions": list(approval.actions),
        "purpose": approval.purpose,
        "ticket": approval.ticket,
        "until": iso(approval.until if grant is None else grant.until),
        "steps": [
            {"step": name, "by": each.by, "at": iso(each.at), "reason": each.reason, "place": each.place}
            for name in ("requested", "approved", "refused", "withdrawn", "reviewed")
            if (each := getattr(approval, name)) is not None
        ],
    }


def readable(told: dict[str, Any]) -> list[str]:
    """Return it as lines that a person reads."""
    glass = ", break-glass" if told["break_glass"] else ""
    review = ", to be reviewed" if told["to_review"] else ""
    narrowed = "".join(f", {name} {told[name]}" for name in ("purpose", "ticket") if told[name])
    said = [
        f"{told['approval']}  {told['state']}{glass}{review} until {told['until']}",
        f"  {told['person']}: {', '.join(told['actions'])} of {', '.join(told['datasets'])}{narrowed}",
    ]
    for each in told["steps"]:
        where = f" from {each['place']}" if each["place"] else ""
        reason = f": {each['reason']}" if each["reason"] else ""
        said.append(f"  {each['at']} {each['step']} by {each['by']}{where}{reason}")
    return said
