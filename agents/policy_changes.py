"""What differs between two policies, in sentences, and who agreed to it.

The sentences go into a log that nobody can delete from: they name rules, exemptions, silences, thresholds and keys, and
never a person who is watched, an address, a secret or a reason. What is behind a key that is not shown is told by the
hash of the file, which is what auditors sign.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final

import msgspec

from alerts.signatures import Signer, good
from schemas.policy_change import PolicyChange, PolicyStep

SENTENCE_MAX: Final = 300
"""Characters of a sentence: what is longer is read in the file."""

SENTENCES_BYTES: Final = 30_000
"""Bytes of all sentences of a change, which stand in one entry of the audit log (65,535 at most) with room to spare."""

KEEP: Final = 60
"""Characters of a value that are shown."""

_HIDDEN_SECTIONS: Final = frozenset({"destinations", "networks"})
"""Whose values are not shown: addresses, and where secrets are."""

_HIDDEN_KEYS: Final = frozenset(
    {
        "reason",
        "employee",
        "employees",
        "owner",
        "key",
        "label",
        "cidr",
        "when",
        "unless",
        "sentence",
        "url",
        "person",
        "people",
    }
)
"""Keys whose values are not shown anywhere: people, free text, addresses, what a condition looks for."""

_NAMES: Final = ("id", "name")
"""By which the tables of a list are told from each other."""

_RULE: Final[Mapping[tuple[str, Any], str]] = {
    ("enabled", False): "is switched off",
    ("enabled", True): "is switched on",
    ("shadow", True): "goes into shadow: it changes no alert",
    ("shadow", False): "comes out of shadow",
}

_ORDER: Final = ("rules", "exemptions", "silences", "thresholds", "behaviour")
"""Sections that come first: what an auditor looks for."""


def differences(old: bytes | None, new: bytes) -> tuple[str, ...]:
    """Return what differs between two policy files, one sentence each; both are TOML.

    `old` None: there was none.
    """
    before = {} if old is None else _flat(old)
    after = _flat(new)
    found = [] if old is not None else ["this is the first policy"]
    sections = sorted({path[0] for path in before | after}, key=_place)
    if old is None:
        counts = {section: len({path[1:2] for path in after if path[0] == section}) for section in sections}
        found += [f"{section}: {number} keys" for section, number in counts.items()]
    else:
        for section in sections:
            found += _of_section(section, _part(before, section), _part(after, section))
        if not found:
            found = ["nothing differs" if old == new else "nothing but comments, order or layout differs"]
    return _bounded(found)


def _place(section: str) -> tuple[int, str]:
    return (_ORDER.index(section) if section in _ORDER else len(_ORDER), section)


def _part(leaves: Mapping[tuple[str, ...], Any], section: str) -> dict[tuple[str, ...], Any]:
    return {path: value for path, value in leaves.items() if path[0] == section}


def _bounded(sentences: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    size = 0
    for at, each in enumerate(sentences):
        cut = each if len(each) <= SENTENCE_MAX else each[: SENTENCE_MAX - 1] + "…"
        size += len(msgspec.json.encode(cut)) + 1
        if size > SENTENCES_BYTES:
            return (*found, f"and {len(sentences) - at} more: compare the files")
        found.append(cut)
    return tuple(found)


def _of_section(
    section: str, before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]
) -> Iterator[str]:
    if section in {"exemptions", "silences"}:
        yield from _of_list(section.removesuffix("s"), before, after)
        return
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) == after.get(path) and (path in before) == (path in after):
            continue
        if section == "rules" and len(path) == 3 and path in after and (path[2], after[path]) in _RULE:
            yield f"rule {path[1]} {_RULE[path[2], after[path]]}"
            continue
        where = ".".join(path)
        if section == "rules" and len(path) > 2:
            where = f"rule {path[1]}: {'.'.join(path[2:])}"
        elif section in {"thresholds", "behaviour"}:
            where = f"threshold {where}"
        yield f"{where}{_change(path, before, after)}"


def _of_list(what: str, before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]) -> Iterator[str]:
    """Exemptions and silences, by their id."""
    ids_before, ids_after = ({path[1] for path in leaves if len(path) > 1} for leaves in (before, after))
    for name in sorted(ids_before | ids_after):
        if name not in ids_after:
            yield f"{what} {name} is gone"
            continue
        its = [path for path in sorted(before.keys() | after.keys()) if path[1:2] == (name,) and len(path) > 2]
        if name not in ids_before:
            said = "; ".join(f"{path[2]} {_shown(path, after[path])}" for path in its if path[2] not in {*_NAMES})
            yield f"{what} {name} is new: {said}"
            continue
        for path in its:
            if before.get(path) != after.get(path):
                yield f"{what} {name}: {'.'.join(path[2:])}{_change(path, before, after)}"


def _change(path: tuple[str, ...], before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]) -> str:
    if path not in before:
        return f": new, {_shown(path, after[path])}"
    if path not in after:
        return f": gone, was {_shown(path, before[path])}"
    if _hidden(path) and not isinstance(after[path], list):
        return " is another"
    return f": {_shown(path, before[path])} becomes {_shown(path, after[path])}"


def _hidden(path: tuple[str, ...]) -> bool:
    return path[0] in _HIDDEN_SECTIONS or not _HIDDEN_KEYS.isdisjoint(path[1:])


def _shown(path: tuple[str, ...], value: Any) -> str:
    if _hidden(path):
        return f"({len(value)} values)" if isinstance(value, list) else "(not shown)"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = msgspec.json.encode(value).decode() if not isinstance(value, str) else repr(value)
    return text if len(text) <= KEEP else text[: KEEP - 1] + "…"


def _flat(content: bytes) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    _walk((), tomllib.loads(content.decode("utf-8")), found)
    return found


def _walk(path: tuple[str, ...], value: Any, into: dict[tuple[str, ...], Any]) -> None:
    if isinstance(value, dict) and (value or not path):
        for key, each in value.items():
            _walk((*path, key), each, into)
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for at, each in enumerate(value):
            name = next((str(each[key]) for key in _NAMES if isinstance(each.get(key), str)), str(at))
            _walk((*path, name if (*path, name) not in into else f"{name}#{at}"), each, into)
    else:
        into[path] = value


# --- who agreed


def proposed(
    new: bytes, old: bytes | None, signer: Signer, at: int, reason: str, before: str | None = None
) -> PolicyChange:
    """Return the proposal of `new` in place of `old`, signed by whoever proposes it.

    Args:
        new: the file's bytes.
        old: those of the policy in force; None for the first.
        signer: who proposes.
        at: when, milliseconds.
        reason: why.
        before: the hash of the policy in force, where its bytes are not at hand.
    """
    sha256 = PolicyChange.hash_of(new)
    change = PolicyChange(
        sha256=sha256,
        before=before if before is not None else "" if old is None else PolicyChange.hash_of(old),
        version=sha256[:16],
        changes=differences(old, new),
        proposed=PolicyStep(by=signer.name, at=at, reason=reason),
    )
    return msgspec.structs.replace(change, proposed=_step(change, "proposed", signer, at, reason))


def signed(change: PolicyChange, signer: Signer, at: int, reason: str) -> PolicyChange:
    """Return the change with an auditor's signature; a former one of theirs goes."""
    step = _step(change, "signed", signer, at, reason)
    others = tuple(each for each in change.signed if each.by != signer.name)
    return msgspec.structs.replace(change, signed=(*others, step))


def _step(change: PolicyChange, step: str, signer: Signer, at: int, reason: str) -> PolicyStep:
    signature = signer.sign(change.step_part(step, signer.name, at, reason))
    return PolicyStep(by=signer.name, at=at, reason=reason, signature=signature, key=signer.public)


def agreed(change: PolicyChange, auditors: Mapping[str, str]) -> dict[str, int]:
    """Return which auditors agreed, and when; `auditors` are public keys (base64) by name.

    Who proposed it does not count: nobody agrees to their own change.
    """
    asked = change.proposed
    proposal = change.step_part("proposed", asked.by, asked.at, asked.reason)
    return {
        each.by: each.at
        for each in change.signed
        if each.by in auditors
        and each.by != asked.by
        and not good(proposal, asked.signature, auditors[each.by])  # under another name
        and good(change.step_part("signed", each.by, each.at, each.reason), each.signature, auditors[each.by])
    }
