"""Log lines name nobody, also when something breaks that nobody expected."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable

import pytest

from agents.ledger import Span
from agents.logs import JsonFormatter, LineFormatter, configure
from agents.transport.batch import Record, RecordBatch
from schemas.errors import ConfigurationError, ReferenceUnavailableError

WHO = "e-0042"


def _lines(formatter: logging.Formatter, say: Callable[[logging.Logger], None]) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    try:
        say(logger)
    finally:
        logger.removeHandler(handler)
    return out.getvalue()


def _breaks(logger: logging.Logger) -> None:
    """As Faust's services do, with a cause that has an id in it."""
    try:
        try:
            dict[str, int]()[WHO]
        except KeyError as error:
            raise ValueError(f"{WHO} is none") from error
    except ValueError as error:
        logger.exception("Crashed reason=%r, %s", error, error)


@pytest.mark.parametrize("formatter", [LineFormatter("%(message)s"), JsonFormatter()], ids=["text", "json"])
def test_what_nobody_expected_is_told_by_class_and_place(formatter: logging.Formatter) -> None:
    said = _lines(formatter, _breaks)
    assert WHO not in said
    assert "Crashed reason=ValueError (its text is not logged)" in said
    assert said.index("KeyError (its text") < said.index("which led to"), "the cause first"
    assert "test_logs.py" in said
    assert "_breaks" in said
    if isinstance(formatter, JsonFormatter):
        assert set(json.loads(said)) == {"time", "level", "logger", "message", "error"}


@pytest.mark.parametrize("formatter", [LineFormatter("%(message)s"), JsonFormatter()], ids=["text", "json"])
def test_errors_of_the_house_and_of_the_network_say_what_to_do(formatter: logging.Formatter) -> None:
    def say(logger: logging.Logger) -> None:
        try:
            try:
                raise ConnectionRefusedError("127.0.0.1:9092")
            except OSError as error:
                raise ReferenceUnavailableError("start it") from error
        except ReferenceUnavailableError as error:
            logger.error("ended: %s, %r", error, ConfigurationError("broker: none"), exc_info=error)

    said = _lines(formatter, say)
    for words in (
        "ended: start it, ConfigurationError(",
        "ReferenceUnavailableError: start it",
        "127.0.0.1:9092",
        "broker: none",
    ):
        assert words in said, words


def test_other_handlers_get_the_record_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    _lines(LineFormatter("%(message)s"), _breaks)
    (record,) = caplog.records
    assert isinstance(record.args, tuple)
    assert isinstance(record.args[0], ValueError)
    first = logging.Formatter("%(message)s").format(record)
    assert WHO in first
    assert WHO not in LineFormatter("%(message)s").format(record), "what another handler wrote is not taken over"


def test_what_was_configured_writes_such_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        for form in ("text", "json"):
            configure("INFO", form)
            _breaks(logging.getLogger("tests.logs"))
            said = capsys.readouterr().err
            assert "KeyError" in said
            assert WHO not in said
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_a_message_that_a_framework_shows_has_nothing_of_a_record() -> None:
    record = Record("access.events", 0, 7, 1, WHO.encode(), WHO.encode())
    assert repr(record) == "Record(access.events-0@7)"
    assert WHO not in repr(RecordBatch("access.events", 0, [record], Span(("access.events", 0), 7, 7)))
