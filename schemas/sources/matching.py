"""The policy's globs for foreign names, compiled once a mapping: `*` any run, `?` one character, `{1}` a wildcard's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from schemas.errors import ConfigurationError
from schemas.sources.base import Pattern, SourceMapping

REMEMBERED_MAX: Final = 65_536
"""Names whose answer is remembered, per list of patterns: far more than the buckets, roles and people of one company,
and some 20 MiB at worst. When it is full it starts again from nothing; the patterns are then asked once more."""

LONGEST_REMEMBERED: Final = 1024
"""Characters of the names of one question that is remembered. Identities and ARNs have some hundred; longer ones could
fill the memory."""

MAPPINGS_MAX: Final = 8
"""Compiled mappings that are kept: one a source, and the ones before a change of policy."""

_WILDCARD: Final = re.compile(r"[*?]")
_REFERENCE: Final = re.compile(r"\{([0-9]{1,3})\}")
_UNSEEN: Final = object()


class Matcher:
    """A list of patterns, asked for the first that matches.

    `fold` lower-cases what is asked and what the patterns match (identities differ in case from log to log); without
    it they are compared as they are (ARNs).
    """

    def __init__(self, patterns: Sequence[Pattern], *, fold: bool) -> None:
        """Compile the patterns.

        Raises:
            ConfigurationError: a `{n}` for which the pattern has no wildcard, or an empty `match` or `to`.
        """
        self._fold = fold
        self._rules = [(_compile(pattern, fold=fold), _template(pattern)) for pattern in patterns]
        self._remembered: dict[tuple[str, ...], str | None] = {}

    def find(self, *names: str) -> str | None:
        """Return what the first pattern that matches any of `names` maps it to, None where none matches.

        Patterns go before names: an earlier pattern wins even where it matches a later name.
        """
        if not self._rules:
            return None
        found = self._remembered.get(names, _UNSEEN)
        if found is _UNSEEN:
            found = self._ask([name.lower() for name in names] if self._fold else names)
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            if sum(map(len, names)) <= LONGEST_REMEMBERED:
                self._remembered[names] = found
        return found  # type: ignore[return-value]  # _UNSEEN has been replaced

    def _ask(self, names: Sequence[str]) -> str | None:
        for regex, template in self._rules:
            for name in names:
                if name and (match := regex.fullmatch(name)):
                    return template if "{" not in template else _fill(template, match) or None
        return None


class Matchers:
    """The four lists of a mapping."""

    def __init__(self, mapping: SourceMapping) -> None:
        """Compile the lists.

        Raises:
            ConfigurationError: as `Matcher`.
        """
        self.datasets = Matcher(mapping.datasets, fold=False)
        self.employees = Matcher(mapping.employees, fold=True)
        self.workloads = Matcher(mapping.workloads, fold=True)
        self.accounts = Matcher(mapping.accounts, fold=False)


_by_value = lru_cache(maxsize=MAPPINGS_MAX)(Matchers)
_latest: list[tuple[SourceMapping, Matchers]] = []


def matchers(mapping: SourceMapping) -> Matchers:
    """Return the compiled lists of a mapping; the same object again costs nothing, an equal one a hash.

    Raises:
        ConfigurationError: as `Matcher`. Worth calling when a policy is read, so that it is refused there.
    """
    for known, compiled in _latest:
        if known is mapping:
            return compiled
    compiled = _by_value(mapping)
    _latest.append((mapping, compiled))
    del _latest[:-MAPPINGS_MAX]
    return compiled


def _compile(pattern: Pattern, *, fold: bool) -> re.Pattern[str]:
    if not pattern.match or not pattern.to:
        raise ConfigurationError(f"a pattern of a source needs both `match` and `to`: {pattern.match!r}")
    """Return a pattern that never looks back: each `*` but the last takes as little as it can, and that stands.

    For a glob that is enough, and a long name costs its length; `(.*)(.*)` would cost a power of it.
    """
    first, *rest = [
        "".join("(.)" if part == "?" else re.escape(part) for part in re.split(r"(\?)", literal))
        for literal in (pattern.match.lower() if fold else pattern.match).split("*")
    ]
    middle = "".join(f"(?>(.*?){literal})" for literal in rest[:-1])
    return re.compile(first + middle + "".join(f"(.*){literal}" for literal in rest[-1:]), re.DOTALL)


def _template(pattern: Pattern) -> str:
    wildcards = len(_WILDCARD.findall(pattern.match))
    for reference in _REFERENCE.findall(pattern.to):
        if not 1 <= int(reference) <= wildcards:
            raise ConfigurationError(
                f"the pattern {pattern.match!r} has {wildcards} wildcards, its `to` asks for {{{reference}}}"
            )
    return pattern.to


def _fill(template: str, match: re.Match[str]) -> str:
    return _REFERENCE.sub(lambda reference: match.group(int(reference.group(1))), template)
