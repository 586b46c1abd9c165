"""Hand alerts on to pagers, SIEMs and whoever the policy names, with receipts."""

import argparse
import asyncio
import json
import logging
import sys
import time
from typing import Final

from msgspec import structs

from agents.clients import partitions_there, producer_of, started
from agents.delivering.looking_back import look_back
from agents.delivering.trial import trial_alert
from agents.logs import configure
from agents.plan_file import read_plan_of
from agents.settings import Settings
from agents.text import printable
from alerts.notice import Delivered, Outcome
from alerts.plan import Plan
from alerts.straight import notice_of
from schemas.errors import ConfigurationError
from schemas.topics import PARKED, REPLAYS

NAME = "deliver"
EXAMPLES = """\
examples:
  CLOVERWATCH_POLICY=policy.toml cloverwatch deliver           every destination of the policy, until told to stop
  cloverwatch deliver pager siem                               these only; another process delivers to the others
  cloverwatch deliver --test pager                             send a marked test alert, say what came back
  cloverwatch deliver --replay pager                           send what is parked for it, once it takes alerts again

--test needs no broker; --replay needs a running `cloverwatch deliver`, which does it, in order
what each destination promises: docs/destinations.md

exit codes: 0 done, 1 a failure (with --test: not delivered; with --replay: still parked), 2 usage or configuration
"""

REPLAY_WITHIN_S: Final = 60.0
"""How long `--replay` watches what is parked before it says that some is left."""

LOOK_EVERY_S: Final = 1.0
"""Between two looks."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("destinations", nargs="*", metavar="DESTINATION", help="names in the policy; none: all")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--test", metavar="DESTINATION", help="send a marked test alert, opened and closed")
    action.add_argument("--replay", metavar="DESTINATION", help="send what is parked for it once more")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Deliver, or test, or ask for a replay."""
    from agents.delivering.deliver import deliver
    from agents.delivering.making import made

    if settings.policy is None:
        raise ConfigurationError("policy: delivery needs one; name the file with CLOVERWATCH_POLICY")
    if given.destinations and (given.test or given.replay):
        raise ConfigurationError("DESTINATION: --test and --replay name one of their own; give no other")
    configure(settings.log_level, settings.log_format)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    _, plan = read_plan_of(settings.policy)
    for name in (*given.destinations, given.test, given.replay):
        if name is not None:
            made(plan, name)
    if given.test:
        return asyncio.run(_test(plan, given.test))
    if given.replay:
        return asyncio.run(_replay(settings, given.replay))
    if not plan.destinations:
        raise ConfigurationError(
            f"destinations: {settings.policy} names none; write [destinations.NAME], as in docs/policy.md"
        )
    return asyncio.run(deliver(settings, frozenset(given.destinations)))


async def _test(plan: Plan, name: str) -> int:
    """Send a test alert and close it; say what came back."""
    from agents.delivering.making import made

    destination = made(plan, name)
    now = time.time_ns() // 1_000_000
    alert = trial_alert(name, now)
    first = notice_of(name, alert, now)
    await destination.start()
    delivered = True
    try:
        before: dict[str, str] = {}
        closed = structs.replace(alert, revision=1, status="resolved", cause="the test is over")
        for what, notice in (("opened", first), ("closed", notice_of(name, closed, now + 1))):
            began = time.perf_counter()
            (outcome,) = await destination.send([structs.replace(notice, before=before)])
            print(f"{name}: {what} {alert.alert_id}: {_said(outcome)} in {(time.perf_counter() - began) * 1000:.0f} ms")
            delivered = delivered and isinstance(outcome, Delivered)
            before = outcome.answer if isinstance(outcome, Delivered) else {}
    finally:
        await destination.stop()
    return 0 if delivered else 1


def _said(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return f"delivered {json.dumps(outcome.answer)}"
    return printable(f"{'refused' if type(outcome).__name__ == 'Refused' else 'not taken'}: {outcome.reason}")


async def _parked(settings: Settings, name: str, partitions: list[int]) -> int:
    """Return how many alerts are parked for a destination."""
    there: set[bytes] = set()
    async for record in look_back(settings, PARKED, partitions):
        if (record.key or b"").startswith(f"{name}|".encode()):
            (there.discard if record.value is None else there.add)(record.key)
    return len(there)


async def _replay(settings: Settings, name: str) -> int:
    """Ask the delivering process for a replay, and watch what is parked."""
    partitions = [tp.partition for tp in await partitions_there(settings, REPLAYS)]
    before = await _parked(settings, name, partitions)
    if not before:
        print(f"{name}: nothing is parked")
        return 0
    value = json.dumps({"destination": name, "at": time.time_ns() // 1_000_000}).encode()
    async with started(settings, producer_of(settings)) as producer:
        sends = [
            await producer.send(REPLAYS, key=name.encode(), value=value, partition=partition)
            for partition in partitions
        ]
        await asyncio.gather(*sends)
    print(f"{name}: {before} parked alerts are to be sent once more")
    deadline = time.monotonic() + REPLAY_WITHIN_S
    left = before
    while left and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        now = await _parked(settings, name, partitions)
        if now < left:
            deadline = time.monotonic() + REPLAY_WITHIN_S
        left = now
    print(f"{name}: {before - left} sent, {left} parked")
    if left == before:
        print(
            f"{name}: none was taken within {REPLAY_WITHIN_S:g} s: is `cloverwatch deliver` running, and does the "
            "destination answer (`--test`)? The request stands; `cloverwatch receipts --state parked` says why",
            file=sys.stderr,
        )
    return 0 if not left else 1
