"""See who a pseudonym stands for: asked for by one officer, approved by another."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Final

from agents.request_log import now_ms, office_of, requests
from agents.revealing import approve, ask, deny, open_
from agents.settings import Settings
from agents.signing import key_options, signer_of
from agents.text import check_text, printable, printable_json
from alerts.requests import Request
from schemas.errors import ConfigurationError
from schemas.fields import iso
from schemas.request import LIFE_MAX
from schemas.toml_file import duration

NAME = "reveal"
EXAMPLES = """\
examples:
  cloverwatch reveal request --alert ID --reason "exports at night" --ticket SEC-7 --by anna --key anna.key
  cloverwatch reveal list
  cloverwatch reveal approve REQUEST --by ben --key ben.key
  cloverwatch reveal open REQUEST --by anna --key anna.key
  cloverwatch reveal deny REQUEST --reason "no grounds" --by ben --key ben.key

officers are people of the policy with the role "officer". An approval hands the identity on sealed to whoever asked;
it is opened once, by them, before the request expires, and shown after that is stored. Every step is signed and stays
in privacy.requests; a request, an approval and an opening are told as alerts of the family "privacy", which no silence
and no rate limit holds back. A reason is kept for three years: name nobody in it

exit codes: 0 done, 1 refused, or no broker answers, 2 usage, policy or key
"""

LIFE: Final = "1h"
"""How long a request can be answered unless told otherwise: long enough to find a colleague."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True, help="request, list, approve, open, deny")
    asked = steps.add_parser("request", help="ask, with a reason")
    whom = asked.add_mutually_exclusive_group(required=True)
    whom.add_argument("--token", metavar="T", help="the pseudonym, `epoch:token`")
    whom.add_argument("--alert", metavar="ID", help="the person whom this alert is about")
    asked.add_argument("--reason", required=True, metavar="TEXT", help="why; stored for three years, names nobody")
    asked.add_argument("--ticket", default="", metavar="ID", help="where it is dealt with")
    asked.add_argument(
        "--expires", default=LIFE, metavar="DURATION", help=f"how long it can be answered ({LIFE}; ≤ 24h)"
    )
    for name, said in (("approve", "hand it on to whoever asked"), ("open", "see it, once"), ("deny", "end a request")):
        each = steps.add_parser(name, help=said)
        each.add_argument("request", metavar="REQUEST", help="its id, as `reveal list` shows it")
        if name == "deny":
            each.add_argument("--reason", default="", metavar="TEXT", help="why")
        _common(each, signed=True)
    _common(asked, signed=True)
    listed = steps.add_parser("list", help="every request and what became of it")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    listed.add_argument("--all", action="store_true", help="also those that are over, and looks, exports, erasures")
    _common(listed, signed=False)


def _common(parser: argparse.ArgumentParser, *, signed: bool) -> None:
    if signed:
        key_options(parser)
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy; else CLOVERWATCH_POLICY")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Take one step."""
    office = office_of(given.policy or settings.policy)
    if given.step == "list":
        return _list(given, asyncio.run(requests(settings, office)))
    for name in ("token", "alert", "reason", "ticket", "request"):
        check_text(name.upper() if name == "request" else f"--{name}", getattr(given, name, None))
    signer = signer_of(given)
    if given.step == "request":
        stored = asyncio.run(
            ask(settings, office, signer, token=given.token or "", alert_id=given.alert or "", reason=given.reason,
                ticket=given.ticket, life=_life(given.expires))
        )  # fmt: skip
        step = stored.step
        print(f"{step.request_id}: asked who {printable(step.subject)} is, until {iso(stored.at + step.life)}")
        print(f"another officer approves it: cloverwatch reveal approve {step.request_id} --by NAME --key FILE")
    elif given.step == "approve":
        asked = asyncio.run(approve(settings, office, signer, given.request))
        ticket = f", ticket {asked.ticket}" if asked.ticket else ""
        print(printable(f"{given.request}: approved for {asked.by}: {asked.subject}, {asked.reason}{ticket}"))
    elif given.step == "deny":
        asyncio.run(deny(settings, office, signer, given.request, given.reason))
        print(f"{printable(given.request)}: denied")
    else:
        token, person = asyncio.run(open_(settings, office, signer, given.request))
        print(printable(f"{token} is {person}"))
    return 0


def _life(text: str) -> int:
    try:
        life = duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--expires: {error}") from None
    if not 0 < life <= LIFE_MAX:
        raise ConfigurationError(f"--expires: {text!r}; allowed: more than 0, at most {LIFE_MAX // 3_600_000}h")
    return life


def _list(given: argparse.Namespace, found: dict[str, Request]) -> int:
    now = now_ms()
    for request in found.values():
        told = told_of(request, now)
        if not given.all and (told["state"] not in {"waiting", "approved"} or told["kind"] != "requested"):
            continue
        print(
            printable_json(json.dumps(told, ensure_ascii=False))
            if given.json
            else "\n".join(map(printable, readable(told)))
        )
    return 0


def told_of(request: Request, now: int) -> dict[str, Any]:
    """Return a request as plain JSON values; without boxes and signatures."""
    step = request.asked.step
    revealing = step.kind == "requested"
    answers = (request.approval, request.denial, request.opening)
    return {
        "request": step.request_id,
        "kind": step.kind,
        "state": request.state(now) if revealing else ("invalid" if request.invalid else "done"),
        "by": step.by,
        "subject": step.subject,
        "alert": step.alert_id,
        "reason": step.reason,
        "ticket": step.ticket,
        "at": iso(request.asked.at),
        "ends": iso(request.ends) if revealing else None,
        "invalid": request.invalid,
        "answers": [
            {"kind": each.step.kind, "by": each.step.by, "at": iso(each.at), "reason": each.step.reason}
            for each in answers
            if each is not None
        ],
        "refused": [
            {"kind": each.step.kind, "by": each.step.by, "at": iso(each.at), "why": why}
            for each, why in request.refused
        ],
    }


def readable(told: dict[str, Any]) -> list[str]:
    """Return it as lines that a person reads."""
    ticket = f", ticket {told['ticket']}" if told["ticket"] else ""
    about = f", of alert {told['alert']}" if told["alert"] else ""
    until = f" until {told['ends']}" if told["state"] in {"waiting", "approved"} else ""
    said = [
        f"{told['request']}  {told['state']}{until}",
        f"  {told['at']} {told['kind']} by {told['by']}: {told['subject']}{about}: {told['reason']}{ticket}",
    ]
    if told["invalid"]:
        said.append(f"  does not count: {told['invalid']}")
    for each in told["answers"]:
        reason = f": {each['reason']}" if each["reason"] else ""
        said.append(f"  {each['at']} {each['kind']} by {each['by']}{reason}")
    said += [f"  {each['at']} {each['kind']} by {each['by']} does not count: {each['why']}" for each in told["refused"]]
    return said
