"""Requests as they come: JSON read with care, batches with their defaults, the headers that a proxy sets.

Sources: AuthZEN Authorization API 1.0 ("Access Evaluations API Request", "Default values", "Evaluations semantics")
and its certification scenario (sections 2.4, 3.2.7, 3.4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn, get_args

import msgspec

from agents.gateway.refusal import Refusal
from rules.gateway.request import AccessRequest

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]
SEMANTICS: Final[tuple[Semantic, ...]] = get_args(Semantic)

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "subject": ("type", "id"),
    "action": ("name",),
    "resource": ("type", "id"),
}
"""The fields that an entity must have: those that an evaluation's own entity lacks are taken from the defaults
(scenario, 3.2.7)."""

ENTITIES: Final = (*REQUIRED, "context")

DEPTH_MAX: Final = 64
"""How deep a body may be nested: no question needs more, and whoever reads the record later has a stack, too."""

METHODS: Final[Mapping[str, str]] = {
    "GET": "read",
    "HEAD": "read",
    "POST": "write",
    "PUT": "write",
    "PATCH": "update",
    "DELETE": "delete",
}
"""The action of an HTTP method, where the proxy sets `X-Cloverwatch-Method` in place of an action. Others have none."""

PROXY: Final = "X-Cloverwatch-"
"""How the headers begin that a proxy sets and a client must not (`docs/gateway-api.md`)."""

_CONTEXT: Final[dict[str, str]] = {
    "Ip": "ip",
    "Session": "session_id",
    "Purpose": "purpose",
    "Ticket": "ticket",
    "Device-Country": "device_country",
    "Destination": "destination",
}
"""Headers, without what they begin with, and what they are in the context of an evaluation."""


def body(raw: bytes) -> dict[str, Any]:
    """Return a request's JSON object.

    Raises:
        Refusal: it is none, not UTF-8, nested too deep, or has a key twice: two readers would see two questions.
    """
    if not raw:
        _malformed("the body is empty; allowed: a JSON object")
    try:
        found = msgspec.json.decode(raw)  # strict: UTF-8, no half of a surrogate pair, no NaN
        if isinstance(found, dict) and _plainly_sound(raw, found):
            return found
        json.loads(raw, object_pairs_hook=_without_repeats)
    except RecursionError:
        _malformed(f"the body is nested deeper than {DEPTH_MAX}")
    except ValueError:  # of msgspec, UTF-8, and the interpreter's limit on digits alike
        _malformed("the body is not a JSON document in UTF-8")
    if not isinstance(found, dict):
        _malformed("the body is not a JSON object")
    if _deeper(found, DEPTH_MAX):
        _malformed(f"the body is nested deeper than {DEPTH_MAX}")
    return found


def evaluation(asked: Mapping[str, Any]) -> AccessRequest:
    """Return one evaluation's request; what AuthZEN does not know is ignored.

    Raises:
        Refusal: a field is missing or of the wrong type; the text names it and quotes no value.
    """
    try:
        return msgspec.convert(asked, AccessRequest)
    except msgspec.ValidationError as error:
        _malformed(str(error))


def batch(asked: Mapping[str, Any], most: int) -> tuple[list[Any], Semantic]:
    """Return the evaluations of a batch, each with the defaults in it, and how they are to be executed.

    An evaluation that is no object stays what it is: it fails by itself, not the batch. Empty: the request is a single
    one (AuthZEN 1.0: "backwards-compatible").

    Raises:
        Refusal: the whole cannot be used.
    """
    listed = asked.get("evaluations", [])
    if not isinstance(listed, list):
        _malformed("evaluations: allowed: an array")
    if len(listed) > most:
        raise Refusal("too_large", f"evaluations: {len(listed)}; allowed: at most {most} in one batch")
    for name in ENTITIES:
        if name in asked and not isinstance(asked[name], dict):
            _malformed(f"{name}: allowed: an object")
    options = asked.get("options", {})
    if not isinstance(options, dict):
        _malformed("options: allowed: an object")
    semantic = options.get("evaluations_semantic", SEMANTICS[0])
    if semantic not in SEMANTICS:
        _malformed(f"options.evaluations_semantic: allowed: {', '.join(SEMANTICS)}")
    return [_with_defaults(each, asked) for each in listed], semantic


def from_headers(headers: Mapping[str, str]) -> AccessRequest:
    """Return what a proxy asks by headers.

    The method of the request itself says nothing: nginx asks by GET whatever its client did.

    Raises:
        Refusal: a header is missing or cannot be used.
    """

    def value(name: str, default: str = "") -> str:
        text = headers.get(PROXY + name, default)
        if not text.isprintable():
            _malformed(f"{PROXY}{name}: allowed: printable characters, in UTF-8")
        return text

    action = value("Action")
    if not action:
        method = value("Method")
        if method not in METHODS:
            _malformed(
                f"{PROXY}Action or {PROXY}Method: allowed: the name of an action, or one of {', '.join(METHODS)}"
            )
        action = METHODS[method]
    context = {key: text for name, key in _CONTEXT.items() if (text := value(name))}
    asked = {
        "subject": {"type": value("Subject-Type", "employee"), "id": value("Subject")},
        "action": {"name": action},
        "resource": {"type": value("Resource-Type", "dataset"), "id": value("Dataset")},
        "context": context,
    }
    for name, entity in (("Subject", "subject"), ("Dataset", "resource")):
        if not asked[entity]["id"]:
            _malformed(f"{PROXY}{name}: missing; the proxy sets it")
    return evaluation(asked)


def _with_defaults(own: Any, defaults: Mapping[str, Any]) -> Any:
    """Return an evaluation with its defaults: an entity replaces the default's, but for what it must have and lacks."""
    if not isinstance(own, dict):
        return own
    whole = dict(own)
    for name in ENTITIES:
        default = defaults.get(name)
        if default is None:
            continue
        if name not in own:
            whole[name] = default
        elif isinstance(own[name], dict):
            lacking = {key: default[key] for key in REQUIRED.get(name, ()) if key in default and key not in own[name]}
            whole[name] = {**own[name], **lacking}
    return whole


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        _malformed("the same key stands twice in one object: two readers would see two questions")


def _plainly_sound(raw: bytes, found: dict[str, Any]) -> bool:
    """Whether counting alone shows that no key stands twice and nothing is nested too deep; else it is examined.

    Without a backslash no quotation mark stands inside a string, so what we would write has as many of them as `raw`,
    unless a key stood twice: then its first value, and the marks around the key, are gone. And what has fewer brackets
    than may be nested is not nested deeper.
    """
    return (
        b"\\" not in raw
        and raw.count(b"{") + raw.count(b"[") < DEPTH_MAX
        and msgspec.json.encode(found).count(b'"') == raw.count(b'"')
    )


def _deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _malformed(text: str) -> NoReturn:
    raise Refusal("malformed", text)
