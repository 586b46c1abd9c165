"""What is known of somebody's habit, and what would be told of them."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from agents.files import load_directory
from agents.policy_watch import read_policy
from agents.settings import Settings
from agents.signing import key_options, signer_of
from agents.state_file import load_state
from agents.text import printable, printable_json
from rules.habits.habit import Habit
from rules.habits.outlook import View
from rules.habits.peers import Peers
from rules.habits.portrait import portrait
from rules.habits.thresholds import Behaviour
from rules.policy import Policy
from schemas.errors import ConfigurationError

NAME = "person"
EXAMPLES = """\
examples:
  cloverwatch person e-0042 --reason "alert 4f1c, exports" --by dora --key dora.key
  cloverwatch person e-0042 --reason "drill" --by dora --key dora.key --state habits.state --policy policy.toml
  cloverwatch person e-0042 --reason "drill" --by dora --key dora.key --json

out of the cluster, as the workers last saved it, or out of a state file. Every look is recorded before anything is
shown, signed by whoever looks: in privacy.requests, where people of the policy alone may look; of a state file in
FILE.looks.jsonl beside it, or where --record says. The policy is that of --policy, else of CLOVERWATCH_POLICY, else (of
a file) the shipped thresholds; the directories say the time zone, duties and announced journeys. Peers are known from
a state file only. Data subjects are never shown: they are kept as hashes

