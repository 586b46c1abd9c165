"""From a request to what is answered: decide, record, then answer. Nothing here knows HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from agents.gateway import answers, reading
from agents.gateway.answers import STALE, UNRECORDED
from agents.gateway.metrics import GatewayMetrics
from agents.gateway.paging import page_of
from agents.gateway.recording import SAY_EVERY_S, Recorder
from agents.gateway.refusal import Refusal
from rules.gateway.decide import DENIAL_KEPT_MS, DecisionPoint
from rules.gateway.request import AccessRequest, BadRequestError, Decided
from rules.gateway.search import Found, Slices
from rules.gateway.section import GatewayPolicy

log = logging.getLogger(__name__)

Kind = Literal["subject", "action", "resource"]

STOP_AT: Final[dict[reading.Semantic, str]] = {"deny_on_first_deny": "deny", "permit_on_first_permit": "allow"}
"""The effect after which nothing more of a batch is decided."""


class Asking(NamedTuple):
    """Who asks, and under which request id."""

    caller: str
    request_id: str


class Deciding:
    """Decides, records, answers.

    Args:
        recorder: stores decisions.
        metrics: told of them.
        clock: milliseconds since 1970.
        stale: why what is known may be too old to decide by, nothing when it is current (`Freshness.reasons`).
    """

    def __init__(
        self,
        recorder: Recorder,
        metrics: GatewayMetrics,
        clock: Callable[[], int],
        stale: Callable[[], list[str]] = list,
    ) -> None:
        self._recorder, self._metrics, self._clock, self._stale = recorder, metrics, clock, stale
        self._force: tuple[DecisionPoint, GatewayPolicy] | None = None
        self._said = dict.fromkeys((UNRECORDED, STALE), float("-inf"))

    def adopt(self, decider: DecisionPoint, policy: GatewayPolicy) -> None:
        """Decide so from the next request on."""
        self._force = decider, policy

    async def single(self, request: AccessRequest, asking: Asking) -> tuple[Decided, bool]:
        """Return the decision that is answered, and whether it is unrecorded.

        Raises:
            Refusal: the request cannot be understood.
        """
        decided = self._decide(request, asking)
        (answered,), unrecorded = await self._recorded([decided])
        return answered, unrecorded

    async def batch(self, asked: list[Any], semantic: reading.Semantic, asking: Asking) -> list[dict[str, Any]]:
        """Return the response to each evaluation of a batch, all of them recorded, up to the one that ends it."""
        outcomes: list[Decided | dict[str, Any]] = []
        for each in asked:
            outcome = self._of_batch(each, asking)
            outcomes.append(outcome)
            effect = outcome.record.effect if isinstance(outcome, Decided) else "deny"
            if effect == STOP_AT.get(semantic):
                break
        answered, unrecorded = await self._recorded([each for each in outcomes if isinstance(each, Decided)])
        recorded = iter(answered)
        responses = [
            answers.evaluation(next(recorded), unrecorded=unrecorded) if isinstance(each, Decided) else each
            for each in outcomes
        ]
        if semantic == "deny_on_first_deny":  # what could not be recorded is denied, from the first on
            first = next((at for at, each in enumerate(responses) if not each["decision"]), len(responses))
            return responses[: first + 1]
        return responses

    async def search(self, kind: Kind, asked: Mapping[str, Any], asking: Asking, most: int) -> dict[str, Any]:
        """Return the response to a search. It decides nothing, so nothing is recorded; decisions go first.

        Raises:
            Refusal: the request cannot be understood.
        """
        page = page_of(kind, asked, most)
        decider, policy = self._in_force()
        if policy.stale == "deny" and (why := self._stale()):
            raise Refusal("not_ready", "; ".join(why), {"Retry-After": "1"})
        try:
            slices = decider.slices(
                kind, dict(asked), caller=asking.caller, now=self._clock(), most=page.limit, after=page.after
            )
            found = await _in_turn(slices)
        except BadRequestError as error:
            raise Refusal("malformed", str(error)) from None
        self._metrics.searches.labels(kind).inc()
        return page.response(found)

    def _of_batch(self, asked: Any, asking: Asking) -> Decided | dict[str, Any]:
        """Return what one evaluation of a batch comes to; whatever is wrong with it is wrong with it alone."""
        try:
            if not isinstance(asked, dict):
                raise Refusal("malformed", "an evaluation: allowed: an object")
            return self._decide(reading.evaluation(asked), asking)
        except Refusal as refusal:
            return answers.failed(refusal.status, refusal.text)
        except Exception as error:  # noqa: BLE001 - closed for this one; the others' decisions stand
            log.error("An evaluation of a batch failed: %s", type(error).__name__)
            return answers.failed(500, "the decision point failed; its log says more")

    def _decide(self, request: AccessRequest, asking: Asking) -> Decided:
        decider, policy = self._in_force()
        began = time.thread_time()
        try:
            decided = decider.decide(
                request,
                caller=asking.caller,
                now=self._clock(),
                decision_id=str(uuid.uuid4()),
                request_id=asking.request_id,
            )
        except BadRequestError as error:
            raise Refusal("malformed", str(error)) from None
        if why := self._stale():
            decided = self._by_what_is_old(decided, policy, why)
        self._metrics.decide.observe(time.thread_time() - began)
        return decided

    def _by_what_is_old(self, decided: Decided, policy: GatewayPolicy, why: list[str]) -> Decided:
        if policy.stale == "deny":
            decided = answers.denied_stale(decided, why, self._clock() + DENIAL_KEPT_MS)
        elif decided.record.effect == "allow":
            self._say(
                STALE,
                'Decisions are made by directories or approvals that may be OLD: [gateway] stale = "allow" stands in '
                "the policy. What was taken away may still be allowed",
            )
        self._metrics.stale.labels(decided.record.effect).inc()
        return decided

    async def _recorded(self, decided: list[Decided]) -> tuple[list[Decided], bool]:
        """Return what is answered once these are recorded, or could not be, and whether they could not."""
        _, policy = self._in_force()
        stands = policy.unrecorded == "allow"
        recorded = await self._recorder.record([each.record for each in decided], stands=stands)
        if not recorded:
            if stands:
                self._say(
                    UNRECORDED,
                    'Decisions are answered and NOT recorded: [gateway] unrecorded = "allow" stands in the policy. '
                    "Nobody can check these accesses later",
                )
            else:
                decided = [answers.denied_unrecorded(each) for each in decided]
            for each in decided:
                self._metrics.unrecorded.labels(each.record.effect).inc()
        for each in decided:
            self._metrics.count(each.record)
        return decided, not recorded

    def _in_force(self) -> tuple[DecisionPoint, GatewayPolicy]:
        if self._force is None:
            raise Refusal("not_ready", "no policy is in force yet", {"Retry-After": "1"})
        return self._force

    def _say(self, what: str, sentence: str) -> None:
        now = time.monotonic()
        if now - self._said[what] >= SAY_EVERY_S:
            self._said[what] = now
            log.critical(sentence)


async def _in_turn(slices: Slices) -> Found:
    """Return what a search finds, and let everybody else go first between two of its pieces."""
    while True:
        try:
            next(slices)
        except StopIteration as end:
            found: Found = end.value
            return found
        await asyncio.sleep(0)
