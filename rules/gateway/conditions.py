"""The policy's conditions: they deny requests by the properties that came with them. They only tighten what rules say.

What a request does not say matches nothing. `subject.role` is known without being said: where the request has no such
property, it is every role that the directory says the subject holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.gateway.keys import ROLE, kind_of
from rules.gateway.request import BadRequestError
from rules.gateway.section import Condition
from schemas.access import Action


@dataclass(frozen=True, slots=True)
class _Compiled:
    condition: Condition
    when: tuple[tuple[str, frozenset[tuple[str, Any]]], ...]
    unless: tuple[tuple[str, frozenset[tuple[str, Any]]], ...]


class Conditions:
    """The conditions of one policy."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        """Take conditions as `read_gateway` checked them."""
        self._conditions = [_Compiled(each, _compiled(each.when), _compiled(each.unless)) for each in conditions]
        self._kinds: dict[str, frozenset[str]] = {}
        for one in self._conditions:
            for key, values in (*one.when, *one.unless):
                self._kinds[key] = self._kinds.get(key, frozenset()) | {kind for kind, _ in values}

    def check(self, properties: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse a property of another kind than the policy compares it with: `"false"` is not `false`.

        Raises:
            BadRequestError: names the property and what is allowed.
        """
        for key, kinds in self._kinds.items():
            for value in _values(key, properties):
                if kind_of(value) not in kinds:
                    part, _, name = key.partition(".")
                    field = key if part == "context" else f"{part}.properties.{name}"
                    raise BadRequestError(f"{field}: allowed is {' or '.join(sorted(kinds))}, or a list of such")

    def refusing(
        self, properties: Mapping[str, Mapping[str, Any]], action: Action, roles: Collection[str]
    ) -> tuple[Condition, ...]:
        """Return the conditions that deny a request, in the policy's order.

        Args:
            properties: of the request, by part.
            action: what is asked for.
            roles: that the directory says the subject holds.
        """
        return tuple(
            one.condition
            for one in self._conditions
            if (not one.condition.actions or action in one.condition.actions)
            and _all(one.when, properties, roles)
            and not (one.unless and _all(one.unless, properties, roles))
        )


def _all(
    asked: tuple[tuple[str, frozenset[tuple[str, Any]]], ...],
    properties: Mapping[str, Mapping[str, Any]],
    roles: Collection[str],
) -> bool:
    """Whether every key has one of its values."""
    for key, values in asked:
        said = _values(key, properties)
        if key == ROLE and not said:
            said = roles
        if not any((kind_of(value), value) in values for value in said):
            return False
    return True


def _values(key: str, properties: Mapping[str, Mapping[str, Any]]) -> Collection[Any]:
    """Return what a request says of a key: nothing, one value, or each of a list."""
    part, _, name = key.partition(".")
    said = properties[part]
    if name not in said:
        return ()
    value = said[name]
    return value if isinstance(value, list | tuple) else (value,)


def _compiled(asked: Mapping[str, Any]) -> tuple[tuple[str, frozenset[tuple[str, Any]]], ...]:
    """Return what a table asks for; every value with its kind, since `true` is 1 to Python and is not to JSON."""
    return tuple(
        (key, frozenset((kind_of(one) or "", one) for one in (value if isinstance(value, list) else [value])))
        for key, value in asked.items()
    )
