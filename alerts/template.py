"""Messages by a template of the policy: names that are filled in, and nothing that runs."""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Callable, Mapping
from string import Template
from typing import Final
from urllib.parse import quote_plus

from alerts.notice import Notice
from alerts.wording import counts, handled_by, ids_of, in_words, last_comment, link_to
from schemas.fields import iso, known

IDS_MAX: Final = 100
"""Ids that `${alert_ids}` lists."""

NAMES: Final[Mapping[str, str]] = {
    "id": "of the message: the same however often it is sent",
    "key": "what a receiver folds messages by",
    "state": "`firing`, `acknowledged` or `resolved`",
    "severity": "of the gravest alert that is open",
    "headline": "state, severity and title",
    "title": "in one line",
    "explanation": "of the alert that matters most",
    "counts": "how many alerts there are, in words",
    "firing": "how many alerts are open",
    "rule": "the rule that found the alert",
    "family": "`access` or `behaviour`, for example",
    "person": "a pseudonym, unless the destination may have clear names",
    "dataset": "which data",
    "sensitivity": "of the data",
    "place_class": "from which kind of country",
    "country": "from which country, two letters",
    "started": "when the oldest alert was detected, RFC 3339",
    "at": "now, RFC 3339",
    "alert_id": "of the alert that matters most",
    "alert_ids": f"up to {IDS_MAX}, with commas",
    "handled_by": "who acknowledged or closed it",
    "comment": "the newest comment",
    "next_step": "what to type",
    "link": "the destination's `link`",
    "test": "`true` or `false`",
}
"""What a template may name, and what that is."""


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_text(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


ESCAPES: Final[Mapping[str, Callable[[str], str]]] = {
    "application/json": _in_json,
    "application/x-www-form-urlencoded": quote_plus,
    "application/xml": html.escape,
    "text/html": html.escape,
    "text/plain": _in_text,
}
"""Content types, and how a value is written so that it stays one: in JSON within the quotes of the template."""


def filled(template: str, content_type: str, notice: Notice, link: str | None) -> bytes:
    """Return a template with the values of a notice, escaped for its content type."""
    escape = ESCAPES[content_type]
    values = {name: escape(value) for name, value in values_of(notice, link).items()}
    return Template(template).substitute(values).encode()


def check_template(template: str, content_type: str) -> str | None:
    """Return what is wrong with a template, or None."""
    if content_type not in ESCAPES:
        return f"content_type: {content_type!r} is not known; allowed: {', '.join(sorted(ESCAPES))}"
    parsed = Template(template)
    if not parsed.is_valid():
        return "template: a $ that begins no name; write $$ for the character, ${name} for a value"
    for name in parsed.get_identifiers():
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean ${{{close[0]}}}? " if close else ""
            return f"template: ${{{name}}} is not known; {hint}Known: {', '.join(sorted(NAMES))}"
    if content_type == "application/json":
        # A quote and a backslash: what a value must not break out with.
        sample = dict.fromkeys(NAMES, _in_json('a "b" \\ c'))
        try:
            json.loads(parsed.substitute(sample))
        except ValueError as error:
            return f"template: no JSON once it is filled in ({error}); values stand within quotes"
    return None


def values_of(notice: Notice, link: str | None) -> dict[str, str]:
    """Return the value of each of `NAMES`; empty where the notice has none."""
    words = in_words(notice)
    lead = words.lead
    place = lead.place if lead and lead.place else None
    return {
        "id": notice.id,
        "key": notice.key,
        "state": notice.state,
        "severity": notice.severity,
        "headline": words.headline,
        "title": notice.title,
        "explanation": words.explanation,
        "counts": counts(notice),
        "firing": str(notice.firing),
        "rule": lead.rule_id if lead else "",
        "family": lead.family if lead else "",
        "person": (lead and known(lead.person)) or "",
        "dataset": (lead and known(lead.dataset_id)) or "",
        "sensitivity": (lead and known(lead.sensitivity)) or "",
        "place_class": place.place_class.value if place else "",
        "country": (place and place.country) or "",
        "started": iso(notice.started_at),
        "at": iso(notice.at),
        "alert_id": lead.alert_id if lead else "",
        "alert_ids": ",".join(ids_of(notice, IDS_MAX)[0]),
        "handled_by": handled_by(notice),
        "comment": last_comment(notice),
        "next_step": words.next_step,
        "link": link_to(link, notice, lead) or "",
        "test": "true" if notice.test else "false",
    }
