"""`docs/destinations.md`, written from the kinds of destinations as they are registered."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any, Final

import msgspec

from alerts import KINDS
from alerts.destination import Kind

HEAD: Final = """# Destinations

Where `cloverwatch deliver` hands alerts on to. Each is a `[destinations.NAME]` of the policy with a `kind`. Keys of
every kind (deadline, budget, names, groups) are in [policy.md](policy.md), how groups, limits and silences work in
[delivery-of-alerts.md](delivery-of-alerts.md), pagers and chat step by step in [pagers.md](pagers.md).

`cloverwatch deliver --test NAME` sends a marked test alert and says what came back.

## What each promises

Delivery is at least once: after a kill, what was sent and has no receipt is sent again. Whether the receiver shows it
twice is the second half of each promise.

| kind | told of | in one request | delivered means; what may come twice |
| --- | --- | --- | --- |
"""


def destinations_markdown() -> str:
    """Return the reference of the kinds."""
    parts = [HEAD.rstrip()]
    for kind in KINDS.values():
        told = "incidents (groups)" if kind.grouped else "each revision"
        parts.append(f"| `{kind.name}` | {told} | {kind.batch_max} | {_cell(kind.promise)} |")
    for kind in KINDS.values():
        parts.append(f"\n## `{kind.name}`: {kind.title}\n\n| key | | default |\n| --- | --- | --- |")
        parts += [f"| `{name}` | {_cell(text)} | {_cell(default)} |" for name, text, default in keys(kind)]
    return "\n".join(parts) + "\n"


def keys(kind: Kind) -> list[tuple[str, str, str]]:
    """Return (key, what it means, default) of a kind's own keys, as its configuration declares them."""
    said = _docstrings(kind.config)
    found = []
    for field in msgspec.structs.fields(kind.config):
        default = "required" if field.required else _shown(field.default)
        found.append((field.encode_name, said.get(field.name, ""), default))
    return found


def _shown(value: Any) -> str:
    if value is None or value is msgspec.NODEFAULT:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[]`" if not value else f"`{list(value)!r}`"
    return f"`{value!r}`".replace("'", '"')


def _docstrings(config: type[Any]) -> dict[str, str]:
    """Return the docstring under each field, those of bases too."""
    said: dict[str, str] = {}
    for each in reversed(config.__mro__):
        if each.__module__.split(".")[0] != "alerts":
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)  # noqa: S101  # the source of a class
        for statement, following in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                said[statement.target.id] = " ".join(following.value.value.split())
    return said


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
