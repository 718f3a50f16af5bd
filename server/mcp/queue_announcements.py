"""Announces to each caller in a queue which position they have: requests for one call after another."""

import math
import uuid
from collections.abc import Callable
from typing import Any

from ...tools.base import Command
from ...tools.pagination import Read, all_of
from ...tools.queues import AnnouncePositions, GetQueue, ListQueueCalls
from ...tools.results import Queue, QueueResult
from ..errors import CallFailed, CallRefused, OutOfScope
from ..events.service import EventService
from ..guard import Caller, CallRecord, Guard, Policy, TelnyxRecord
from ..guard.policy import Limit
from ..telnyx import TelnyxClient

OnEnd = Callable[[CallRecord], None]


class QueueAnnouncements:
    """Carries out `announce_positions`. The store remembers, for all processes, who heard it when."""

    def __init__(self, guard: Guard, telnyx: TelnyxClient, events: EventService, on_end: OnEnd) -> None:
        """`on_end` is called with the record of each request."""
        self._guard = guard
        self._telnyx = telnyx
        self._events = events
        self._on_end = on_end

    async def send(self, command: AnnouncePositions, caller: Caller, policy: Policy, read: Read) -> dict[str, Any]:
        """Speak to the callers in their order. Returns the fields of the result. Raises `CallFailed`.

        A limit of the policy, or the stop switch, ends it: those who wait further back are in `failed`. When events say
        that a caller has left meanwhile, they hear nothing and those behind them move up.
        """
        queue: Queue = QueueResult.read(await read(GetQueue(queue_name=command.queue_name)))["queue"]
        calls = await all_of(read, ListQueueCalls(queue_name=command.queue_name))
        waiting = [call for call in calls if call.get("is_alive") is not False and call.get("call_control_id")]
        minutes = max(1, math.ceil((queue.average_wait_time_secs or 0) / 60))
        announced: list[dict[str, Any]] = []
        skipped: list[str] = []
        failed: list[dict[str, str]] = []
        refusal = ""
        positions = {str(call["call_control_id"]): _position(call, place) for place, call in enumerate(waiting, 1)}
        queue_of = self._events.projection.queue_of
        known = {leg: position for leg, position in positions.items() if queue_of(leg) == queue.name}
        for leg, listed_at in list(positions.items())[: command.limit]:
            gone = [position for other, position in known.items() if queue_of(other) != queue.name]
            position = listed_at - sum(place < listed_at for place in gone)
            try:
                if refusal:
                    raise CallRefused(refusal)
                if listed_at in gone:
                    failed.append({"call_control_id": leg, "why": "This caller has left the queue."})
                    continue
                words = command.words(position, len(waiting) - len(gone), minutes)
                if await self._announce(command, leg, words, caller, policy):
                    announced.append({"call_control_id": leg, "position": position})
                else:
                    skipped.append(leg)
            except CallFailed as problem:
                failed.append({"call_control_id": leg, "why": str(problem)})
                is_for_all = isinstance(problem, CallRefused) and not isinstance(problem, OutOfScope)
                refusal = str(problem) if is_for_all else ""
        others = {"skipped": skipped, "failed": failed}
        return {"announced": announced, **{name: legs for name, legs in others.items() if legs}}

    async def _announce(self, command: AnnouncePositions, leg: str, words: str, caller: Caller, policy: Policy) -> bool:
        """Speak to one caller. False if they heard it a short time ago, or hear the recording announcement now.

        Raises `CallFailed`.
        """
        seconds = command.skip_within_secs
        once = Limit(f"attempts:announced:{leg}", 1, seconds, 1, f"one announcement to a caller in {seconds} s")
        for part, limit in zip(command.requests(leg, words), (once, None), strict=False):
            record = self._guard.new_request_record(caller, part)
            if not await self._guard.gate.admit_part(part, policy, record, limit):
                return False
            await self._send(part, record)
        return True

    async def _send(self, part: Command, record: CallRecord) -> None:
        try:
            answer = await self._telnyx.send(part.model_copy(update={"command_id": str(uuid.uuid4())}))
            record.telnyx = TelnyxRecord(answer.status)
            record.ended("done")
            self._guard.gate.sent(part, answer.body, record.caller, self._events.now())
        except CallFailed as problem:
            record.ended(problem.outcome, problem.why)
            raise
        finally:
            self._guard.close_record(record)
            self._on_end(record)


def _position(call: dict[str, Any], place: int) -> int:
    position = call.get("queue_position")
    return position if isinstance(position, int) else place
