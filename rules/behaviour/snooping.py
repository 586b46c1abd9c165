"""The same data subjects again and again; oneself, a colleague, somebody watched."""

from __future__ import annotations

from rules.habits.cases import NO_TICKET, Acts, Story
from rules.habits.firsts import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount


def check(moment: Moment) -> Signal | None:
    """Look at whom the access was about, by token only."""
    watched = [row for row in moment.subjects if row.watched]
    staff = [row for row in moment.subjects if isinstance(row.employee_id, str)]
    own = any(row.employee_id == moment.person for row in staff)
    days = moment.before.returned
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
    if not days:
        return None
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
    cases=(
        Story(name="the same one on five days, no ticket", fires=True,
              acts=tuple(Acts(day=day, fields={"subject_ids": ["s-ex"], **NO_TICKET}) for day in range(5))),
        Story(name="the same one on five days, with tickets", fires=False,
              acts=tuple(Acts(day=day, fields={"subject_ids": ["s-ex"]}) for day in range(5))),
        Story(name="the same one on two days", fires=False,
              acts=tuple(Acts(day=day, fields={"subject_ids": ["s-ex"], **NO_TICKET}) for day in range(2))),
        Story(name="oneself, even with a ticket", fires=True, acts=(Acts(fields={"subject_ids": ["s-me"]}),),
              rows=(("subjects", {"subject_id": "s-me", "employee_id": "e-1"}),)),
        Story(name="a colleague without a ticket", fires=True,
              acts=(Acts(fields={"subject_ids": ["s-col"], **NO_TICKET}),),
              rows=(("subjects", {"subject_id": "s-col", "employee_id": "e-2"}),)),
        Story(name="somebody watched over, with a ticket", fires=False, acts=(Acts(fields={"subject_ids": ["s-w"]}),),
              rows=(("subjects", {"subject_id": "s-w", "watched": True}),)),
    ),
)  # fmt: skip