exit codes: 0 shown, 1 nothing is known of them or no broker answers, 2 usage, policy or files
"""

BAR: Final = "·▁▂▃▄▅▆▇█"
"""An hour never worked in, and from seldom to always."""

UNIT_WIDTH: Final = 38
RULE_WIDTH: Final = 27
"""Columns of the longest words."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("person", metavar="ID", help="who: the id of an employee, or of another principal")
    parser.add_argument("--state", type=Path, metavar="FILE", help="what `replay --state` wrote, in place of a cluster")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy (TOML)")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="folder with employees.jsonl …")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why you look; it is kept")
    parser.add_argument("--ticket", default="", metavar="ID", help="where it is dealt with")
    parser.add_argument("--record", type=Path, metavar="FILE", help="with --state: where the look is recorded")
    key_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Show; 1 where nothing is known."""
    path = given.policy or settings.policy
    policy = None if path is None else read_policy(path)[1]
    if policy is not None and policy.behaviour is None:
        raise ConfigurationError(f"policy: {path} has no [behaviour]: under it nobody's habit is judged")
    _recorded(given, settings, path)
    if given.state is None:
        habit, now, peers, where = _in_cluster(given.person, settings)
    else:
        habit, now, peers, where = _in_file(given.person, given.state)
    if habit is None:
        print(f"cloverwatch: nothing is known of {printable(given.person)!r} in {where}", file=sys.stderr)
        return 1
    view, zone = _view(given, habit, policy, peers, now)
    told = portrait(given.person, view, policy, now, zone)
    if given.json:
        print(printable_json(json.dumps(told, indent=2, ensure_ascii=False)))
    else:
        print("\n".join(map(printable, readable(told))))
    return 0


def _recorded(given: argparse.Namespace, settings: Settings, policy: Path | None) -> None:
    """Record the look; nothing was read yet."""
    from agents.looking import BESIDE, note_look, record_look
    from agents.request_log import office_of

    if given.record is not None and given.state is None:
        raise ConfigurationError("--record: only with --state; out of a cluster looks are recorded in privacy.requests")
    signer = signer_of(given)
    if given.state is None:
        look = record_look(settings, office_of(policy), signer, given.person, given.reason, given.ticket)
        asyncio.run(look)
        return
    if not given.state.is_file():
        raise ConfigurationError(f"--state: {given.state} cannot be read: No such file")
    office = None if policy is None else office_of(policy)
    beside = given.state.with_name(given.state.name + BESIDE)
    # A policy without people says nothing of who may look into a file: whoever has it can read it anyway.
    known = office if office is not None and office.people else None
    note_look(given.record or beside, known, signer, given.person, given.reason, given.ticket)


def _in_file(name: str, path: Path) -> tuple[Habit | None, int, Peers | None, str]:
    from rules.habits.saved import StateVersionError, restore
    from rules.habits.saved_peers import restore_peers

    state = load_state(path)
    saved = dict(state.people).get(name)
    try:
        return None if saved is None else restore(saved), state.now, restore_peers(state.peers), str(path)
    except StateVersionError as error:
        raise ConfigurationError(f"--state: {path}: {error}") from None


def _in_cluster(name: str, settings: Settings) -> tuple[Habit | None, int, Peers | None, str]:
    from agents.person_state import habit_of
    from agents.watching import wall_clock
    from schemas.topics import STATE_HABITS

    habit = asyncio.run(habit_of(settings, name))
    return habit, wall_clock(), None, f"{STATE_HABITS} at {settings.broker}"


def _view(
    given: argparse.Namespace, habit: Habit, policy: Policy | None, peers: Peers | None, now: int
) -> tuple[View, str | None]:
    """Return the habit with what is known beside it, and the time zone where the directories say it."""
    to = Behaviour() if policy is None or policy.behaviour is None else policy.behaviour
    group = None if peers is None else peers.of(habit.group, now, to.peers_least)
    if given.directory is None:
        return View(habit, to, group), None
    person = load_directory(given.directory).knowledge.find(given.person)
    employee = None if person.employment is None else person.employment.at(now)[0]
    duties = person.duties or {}
    view = View(
        habit,
        to,
        group,
        frozenset(duty for duty, timeline in duties.items() if timeline.at(now)[0] is not None),
        frozenset(row.country for kind in person.locations.values() if (row := kind.at(now)[0]) is not None),
    )
    return view, employee.time_zone if employee is not None and isinstance(employee.time_zone, str) else None


def readable(told: dict[str, Any]) -> list[str]:
    """Return it as lines that a person reads."""
    history, place = told["history"], told["last_place"]
    said = [
        f"{told['person']}, as of {told['as_of']}, under "
        + (f"policy {told['policy']}" if told["policy"] else "the shipped thresholds"),
        f"history: {history['active_days']} active days of at most {history['of_at_most']}",
        f"  first day {history['first_day']}, last seen {history['last_seen']}",
        f"  the same work since {history['same_work_since']}; time zone {history['time_zone'] or 'not known here'}",
        f"measures: {history['last_day']}, their last active day",
        *map(_measure, told["measures"]),
        f"hours: local, on how many of {told['hours']['days']} days",
        f"  {'':<16} 0     6     12    18",
        f"  {'working days':<16} {_bar(told['hours']['working_day'])}",
        f"  {'days off':<16} {_bar(told['hours']['day_off'])}",
        "countries: " + (", ".join(f"{each['name']} ({each['last_day']})" for each in told["countries"]) or "none"),
        *(f"  last {kind:<11} {spot['country']} at {spot['at']}" for kind, spot in place.items() if spot),
        f"datasets: about {told['datasets']['known_about']} known, {told['datasets']['new_today']} new that day",
        "data subjects who come back without a ticket (kept as hashes; who they are is not known here)",
        *_repeats(told["repeats"]),
        *_signals(told),
        "would be told of when",
    ]
    for rule in told["rules"]:
        state = "" if rule["state"] == "speaks" else f"{rule['state']}: "
        said.append(f"  {rule['rule']:<{RULE_WIDTH}} {state}{rule['when']}")
    return said


def _repeats(repeats: list[dict[str, Any]]) -> list[str]:
    said = [f"  one on {each['days']} days, last on {each['last_day']}" for each in repeats if each["days"] > 1]
    once = sum(each["days"] == 1 for each in repeats)
    return [*said, f"  {once} on one day"] if once or not said else said


def _measure(each: dict[str, Any]) -> str:
    start = f"  {each['unit']:<{UNIT_WIDTH}} {each['last_day']:>13,}"
    if each["usual"] is None:
        return f"{start}   too little history"
    if each["told_from"] is None:
        return f"{start}   usual up to {each['usual']:>13,}"
    way = max(0, round(100 * each["way"]))
    return f"{start}   usual up to {each['usual']:>13,}, told from {each['told_from']:>13,}: {way:>3} % of the way"


def _bar(counts: list[int]) -> str:
    most = max(counts)
    return "".join(BAR[0] if not each else BAR[max(1, round(each / most * (len(BAR) - 1)))] for each in counts)


def _signals(told: dict[str, Any]) -> list[str]:
    weak = ", ".join(f"{rule} {score:.2f}" for rule, score in told["weak_signals"].items())
    said = [f"signals of that day: {weak or 'none'}; drift {told['drift']}"]
    for word in ("episode", "shadow_episode"):
        episode = told[word]
        if episode is not None:
            open_ = {True: "open", False: "over", None: "open or over: the policy says how long it lasts"}[
                episode["open"]
            ]
            scores = ", ".join(f"{rule} {score:.2f}" for rule, score in episode["scores"].items())
            said.append(
                f"{word.replace('_', ' ')} ({open_}) since {episode['since']}, revision {episode['revision']}, last "
                f"signal {episode['last_signal']}: {scores}"
            )
    peers = told["peers"]
    if peers is None:
        said.append("peers: none known here")
    else:
        usual = ", ".join(f"{name.replace('_', ' ')} {amount:,}" for name, amount in peers["usual"].items())
        said.append(f"peers: {peers['people']} people, {peers['days']} days; 99 of 100 stay below {usual}")
    return said
