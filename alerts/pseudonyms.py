"""Who an alert is about, hidden and shown: pure text and hashing, no Kafka, no clock.

What can name somebody in an alert, and what becomes of it when it is hidden:

| field | holds | becomes |
|---|---|---|
| `alert_id`, `dedup_key` | hashes of people, times and datasets, which can be guessed | keyed ids, for ever |
| `person` | who did it; of a crowd, who came last | a pseudonym |
| `person_before` | | the pseudonym of the former epoch, while epochs overlap |
| `facts.people` | the people of a crowd | pseudonyms, in an order of their own |
| `explanation` | names them where it says who did what | pseudonyms |
| `facts.session_id`, `facts.service_account` | what other systems know a person by | a token of both |
| every other text | what producers and directories wrote | pseudonyms, where an id stands there as a word |

A word is what has no letter or digit beside it. An id of less than `WORD_LEAST` characters is looked for only where the
program itself put it (the first five rows): `7` is in every date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import orjson
from msgspec import UNSET

from alerts.keyring import Epoch, KeyRing, thing_of, token_of
from schemas.alert import Alert
from schemas.codec import encode
from schemas.errors import InvariantError

WORD_LEAST: Final = 3
"""Characters from which on an id is looked for in every text. Shorter ones are parts of dates and counts, and say too
little to name anybody by themselves."""

THINGS: Final = ("session_id", "service_account")
"""Facts that name a person to whoever has another system's records."""

REMEMBERED_MOST: Final = 100_000
"""People whose pseudonyms are kept made (some 500 bytes each): all who have alerts, in any company."""

TOKEN: Final = re.compile(r"(?<![^\W_])[a-z][0-9a-z]{0,11}:[a-z2-7]{24}(?![^\W_])")
"""A pseudonym in a text."""

Change = Callable[[str], str]


def people_of(alert: Alert) -> tuple[str, ...]:
    """Return everybody whom an alert is about, each once; of one that is hidden, their pseudonyms."""
    found = alert.facts.get("people")
    people = [each for each in found if isinstance(each, str)] if isinstance(found, list | tuple) else []
    if isinstance(alert.person, str) and alert.person not in people:
        people.append(alert.person)
    return tuple(people)


class Pseudonyms:
    """Hides people under one version of the keys."""

    def __init__(self, ring: KeyRing, key_of: Callable[[str], bytes | None]) -> None:
        """Take the keys, and what knows a person's own key (None: there is none yet)."""
        self.ring = ring
        self._key_of = key_of
        self._tokens: dict[tuple[str, str], str] = {}
        self._needles: dict[tuple[str, ...], tuple[bytes, ...]] = {}

    def forget(self, person: str) -> None:
        """Drop what is remembered of a person: their key is gone."""
        for epoch in self.ring.epochs:
            self._tokens.pop((person, epoch.name), None)
        self._needles.clear()

    def token(self, person: str, epoch: Epoch) -> str:
        """Return a person's pseudonym in an epoch.

        Raises:
            InvariantError: there is no key of the person: it was to be made first.
        """
        token = self._tokens.get((person, epoch.name))
        if token is None:
            if len(self._tokens) >= REMEMBERED_MOST:
                self._tokens.clear()
            token = self._tokens[person, epoch.name] = token_of(epoch, self._key(person), person)
        return token

    def tokens(self, person: str) -> tuple[str, ...]:
        """Return a person's pseudonyms in all epochs."""
        return tuple(self.token(person, epoch) for epoch in self.ring.epochs)

    def in_alert(self, person: str, occurred_at: int) -> tuple[str, ...]:
        """Return the pseudonyms under which an alert of that time names a person: one, or two while epochs overlap."""
        epoch, former = self.ring.around(occurred_at)
        now = self.token(person, epoch)
        return (now,) if former is None else (now, self.token(person, former))

    def keyed(self, alert: Alert) -> Alert:
        """Return an alert in clear under the ids that it has when it is published."""
        return msgspec.structs.replace(alert, **self._ids(alert))

    def hide(self, alert: Alert) -> tuple[Alert, bytes]:
        """Return an alert that names nobody, and its record.

        What the program itself put in is replaced where it stands. Other texts are gone through only where the record
        still has somebody's id in it, as hardly any has: looking for it there costs a microsecond.

        Raises:
            InvariantError: there is no key of somebody in it.
        """
        people = people_of(alert)
        if not people:
            hidden = self.keyed(alert)
            return hidden, encode(hidden)
        epoch, former = self.ring.around(alert.occurred_at)
        tokens = {person: self.token(person, epoch) for person in people}
        changes: dict[str, Any] = self._ids(alert)
        facts = changes["facts"] = dict(alert.facts)
        changes["explanation"] = _explanation(alert, tokens)
        if isinstance(listed := facts.get("people"), list | tuple):
            facts["people"] = sorted(tokens[person] for person in listed)
        if isinstance(alert.person, str):
            changes["person"] = tokens[alert.person]
            if former is not None:
                changes["person_before"] = self.token(alert.person, former)
            for name in THINGS:
                if isinstance(thing := facts.get(name), str):
                    facts[name] = thing_of(epoch, self._key(alert.person), name, thing)
        hidden = msgspec.structs.replace(alert, **changes)
        record = encode(hidden)
        needles = self._needles.get(people)
        if needles is None:
            if len(self._needles) >= REMEMBERED_MOST:
                self._needles.clear()
            needles = self._needles[people] = needles_of(people)
        if any(needle in record for needle in needles):
            words = words_of(people)
            found = _texts(hidden, lambda text: words.sub(lambda one: tokens[one[0]], text))
            if found:
                hidden = msgspec.structs.replace(hidden, **found)
                record = encode(hidden)
        return hidden, record

    def _ids(self, alert: Alert) -> dict[str, str]:
        return {
            "alert_id": self.ring.keyed("alert", alert.alert_id),
            "dedup_key": self.ring.keyed("incident", alert.dedup_key),
        }

    def _key(self, person: str) -> bytes:
        key = self._key_of(person)
        if key is None:
            raise InvariantError("an alert is about somebody of whom there is no key: it cannot be published")
        return key


