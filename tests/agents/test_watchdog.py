"""When the watchdog ends the process, and when it does not."""

from dataclasses import dataclass, field
from typing import cast

from agents.ledger import TP, Ledger
from agents.transport import StreamApp
from agents.transport.lag import LagService
from agents.watchdog import Watchdog, WatchdogSettings

P: TP = ("access.events", 3)
LIMITS = WatchdogSettings(stuck_head=60.0, held_head=200.0, no_assignment=100.0)


@dataclass
class App:
    """The part of a StreamApp that the watchdog looks at."""

    ledger: Ledger = field(default_factory=Ledger)
    assigned_since: float | None = 0.0
    positioned: bool = True


@dataclass
class Lag:
    """A broker that answers or does not."""

    answers: bool = True

    def answered_within(self, seconds: float) -> bool:
        return self.answers


def watchdog(app: App, lag: Lag) -> Watchdog:
    return Watchdog(cast("StreamApp", app), cast("LagService", lag), LIMITS)


def test_a_head_that_does_not_move_ends_the_process() -> None:
    app = App()
    app.ledger.position(P, 0)
    app.ledger.deliver(P, 0, 9, now=0.0)
    later = app.ledger.deliver(P, 10, 19, now=1.0)
    app.ledger.finish(later, now=2.0)
    dog = watchdog(app, Lag())
    assert dog.stuck(60.0) is None
    reason = dog.stuck(61.0)
    assert reason is not None
    assert "access.events partition 3: offsets 0..9 unfinished for 61 s" in reason


def test_a_head_that_waits_for_a_directory_row_has_its_own_limit() -> None:
    app = App()
    app.ledger.position(P, 0)
    app.ledger.deliver(P, 0, 9, now=0.0).held = True
    dog = watchdog(app, Lag())
    assert dog.stuck(199.0) is None
    assert dog.stuck(201.0) is not None


def test_a_silent_broker_is_waited_for() -> None:
    app, lag = App(assigned_since=None), Lag(answers=False)
    app.ledger.position(P, 0)
    app.ledger.deliver(P, 0, 9, now=0.0)
    dog = watchdog(app, lag)
    assert dog.stuck(10_000.0) is None
    assert not dog.ready


def test_the_time_without_an_assignment_counts_from_when_the_broker_answers() -> None:
    app, lag = App(assigned_since=None), Lag(answers=False)
    dog = watchdog(app, lag)
    assert dog.stuck(0.0) is None
    lag.answers = True
    assert dog.stuck(1_000.0) is None
    assert dog.stuck(1_100.0) is None
    assert "no assignment" in (dog.stuck(1_101.0) or "")


def test_an_empty_share_is_an_assignment() -> None:
    dog = watchdog(App(assigned_since=5.0), Lag())
    assert dog.stuck(100_000.0) is None
    assert dog.ready
