"""What comes from outside steers no terminal, and what cannot be stored is refused by the option's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.cli import receipts as command
from agents.cli.alerts import sentence
from agents.cli.deliver import _said
from agents.cli.reveal import readable
from agents.text import printable, printable_json
from alerts.notice import Failed
from schemas.receipt import Receipt
from tests.alerts.plans import alert
from tests.cli.conftest import Run

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b2J"
"""Sets a terminal's title and clears it, by ESC and by its twin of the C1 characters."""

NOT_UTF8 = "\udcff"
"""What Python makes of the byte 0xff in an argument."""


def receipt(**given: Any) -> Receipt:
    fields: dict[str, Any] = {
        "destination": "siem", "alert_id": "a", "dedup_key": "k", "revision": 0, "status": "open",
        "state": "delivered", "at": 1, "published_at": 1, "partition": 0, "offset": 0,
    }  # fmt: skip
    return Receipt(**{**fields, **given})


def harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    "given",
    [
        {"alert_id": EVIL},
        {"destination": EVIL},
        {"notice": EVIL, "state": "grouped"},
        {"silence": EVIL},
        {"answer": {EVIL: EVIL}},
    ],
    ids=str,
)
def test_a_receipts_id_drives_no_terminal(capsys: pytest.CaptureFixture[str], given: dict[str, Any]) -> None:
    command._table([receipt(**given)])
    out = capsys.readouterr().out
    assert "owned" in out
    assert harmless(out)
    command._summary([receipt(**given)])
    assert harmless(capsys.readouterr().out)


async def test_ids_of_undelivered_alerts_drive_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def revisions(*_: Any) -> dict[str, int]:
        return {EVIL: 3}

    monkeypatch.setattr(command, "_revisions", revisions)
    found: Any = None
    assert await command._undelivered(found, [0], {}, ["siem"]) == 1
    assert await command._of_alerts([EVIL, EVIL + "x"], found, [0], {}, ["siem"]) == 1
    said = capsys.readouterr()
    assert "owned" in said.out
    assert harmless(said.out)
    assert harmless(said.err)


def test_an_alert_a_request_and_an_answer_drive_no_terminal() -> None:
    assert harmless(sentence(alert(EVIL, cause=EVIL, status="amended"), colour=False))
    assert harmless(_said(Failed(f"answered 400 {EVIL}")))
    told = dict.fromkeys(("request", "state", "at", "kind", "by", "subject", "reason", "ticket", "alert"), EVIL)
    assert all(harmless(printable(each)) for each in readable({**told, "invalid": "", "answers": [], "refused": []}))


def test_json_for_a_terminal_is_the_same_json() -> None:
    written = json.dumps({"id": EVIL, "name": "Zoë 李"}, ensure_ascii=False, indent=1)
    shown = printable_json(written)
    assert "\x9b" in written
    assert harmless(shown)
    assert "Zoë 李" in shown
    assert json.loads(shown) == json.loads(written)


def test_an_error_drives_no_terminal(run: Run, tmp_path: Path) -> None:
    said = run("policy", "check", tmp_path / f"none{EVIL}")
    assert said.code == 2
    assert harmless(said.err)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("alerts", "comment", "a", "--text", f"it was{NOT_UTF8}"), "--text: not UTF-8 at character 7"),
        (("alerts", "ack", NOT_UTF8), "ALERT_ID: not UTF-8 at character 1"),
        (("reveal", "request", "--alert", "a", "--reason", NOT_UTF8), "--reason: not UTF-8"),
        (("reveal", "approve", NOT_UTF8), "REQUEST: not UTF-8"),
        (("privacy", "erase", "--person", NOT_UTF8, "--reason", "x"), "--person: not UTF-8"),
        (("alerts", "comment", "a", "--text", " \t"), "alerts comment: --text TEXT is required, with something in it"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_by_its_option(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], option: str
) -> None:
    key, policy = tmp_path / "anna.key", tmp_path / "policy.toml"
    for name in ("anna", "ben"):
        made = run("keys", "new", name, "--out", tmp_path / f"{name}.key")
        assert made.code == 0, made.err
        with policy.open("a", encoding="utf-8") as file:
            file.write(made.out + 'roles = ["officer", "analyst"]\n')
    policy.write_text(Path("demo/policy.toml").read_text(encoding="utf-8") + "\n" + policy.read_text(encoding="utf-8"))
    said = run(*arguments, "--by", "anna", "--key", key, policy=policy)
    assert (said.code, said.out) == (2, "")
    assert option in said.err
