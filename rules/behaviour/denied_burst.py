"""Many denials in a short time; of one thing after another; and then a success."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.history import code, value
from rules.habits.observer import thing_of
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

TRIES = 5
"""Denials before a success that count as trying until it worked, and before they have a pace."""

THINGS_LEAST = 4
"""Things refused that are more than a mistake: of five, two share a bit in one case of six."""

UNKNOWN = 4.0
"""Of somebody of whom nothing is known, so many times `floor_denied` are many: permissions of new accounts fail."""

SIGN = 2.0
"""What a machine's pace, and going from thing to thing, each make of it then: neither is a missing permission."""

PACE_MS = 1_000
"""Denials closer together than this, on average, come from a program: audit logs tell whole seconds."""

TOLD_APART = 40
"""Denials up to which their things are counted one by one: beyond, the bits of a burst fill up."""

OPENED = 1.4
"""What a success at the end makes of denials that are not many by themselves."""


def check(moment: Moment) -> Signal | None:
    """Look at the burst: how many, of how many things, how fast, and whether a success ended it."""
    if moment.event.outcome == "denied":
        tried, ended = moment.habit.denied, False
    else:
        tried, ended = moment.before.denied, True
        if tried < TRIES or not _opened(moment):
            return None
    score, usual = _score(moment, tried)
    if ended:
        # Told before for the denials alone, it is told again: a door that opened is another thing than one that held.
        score = score + 1.0 if score >= 1.0 else score * OPENED
    if score < moment.to.weak:
        return None
    manner = ", one thing after another" if _swept(moment) else ""
    manner += ", faster than by hand" if _fast(moment, tried) else ""
    return Signal(
        score,
        f"{tried} denials within ten minutes{manner}{', then let through' if ended else ''}",
        amount(usual, "denials a day"),
        amount(tried, "denials, then a success" if ended else "denials"),
        moment.habit.active_days,
        {"swept": _swept(moment), "fast": _fast(moment, tried)},
    )


def _score(moment: Moment, tried: int) -> tuple[float, float]:
    """Return how near to many denials are, and how many are usual: by own days, else by the peers', else none."""
    limit = moment.own(Measure.DENIED)
    if limit is not None:
        return limit.score(tried), limit.usual_amount
    floor = moment.to.floor_denied
    if moment.peers is not None:
        coded = moment.peers.quantile(Measure.DENIED, 0.99)
        usual = value(coded)
        return (code(tried) - coded) / max(1.0, code(max(3 * usual, floor)) - coded), usual
    score = tried / (UNKNOWN * floor)
    return score * (SIGN if _fast(moment, tried) else 1.0) * (SIGN if _swept(moment) else 1.0), 0.0


def _fast(moment: Moment, tried: int) -> bool:
    """Whether a program set the pace. A second for each but the first; records of one second come in any order."""
    return tried >= TRIES and abs(moment.at - moment.habit.denied_from) < (tried - 1) * PACE_MS


def _swept(moment: Moment) -> bool:
    """Whether most denials were of another thing each."""
    things = moment.habit.denied_things.bit_count()
    return things >= THINGS_LEAST and 2 * things >= min(moment.habit.denied, TOLD_APART)


def _opened(moment: Moment) -> bool:
    """Whether the success is of something that was refused, or of the one door of many."""
    return bool(moment.habit.denied_things & thing_of(moment.setting.dataset)) or _swept(moment)


RULE = BehaviourRule(
    id="behaviour.denied_burst",
    version=2,
    title="Many denials",
    why="Somebody tries doors. That the gateway held is good to know; that one opened, better still.",
    example="Forty datasets are asked for within five minutes, and refused.",
    tune="`behaviour.floor_denied`.",
    severity="medium",
    looks=Look.DENIED,
    check=check,
    cases=(
        Story(name="one dataset after another, refused", fires=True,
              acts=(Acts(count=9, every_s=20, fields={"outcome": "denied", "dataset_id": "x-{n}"}),)),
        Story(name="four tries: a forgotten permission", fires=False,
              acts=(Acts(count=4, every_s=20, fields={"outcome": "denied"}), Acts(hour=10.1))),
        Story(name="somebody new whose permissions are not there yet", fires=False, history=0,
              acts=(Acts(count=12, every_s=40, fields={"outcome": "denied"}),)),
        Story(name="somebody new, by a program", fires=True, history=0,
              acts=(Acts(count=15, every_s=0.2, fields={"outcome": "denied"}),)),
        Story(name="somebody new, from one thing to the next by a program", fires=True, history=0,
              acts=(Acts(count=6, every_s=0.2, fields={"outcome": "denied", "dataset_id": "x-{n}"}),)),
        Story(name="as many over a day", fires=False,
              acts=(Acts(count=12, every_s=1200, fields={"outcome": "denied"}),)),
    ),
)  # fmt: skip
