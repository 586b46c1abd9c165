"""Work that only seems to be misuse: unusual in somebody's weeks, and nothing that anybody should be told of."""

from __future__ import annotations

import math
from typing import Final

from demo.organisation import DAY, VPN_EGRESS
from demo.scene import BUSY, MINUTE, NEAR, PAST_DAYS, TIMES, Kind, Scene, records_of


def _trip(s: Scene) -> None:
    actor = s.actor("data-engineer")
    s.begin_on(actor, 3)
    s.live(actor, range(-PAST_DAYS, s.day - 1))
    s.around += actor.lived
    there = s.random.choice(NEAR)
    s.org.at(actor.person, "travel", there, s.at(actor, 0.0), s.at(actor, 0.0) + 10 * DAY)
    for day in s.working_days(actor, 3):
        for each in range(BUSY):
            s.does(actor, s.at(actor, 9.0 + each, day), device_country=there)


def _on_call(s: Scene) -> None:
    actor = s.settled("data-engineer")
    s.duty(actor, "on_call")
    start = s.at(actor, s.random.uniform(1.0, 3.0))
    for each in range(round(TIMES)):
        s.does(actor, start + each * 3 * MINUTE)


def _new_team(s: Scene) -> None:
    actor = s.actor("data-engineer")
    s.begin_on(actor, 3)
    s.live(actor, range(-PAST_DAYS, s.day))
    s.around += actor.lived
    s.status(actor, "active", s.day, team="foundations")
    found = s.others(actor, 12)
    for day in s.working_days(actor, 5):
        for each in range(BUSY):
            s.does(actor, s.desk(actor, day) + each * MINUTE, s.random.choice(found))


def _back_from_leave(s: Scene) -> None:
    actor = s.actor("support-agent")
    s.begin_on(actor, 12)
    s.live(actor, range(-3 * PAST_DAYS, -PAST_DAYS))
    s.status(actor, "leave", -PAST_DAYS)
    s.status(actor, "active", s.day)
    s.around += actor.lived
    for each in range(BUSY):
        s.does(actor, s.desk(actor) + each * MINUTE, subject_ids=[s.subject()])


def _quarter_end(s: Scene) -> None:
    actor = s.settled("analyst")
    s.duty(actor, "quarter_end")
    records = math.ceil(1.2 * actor.daily(records_of) / 4)
    for _ in range(4):
        s.does(actor, s.desk(actor), action="query", record_count=records, bytes=records * 512)


def _shared_exit(s: Scene) -> None:
    actor = s.settled("data-engineer")
    start = s.desk(actor)
    for each in range(BUSY):
        address = VPN_EGRESS + "20" if each % 2 else actor.person.address
        s.does(actor, start + each * MINUTE, source_ip=address)


def _first_week(s: Scene) -> None:
    actor = s.actor(("support-agent", "data-engineer", "analyst")[s.turn % 3], since=10)
    s.live(actor, range(10, 17))
    s.acts += actor.lived


def _case_goes_on(s: Scene) -> None:
    actor = s.settled("support-agent")
    s.begin_on(actor, 1, 10)
    whom, ticket = s.subject(), f"T-{s.random.randrange(10**6)}"
    for day in s.working_days(actor, 8):
        s.does(actor, s.desk(actor, day), subject_ids=[whom], ticket=ticket)


LOOK_ALIKES: Final[tuple[Kind, ...]] = (
    Kind("announced trip", False, 3, "a journey that the directory knows", _trip),
    Kind("on call", False, 3, "a night on call", _on_call),
    Kind("new team", False, 3, "other work, other datasets", _new_team),
    Kind("back from leave", False, 3, "away for weeks, as the directory says", _back_from_leave),
    Kind("quarter's end", False, 3, "the busiest days of the quarter", _quarter_end),
    Kind("shared VPN exit", False, 3, "in and out of the company's VPN", _shared_exit),
    Kind("first week", False, 3, "somebody new at work", _first_week),
    Kind("a case that goes on", False, 3, "the same person on many days, with a ticket", _case_goes_on),
)
