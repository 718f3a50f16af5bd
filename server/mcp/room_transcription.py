"""Transcribes everyone in a conference: one request for each call leg, also for those that join or leave later."""

import logging
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from ...tools.pagination import Read, all_participants
from ...tools.transcription import StartTranscription, StopTranscription
from ..errors import CallFailed, CallRefused
from ..events.event import CONSENT_HEARD, CONSENT_KEYED, StoredEvent
from ..events.service import EventService
from ..guard import Caller, CallRecord, Guard
from ..newest import Newest
from ..telnyx import TelnyxClient, TelnyxRefused

logger = logging.getLogger(__name__)

_MAX_ROOMS = 1_000
_JOINED, _LEFT, _ENDED = "conference.participant.joined", "conference.participant.left", "conference.ended"
_ALREADY_RUNS = "90054"
"""Telnyx's error code for a call leg that is transcribed already."""

OnEnd = Callable[[CallRecord], None]


@dataclass(slots=True)
class _Room:
    """A conference in which everyone is transcribed."""

    command: StartTranscription
    caller: Caller
    covered: set[str] = field(default_factory=set[str])
    """Call legs for which a request was sent."""
    failures: dict[str, str] = field(default_factory=dict[str, str])
    """Why call legs could not be transcribed."""


class RoomTranscription:
    """The conferences in which this process has everyone transcribed."""

    def __init__(self, guard: Guard, telnyx: TelnyxClient, events: EventService, on_end: OnEnd) -> None:
        """`on_end` is called with the record of each request for a leg that joined later."""
        self._guard = guard
        self._telnyx = telnyx
        self._events = events
        self._on_end = on_end
        self._rooms: dict[str, _Room] = Newest(_MAX_ROOMS)
        self._moved: deque[tuple[str, str, bool]] = deque()
        """Conference and call leg of those who joined (True) or left."""
        self._wake = anyio.Event()
        events.on_change(self._note)

    async def send(self, command: StartTranscription | StopTranscription, caller: Caller, read: Read) -> dict[str, Any]:
        """Send the command for each call leg in its conference.

        Returns the fields of the result: `call_control_ids`, and `failed` with the reasons. Raises `CallFailed` if it
        was accepted for none.
        """
        conference_id = command.conference_id or ""
        room = None
        if isinstance(command, StartTranscription):  # before the list is read, so that nobody who joins is missed
            room = self._rooms[conference_id] = _Room(command, caller)
        else:
            self._rooms.pop(conference_id, None)
        accepted, failed = await self._send_to_all(command, caller, room, read)
        if not accepted:
            self._rooms.pop(conference_id, None)
            if not failed:
                raise CallRefused("Nobody is in this conference. Nothing was sent.")
            first = next(iter(failed.values()))
            raise CallRefused(f"{command.tool_name()} was accepted for none of {len(failed)} call legs. {first}")
        reasons = [{"call_control_id": leg, "why": why} for leg, why in failed.items()]
        return {"call_control_ids": accepted, **({"failed": reasons} if reasons else {})}

    async def _send_to_all(
        self, command: StartTranscription | StopTranscription, caller: Caller, room: _Room | None, read: Read
    ) -> tuple[list[str], dict[str, str]]:
        accepted: list[str] = []
        failed: dict[str, str] = {}
        for person in await all_participants(read, command.conference_id or ""):
            leg: Any = person.get("call_control_id")
            if not isinstance(leg, str) or (room is not None and leg in room.covered):
                continue
            if room is not None:
                room.covered.add(leg)
            why = await self._send(command.for_leg(leg), self._guard.new_request_record(caller, command.for_leg(leg)))
            if why is None:
                accepted.append(leg)
            else:
                failed[leg] = why
        if room is not None:
            room.failures |= failed
        return accepted, failed

    async def _send(self, command: StartTranscription | StopTranscription, record: CallRecord) -> str | None:
        """Send a command for one leg. Returns why it was not carried out; None: it was."""
        try:
            await self._telnyx.send(command.model_copy(update={"command_id": str(uuid.uuid4())}))
            record.end("done")
        except TelnyxRefused as refused:
            is_running = any(problem.code == _ALREADY_RUNS for problem in refused.problems)
            record.end("done" if is_running else refused.outcome, refused.why)
            return None if is_running else str(refused)
        except CallFailed as failed:
            record.end(failed.outcome, failed.why)
            return str(failed)
        finally:
            self._end(record)
        return None

    def _end(self, record: CallRecord) -> None:
        self._guard.close_record(record)
        self._on_end(record)

    def failures(self, conference_id: str) -> list[dict[str, str]]:
        """The call legs in a conference that could not be transcribed, and why."""
        room = self._rooms.get(conference_id)
        return [{"call_control_id": leg, "why": why} for leg, why in room.failures.items()] if room else []

    def _note(self, changed: set[str], events: list[StoredEvent]) -> None:
        for event in events if self._rooms else ():
            if event.type in (CONSENT_HEARD, CONSENT_KEYED):
                self._try_again(event.call_control_id or "")
            if event.conference_id not in self._rooms:
                continue
            if event.type == _ENDED:
                del self._rooms[event.conference_id]
            elif event.type in (_JOINED, _LEFT) and event.call_control_id is not None:
                self._moved.append((event.conference_id, event.call_control_id, event.type == _JOINED))
                self._wake.set()

    def _try_again(self, leg: str) -> None:
        """A leg that was refused for lack of consent may be transcribed once it has heard the announcement."""
        for conference_id, room in self._rooms.items():
            if leg in room.failures:
                room.covered.discard(leg)
                self._moved.append((conference_id, leg, True))
                self._wake.set()

    async def run(self) -> None:
        """Transcribe those who join later, and stop for those who leave, until cancelled."""
        while True:
            self._wake = anyio.Event()
            while self._moved:
                conference_id, leg, has_joined = self._moved.popleft()
                room = self._rooms.get(conference_id)
                if room is None or has_joined == (leg in room.covered):
                    continue
                if has_joined:
                    await self._start_on(room, leg)
                else:
                    await self._stop_on(room, conference_id, leg)
            await self._wake.wait()

    async def _start_on(self, room: _Room, leg: str) -> None:
        """Transcribe a leg that has joined."""
        room.covered.add(leg)
        why = await self._admit_and_send(room.command.for_leg(leg), room.caller)
        room.failures.pop(leg, None)
        if why is not None:
            room.failures[leg] = why
            logger.warning("A call leg that joined a conference later is not transcribed")

    async def _stop_on(self, room: _Room, conference_id: str, leg: str) -> None:
        """Stop for a leg that has left, if its call goes on elsewhere."""
        room.covered.discard(leg)
        person = self._events.projection.person(leg, self._events.now())
        is_transcribed = room.failures.pop(leg, None) is None
        if is_transcribed and person is not None and person.is_alive:
            command = StopTranscription(call_control_id=leg, conference_id=conference_id)
            await self._admit_and_send(command, room.caller)

    async def _admit_and_send(self, command: StartTranscription | StopTranscription, caller: Caller) -> str | None:
        """Send a request if the guard admits it. Returns why it failed."""
        record = self._guard.new_request_record(caller, command)
        policy = self._guard.policy(caller)
        try:
            await self._guard.gate.admit_follow_up(command, policy, self._telnyx.read, record)
        except CallFailed as failed:
            record.end(failed.outcome, failed.why)
            self._end(record)
            return str(failed)
        return await self._send(command, record)
