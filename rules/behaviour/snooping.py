"""The same data subjects again and again; oneself, a colleague, somebody watched."""

from __future__ import annotations

from rules.habits.observer import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount


def check(moment: Moment) -> Signal | None:
    """Look at whom the access was about, by token only."""
    watched = [row for row in moment.subjects if row.watched]
    staff = [row for row in moment.subjects if isinstance(row.employee_id, str)]
    own = any(row.employee_id == moment.person for row in staff)
    days = max((each.days for each in moment.habit.repeats), default=0)
    if own or watched or staff:
        whom = "themselves" if own else "a data subject who is watched over" if watched else "a colleague"
        ticket = isinstance(moment.event.ticket, str)
        return Signal(
            1.0 if own or not ticket else 0.7,
            f"looked up {whom}{'' if ticket else ' without a ticket'}",
            "nobody of whom the directory speaks",
            whom,
            moment.habit.active_days,
        )
    score = (days - 1) / max(1, moment.to.repeat_days - 1)
    if score < moment.to.weak:
        return None
    return Signal(
        score,
        f"the same data subject looked up on {days} days within two weeks, without a ticket",
        "tickets for whoever comes back",
        amount(days, "days"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.snooping",
    title="The same people again and again",
    why="A former partner, a neighbour, somebody famous: looked up not for a case, but for oneself.",
    example="Without any ticket, an agent looks at the same profile on five days of two weeks.",
    tune="`behaviour.repeat_days`; `directory.subjects` says who is staff or watched.",
    severity="high",
    looks=Look.SUBJECT,
    check=check,
)
