"""Messages of chat programs: Slack and Microsoft Teams. Text of an alert is text there, whatever it holds.

Sources: Slack, "Block Kit" (blocks and their lengths), "Formatting text" (escaping), "Incoming webhooks". Microsoft,
"Post to a channel when a Teams webhook request is received" (the envelope), the Adaptive Cards schema 1.4
(`RichTextBlock`), "Limits and specifications for Teams" (28 KB a message).

Neither is given any text to interpret: Slack only `plain_text`, which knows no formatting, mentions or links; Teams
only `TextRun`, which knows no Markdown. A dataset named `<!channel>` or `[press](https://...)` is shown as written.
"""

from __future__ import annotations

from typing import Any, Final

from alerts.http import bounded
from alerts.notice import Notice
from alerts.wording import Words, in_words, link_to
from schemas.alert import Severity

SLACK_HEADER_MAX: Final = 150
"""Characters of a header; one more, and Slack refuses the whole message with `invalid_blocks`."""

SLACK_TEXT_MAX: Final = 3000
"""Characters of a section's text, for the same reason."""

SLACK_FIELD_MAX: Final = 2000
"""Characters of a section's field, for the same reason."""

SLACK_FIELDS_MAX: Final = 10
"""Fields of a section, for the same reason: more of them become another section."""

_STYLE: Final[dict[Severity, str]] = {
    "critical": "attention",
    "high": "attention",
    "medium": "warning",
    "low": "default",
    "informational": "default",
}
_SIGN: Final[dict[Severity, str]] = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "informational": "⚪"}


def slack(notice: Notice, link: str | None) -> dict[str, Any]:
    """Return a message for Slack's incoming webhook."""
    words = in_words(notice)
    head = f"{_sign(notice)} {words.headline}"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(head, SLACK_HEADER_MAX)}]
    if words.explanation:
        blocks.append({"type": "section", "text": _plain(words.explanation, SLACK_TEXT_MAX)})
    fields = [_plain(f"{name}: {value}", SLACK_FIELD_MAX) for name, value in words.facts]
    starts = range(0, len(fields), SLACK_FIELDS_MAX)
    blocks += [{"type": "section", "fields": fields[at : at + SLACK_FIELDS_MAX]} for at in starts]
    if words.others:
        blocks.append({"type": "section", "text": _plain(_others(words), SLACK_TEXT_MAX)})
    if words.next_step:
        blocks.append({"type": "context", "elements": [_plain(words.next_step, SLACK_TEXT_MAX)]})
    if to := link_to(link, notice, words.lead):
        button = {"type": "button", "text": _plain("Open the alert", 75), "url": to}
        blocks.append({"type": "actions", "elements": [button]})
    # What a telephone shows of it; `mrkdwn: false` and the escaping keep it from meaning anything.
    return {
        "text": _fitting(bounded(f"{head}. {words.explanation}".removesuffix(". "), SLACK_TEXT_MAX), SLACK_TEXT_MAX),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def teams(notice: Notice, link: str | None) -> dict[str, Any]:
    """Return a message for the webhook of a Teams workflow: an Adaptive Card in its envelope."""
    words = in_words(notice)
    style = "good" if notice.state == "resolved" else _STYLE[notice.severity]
    body: list[dict[str, Any]] = [
        {
            "type": "Container",
            "style": style,
            "bleed": True,
            "items": [_rich([_run(f"{_sign(notice)} {words.headline}", bold=True, size="Large")])],
        }
    ]
    if words.explanation:
        body.append(_rich([_run(words.explanation)]))
    body += [_rich([_run(f"{name}: ", bold=True), _run(value)], spacing="Small") for name, value in words.facts]
    if words.others:
        body += [_rich([_run(line)], spacing="Small") for line in _others(words).splitlines()]
    if words.next_step:
        body.append(_rich([_run(words.next_step, subtle=True)]))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": words.headline,
        "msteams": {"width": "Full"},
        "body": body,
    }
    if to := link_to(link, notice, words.lead):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the alert", "url": to}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _sign(notice: Notice) -> str:
    return {"firing": _SIGN[notice.severity], "acknowledged": "👤", "resolved": "🟢"}[notice.state]


def _others(words: Words) -> str:
    lines = list(words.others)
    if words.unlisted:
        lines.append(f"and {words.unlisted} more")
    return "\n".join(lines)


def _plain(text: str, most: int) -> dict[str, Any]:
    """Return a text object that is shown as it is; `emoji: false` leaves `:name:` as it is written."""
    return {"type": "plain_text", "text": _fitting(text, most), "emoji": False}


def _fitting(text: str, most: int) -> str:
    """Return escaped text of at most `most` characters, cut between characters and never within an entity."""
    whole = _escaped(text)
    if len(whole) <= most:
        return whole
    kept, room = [], most - 1
    for part in map(_escaped, text):
        room -= len(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept) + "…"


def _escaped(text: str) -> str:
    """Return text with the three characters that Slack reads as control characters as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _rich(runs: list[dict[str, Any]], *, spacing: str = "Default") -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": runs}


def _run(text: str, *, bold: bool = False, subtle: bool = False, size: str = "Default") -> dict[str, Any]:
    weight = "Bolder" if bold else "Default"
    return {"type": "TextRun", "text": text, "weight": weight, "isSubtle": subtle, "size": size}
