"""Announces to each caller in a queue which position they have: requests for one call after another."""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Result:
    """What was done for each caller."""

    announced: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    skipped: list[str] = field(default_factory=list[str])
    failed: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def add(self, leg: str, position: int, *, is_announced: bool) -> None:
        if is_announced:
            self.announced.append({"call_control_id": leg, "position": position})
        else:
            self.skipped.append(leg)

    def fail(self, leg: str, why: str) -> None:
        self.failed.append({"call_control_id": leg, "why": why})

    def fields(self) -> dict[str, Any]:
        """The fields of the tool's result, without empty lists beside `announced`."""
        others = {"skipped": self.skipped, "failed": self.failed}
        return {"announced": self.announced, **{name: legs for name, legs in others.items() if legs}}


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
        minutes = max(1, math.ceil((queue.average_wait_time_secs or 0) / 60))
        listed = await self._waiting_legs(command.queue_name, read)
        queue_of = self._events.projection.queue_of
        known_by_events = [leg for leg in listed if queue_of(leg) == queue.name]
        result = _Result()
        legs = list(listed)[: command.limit]
        for number, leg in enumerate(legs):
            gone = {other: listed[other] for other in known_by_events if queue_of(other) != queue.name}
            if leg in gone:
                result.fail(leg, "This caller has left the queue.")
                continue
            position = listed[leg] - sum(left < listed[leg] for left in gone.values())
            words = command.words(position, len(listed) - len(gone), minutes)
            try:
                is_announced = await self._announce(command, leg, words, caller, policy)
            except CallFailed as problem:
                concerns_all = isinstance(problem, CallRefused) and not isinstance(problem, OutOfScope)
                for other in legs[number:] if concerns_all else [leg]:
                    result.fail(other, str(problem))
                if concerns_all:
                    break
            else:
                result.add(leg, position, is_announced=is_announced)
        return result.fields()

    async def _waiting_legs(self, queue_name: str, read: Read) -> dict[str, int]:
        """The live calls in a queue by call_control_id, in order, with their positions from 1."""
        calls = await all_of(read, ListQueueCalls(queue_name=queue_name))
        waiting = [call for call in calls if call.get("is_alive") is not False and call.get("call_control_id")]
        return {str(call["call_control_id"]): _position(call, place) for place, call in enumerate(waiting, 1)}

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
            record.end("done")
            self._guard.gate.note_sent(part, answer.body, record.caller, self._events.now())
        except CallFailed as problem:
            record.end(problem.outcome, problem.why)
            raise
        finally:
            self._guard.close_record(record)
            self._on_end(record)


def _position(call: dict[str, Any], place: int) -> int:
    position = call.get("queue_position")
    return position if isinstance(position, int) else place