def needles_of(people: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the ids that are looked for in every text, as a record has them: where none is in it, no text has one."""
    return tuple(orjson.dumps(person)[1:-1] for person in people if len(person) >= WORD_LEAST)


def words_of(people: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds people's ids as words, the longest first."""
    long = sorted((person for person in people if len(person) >= WORD_LEAST), key=len, reverse=True)
    return re.compile(r"(?<![^\W_])(?:" + "|".join(map(re.escape, long)) + r")(?![^\W_])")


def show(alert: Alert, person_of: Callable[[str], str | None]) -> Alert:
    """Return a hidden alert with the names of those whom `person_of` knows, for whoever may see them.

    What stands for a session or a service account stays as it is: it cannot be made clear. So do the ids: an alert
    is the same one wherever it is read.
    """

    def change(text: str) -> str:
        return TOKEN.sub(lambda found: person_of(found[0]) or found[0], text) if ":" in text else text

    changes = _texts(alert, change)
    facts = changes.setdefault("facts", dict(alert.facts))
    people = alert.facts.get("people")
    explanation = alert.explanation
    if isinstance(people, list | tuple):
        facts["people"] = sorted(change(each) for each in people)
        explanation = explanation.replace(", ".join(people), ", ".join(facts["people"]))
    changes["explanation"] = change(explanation)
    if isinstance(alert.person, str):
        changes["person"] = change(alert.person)
        if changes["person"] != alert.person:
            changes["person_before"] = UNSET
    return msgspec.structs.replace(alert, **changes)


def _explanation(alert: Alert, tokens: Mapping[str, str]) -> str:
    """Return the explanation with those who are named where rules name them, whatever their ids look like."""
    text = alert.explanation
    kind = "Employee" if alert.principal_type == "employee" else alert.principal_type.capitalize()
    named = f"{kind} {alert.person} "
    if text.startswith(named):
        return f"{kind} {tokens[str(alert.person)]} {text[len(named) :]}"
    listed = alert.facts.get("people")
    if isinstance(listed, list | tuple):
        before, found, after = text.partition(f": {', '.join(listed)} ")
        if found:
            return f"{before}: {', '.join(sorted(tokens[person] for person in listed))} {after}"
    return text


def _texts(alert: Alert, change: Change) -> dict[str, Any]:
    """Return the fields of an alert in which `change` changes a text."""
    changes: dict[str, Any] = {}
    for name in ("explanation", "facts", "reasons", "dataset_id", "event", "place", "transfer"):
        value = getattr(alert, name)
        if value is not UNSET and (changed := _changed(value, change)) is not value:
            changes[name] = changed
    return changes


def _changed(value: Any, change: Change) -> Any:
    """Return a value with every text in it changed; the same object where nothing is."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        mapped = {name: _changed(each, change) for name, each in value.items()}
        return mapped if any(mapped[name] is not value[name] for name in value) else value
    if isinstance(value, list | tuple):
        found = [_changed(each, change) for each in value]
        if all(new is old for new, old in zip(found, value, strict=True)):
            return value
        return type(value)(found)
    if isinstance(value, msgspec.Struct):
        fields = {
            name: changed
            for name in _OPEN.get(type(value).__name__, ())
            if (changed := _changed(old := getattr(value, name), change)) is not old
        }
        return msgspec.structs.replace(value, **fields) if fields else value
    return value


_OPEN: Final[Mapping[str, tuple[str, ...]]] = {
    "Reason": ("sentence",),
    "EventRef": ("event_id", "source"),
    "Place": ("evidence",),
    "Evidence": ("note",),
    "Transfer": ("importer", "note"),
}
"""Fields with words of producers, directories and rules; the others hold words of a fixed vocabulary, or numbers."""
