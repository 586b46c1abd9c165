"""The demo's screen: alerts as they come, counters, and the table at the end. Lines where there is no terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.receivers import Delivery
from demo.verdict import FALSE_A_DAY, Result, Score
from schemas.alert import SEVERITIES, Alert
from schemas.fields import iso

STYLES = {"informational": "dim", "low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
"""Colours by severity."""

WIDTH_WITHOUT_TERMINAL = 160
"""Columns of a line where no terminal says how many it has: an alert's sentence fits."""

SEVERITY_WIDTH = 13
RULE_WIDTH = 25
"""Columns of the longest words."""

TOLD_BY = 3
"""Rules named in a line of the table: those that told most incidents of its kind."""

Scores = dict[str, Score]


def console() -> Console:
    """Return standard output as a console: as wide as the terminal, or wide enough for a sentence."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


@dataclass(slots=True)
class Screen:
    """Writes to standard output."""

    console: Console = field(default_factory=console)
    alerts: Counter[str] = field(default_factory=Counter)

    def say(self, text: str) -> None:
        """Write one line about the run itself."""
        self.console.print(text, style="green", highlight=False)

    def alert(self, alert: Alert) -> None:
        """Write one alert as a sentence."""
        self.alerts[alert.severity] += 1
        style = STYLES[alert.severity]
        if not self.console.is_terminal:
            self.say_plain(f"{alert.severity:<13} {alert.rule_id:<25} {alert.explanation}")
            return
        row = Table.grid(padding=(0, 1))
        row.add_column(width=SEVERITY_WIDTH)
        row.add_column(width=RULE_WIDTH)
        row.add_column(ratio=1)
        row.add_row(Text(alert.severity, style), Text(alert.rule_id, "bold"), Text(alert.explanation))
        self.console.print(row)

    def say_plain(self, text: str) -> None:
        """Write a line as it is, however long."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def counters(self, sent: int, total: int, judged: int, waiting: int, dead: int, spent: float) -> None:
        """Write where the run stands."""
        found = ", ".join(f"{self.alerts[level]} {level}" for level in reversed(SEVERITIES) if self.alerts[level])
        self.console.print(
            f"── {sent:,} of {total:,} sent, {judged:,} judged ({judged / max(spent, 0.1):,.0f}/s), {waiting} waiting, "
            f"{dead} dead letters; alerts: {found or 'none yet'}",
            style="blue",
            highlight=False,
        )

    def result(self, result: Result) -> None:
        """Write the tables of incidents and look-alikes, and every false alert."""
        table = Table(title="What was planted, by what happened", title_justify="left")
        for name in ("", "planted", "found", "missed", "false"):
            table.add_column(name, justify="left" if not name else "right")
        table.add_column("told by")
        _section(table, "accesses", result.incidents, result.look_alikes, len(result.false))
        _section(table, "behaviour", result.conduct, result.innocent, len(result.falsely))
        self.console.print(table)
        self.console.print(
            f"falsely about behaviour: {len(result.falsely)}, {result.false_a_day:.2f} per 1,000 employees and day "
            f"(goal {FALSE_A_DAY:g})",
            style="red" if result.false_a_day > FALSE_A_DAY else "green",
            highlight=False,
        )
        for alert in (*result.false, *result.falsely):
            said = f"false: {iso(alert.occurred_at)} {alert.rule_id}: {alert.explanation}"
            self.console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)

    def delivery(self, found: Delivery, messages: int, incidents: int, digests: int) -> None:
        """Write what came of delivering, and how many messages people had of how many alerts."""
        self.console.print(
            f"delivered: {found.settled:,} of {found.alerts:,} alerts have the receipts of every destination "
            f"({', '.join(f'{state} {count:,}' for state, count in sorted(found.states.items()))}); "
            f"the pager had {messages:,} messages about {incidents:,} incidents, {digests} of them digests",
            style="green" if found.settled == found.alerts else "red",
            highlight=False,
        )


def _section(table: Table, name: str, incidents: Scores, look_alikes: Scores, false: int) -> None:
    """Write what was planted of one family, and its sum."""
    table.add_section()
    for kind, score in sorted(incidents.items()):
        rules = ", ".join(rule.split(".", 1)[1] for rule, _ in score.rules.most_common(TOLD_BY))
        style = "red" if score.missed else ""
        table.add_row(kind, str(score.planted), str(score.found), str(score.missed), "", rules, style=style)
    table.add_section()
    for kind, score in sorted(look_alikes.items()):
        style = "red" if score.found else "dim"
        table.add_row(f"look-alike: {kind}", str(score.planted), "", "", str(score.found), "", style=style)
    table.add_section()
    planted, missed = (sum(getattr(score, what) for score in incidents.values()) for what in ("planted", "missed"))
    counts = (str(planted), str(planted - missed), str(missed), str(false))
    table.add_row(f"all: {name}", *counts, "", style="bold")
