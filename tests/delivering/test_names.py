"""Clear names: everybody in a batch is waited for, and whoever was erased is waited for once."""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec import structs

from agents.delivering import names
from agents.delivering.names import Names
from agents.settings import Settings
from schemas.alert import Alert
from tests.delivering.world import an_alert

ONE, TWO, ERASED = (f"e2026:{letter * 24}" for letter in "abc")


class Known:
    """In place of the log: who is known, by pseudonym."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}

    def person_of(self, token: str) -> str | None:
        return self.people.get(token)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    found = Known()
    monkeypatch.setattr(names, "PersonKeys", lambda _: found)
    monkeypatch.setattr(names, "UNKNOWN_WAIT_S", 0.5)
    return found


def ready() -> Names:
    made = Names(Settings(), None)  # type: ignore[arg-type]  # the keys are those of `known`
    made._ready.set()
    return made


def crowd(*people: str) -> Alert:
    return structs.replace(an_alert("c"), person=people[-1], facts={"people": list(people)})


async def test_the_people_of_a_crowd_are_waited_for(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "UNKNOWN_WAIT_S", 60.0)  # it ends when the key is there, however late this machine is
    known.people[TWO] = "e-2"
    asyncio.get_running_loop().call_later(0.1, known.people.__setitem__, ONE, "e-1")
    (shown,) = await ready().shown([crowd(ONE, TWO)])
    assert (shown.person, shown.facts["people"]) == ("e-2", ["e-1", "e-2"])


async def test_whoever_was_erased_is_waited_for_once(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    known.people[ONE] = "e-1"
    made, alert = ready(), crowd(ONE, ERASED)
    began = time.monotonic()
    for wait in (0.5, 3600.0, 3600.0):
        monkeypatch.setattr(names, "UNKNOWN_WAIT_S", wait)
        async with asyncio.timeout(60):  # a second wait would be an hour
            (shown,) = await made.shown([alert])
        assert (shown.person, shown.facts["people"]) == (ERASED, sorted([ERASED, "e-1"]))
    assert time.monotonic() - began >= 0.5
    known.people[ERASED] = "e-3"
    (shown,) = await made.shown([alert])
    assert shown.person == "e-3", "and shown if the key comes after all"


async def test_only_so_many_are_remembered(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "ERASED_MAX", 1)
    assert not known.people
    made = ready()
    await made.shown([crowd(ONE, TWO)])
    assert len(made._erased) == 1
