"""Plays the recording announcement, notes who has heard it, and pauses a recording that lacks someone's consent.

What happens is kept as events of the store (`recording.consent.*`), which every process reads and a timeline shows.
"""

import hashlib
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from ...tools import COMMANDS
from ...tools.base import Command
from ...tools.call_audio import PlayToCall, SpeakToCall
from ...tools.call_recordings import PauseCallRecording, ResumeCallRecording
from ...tools.call_state import UpdateClientState
from ...tools.client_state import as_base64
from ...tools.recordings import AnnounceRecording, PauseRecording, ResumeRecording
from ...tools.text import count, spoken_words
from ..errors import CallFailed, CallRefused
from ..events.envelope import server_event
from ..events.event import (
    CONSENT_ANNOUNCED,
    CONSENT_FAILED,
    CONSENT_HEARD,
    CONSENT_KEYED,
    CONSENT_PAUSED,
    CONSENT_RESUMED,
    EventFilter,
    StoredEvent,
    Via,
)
from ..events.projection.moments import event_moment
from ..events.service import EventService
from ..guard import Ledger, Policy
from ..guard.consent import Coming
from ..guard.effects import captures_speech
from ..guard.policy import ConsentPolicy
from ..guard.situation import LiveState, Room
from ..telnyx import TelnyxClient, TelnyxRefused
from .audit_follower import records_of_open_calls
from .connections import Connections

logger = logging.getLogger(__name__)

_MAX_EVENTS = 50
_FASTEST_WORDS_PER_S = 6.0
"""Speech that ends sooner was stopped."""
_SLACK = timedelta(seconds=15)
"""After this time beyond its length, an announcement that has not ended is played again."""
_STARTED = frozenset({"call.speak.started", "call.playback.started"})
_ENDED = frozenset({"call.speak.ended", "call.playback.ended"})
_MOVED = frozenset({"conference.participant.joined", "conference.participant.left", "call.answered", "call.hangup"})
NOTED = frozenset({"call.dtmf.received", *_ENDED})
"""The types of the events that say what a person heard or keyed."""
WATCHED = NOTED | _MOVED
"""The types of the events after which a conference is reviewed."""
_CAPTURES = frozenset(command.tool_name() for command in COMMANDS if captures_speech(command.model_construct()))
_RECORDS = frozenset({"start_call_recording", "resume_call_recording"})
"""Those of them after which everyone with the call is recorded, in a conference everyone in it."""
_ENDS_CAPTURE = frozenset({"stop_call_recording", "stop_transcription"})


class RecordingConsent:
    """The announcements of one server."""

    def __init__(
        self,
        telnyx: TelnyxClient,
        events: EventService,
        ledger: Ledger,
        live: LiveState,
        policy: Callable[[], Policy],
        *,
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        """`flush` writes the audit records that are still queued."""
        self._telnyx = telnyx
        self._events = events
        self._ledger = ledger
        self._flush = flush
        self._live = live
        self._policy = policy
        self._connections = Connections(events, ledger, flush)
        self._unsure: dict[str, Command] = {}
        """The commands that Telnyx may have carried out, by tool and arguments."""
        self.on_recorded: Callable[[str], None] = lambda conference_id: None
        """Called with a conference whose recording this server started or resumed."""

    # What the guard asks

    async def consented(self, legs: Iterable[str], policy: ConsentPolicy) -> frozenset[str]:
        needed = {CONSENT_HEARD, CONSENT_KEYED} if policy.needs_key else {CONSENT_HEARD}
        consented: set[str] = set()
        for leg in set(legs):
            if needed <= {event.type for event in await self._own(leg)}:
                consented.add(leg)
        return frozenset(consented)

    async def is_announcing(self, call_control_id: str) -> bool:
        return self._is_playing(_newest_announcement(await self._own(call_control_id)))

    async def coming(self, places: Collection[str], people: Collection[str] = ()) -> Coming:
        return await self._connections.coming(places, people)

    async def are_about_to_be_recorded(self, places: Collection[str]) -> bool:
        return await self._connections.are_about_to_be_recorded(places)

    async def peer(self, call_control_id: str) -> str | None:
        return await self._connections.peer(call_control_id)

    async def captured(self, legs: Iterable[str]) -> frozenset[str]:
        return await self._under(_CAPTURES, legs)

    async def recorded(self, legs: Iterable[str]) -> frozenset[str]:
        return await self._under(_RECORDS, legs)

    async def _under(self, tools: frozenset[str], legs: Iterable[str]) -> frozenset[str]:
        """Those of these legs for which such a tool was called and nothing has ended it since, by the audit.

        It reads as far back as a call can last, so that an agent cannot hide a recording behind many other calls.
        """
        leg_ids = set(legs)
        newest: dict[str, bool] = {}
        outcomes: dict[str, Any] = {}
        await self._flush()
        async for record in records_of_open_calls(self._ledger):
            # A call that was noted as it was sent, and then failed, has recorded nobody.
            outcome = outcomes.setdefault(str(record.entry.get("call", record.number)), record.entry.get("outcome"))
            begins = record.tool in tools and outcome in ("sends", "done")
            if begins or (record.tool in _ENDS_CAPTURE and outcome == "done"):
                newest.setdefault(str(record.arguments.get("call_control_id")), begins)
            if leg_ids <= newest.keys():
                break
        return frozenset(leg for leg in leg_ids if newest.get(leg))

    def note_sent(self, command: Command, body: Any) -> None:
        """Note a command that Telnyx accepted. `body`: Telnyx's JSON."""
        if not self._policy().consent.is_required:
            return
        if captures_speech(command):
            leg: str | None = getattr(command, "call_control_id", None)
            of_leg = self._events.projection.conference_of(leg) if leg is not None else None
            conference_id: str | None = getattr(command, "conference_id", None) or of_leg
            if conference_id is not None:
                self.on_recorded(conference_id)

    # Announcements

    async def announce(
        self, tool: AnnounceRecording, admit: Callable[[Sequence[Command]], Awaitable[None]]
    ) -> dict[str, Any]:
        """Answer `announce_recording`. `admit` raises if the policy does not allow these commands.

        Raises `CallFailed`.
        """
        consent = self._policy().consent
        if not consent.is_required:
            raise CallRefused("Nothing was played: this server's policy has no recording announcement.")
        if tool.conference_id is not None:
            room = await self._live.room(tool.conference_id)
            legs = [person.call_control_id for person in room.people]
        else:
            legs = list(dict.fromkeys(tool.call_control_ids or ()))
        heard = await self.consented(legs, consent)
        lacking = [leg for leg in legs if leg not in heard]
        await admit([_speech(leg, consent, {}) for leg in lacking])
        failed: dict[str, CallFailed] = {}
        for leg in lacking:
            try:
                await self._play(leg, tool.conference_id, consent)
            except CallFailed as problem:
                failed[leg] = problem
        if failed and len(failed) == len(lacking):
            raise next(iter(failed.values()))
        playing = [leg for leg in lacking if leg not in failed]
        fields: dict[str, Any] = {"playing_to": playing, "heard_by": [leg for leg in legs if leg in heard]}
        if not lacking:
            return {"summary": "Everyone named has heard the recording announcement.", **fields}
        summary = f"The recording announcement plays to {count(len(playing), 'person')}"
        if failed:
            fields["failed"] = [{"call_control_id": leg, "why": str(problem)} for leg, problem in failed.items()]
            summary = f"{summary}, and could not be played to {count(len(failed), 'person')}"
        expected = [CONSENT_KEYED if consent.needs_key else CONSENT_HEARD]
        return {"summary": f"{summary}.", **fields, "expect_events": expected}

    async def _play(self, leg: str, conference_id: str | None, consent: ConsentPolicy) -> None:
        """Play it to one call leg, unless it plays or was heard already."""
        if self._is_playing(_newest_announcement(await self._own(leg))):
            return
        await self._note_heard(leg)  # the event of its end may still wait behind a slow review
        notes = await self._own(leg)
        if any(event.type == CONSENT_HEARD for event in notes):
            return
        token, rules = secrets.token_hex(16), consent.rules
        fields = {
            "conference_id": conference_id,
            "announcement": rules.announcement or rules.announcement_url,
            "client_state": as_base64(token),
            "client_state_before": await self._client_state(leg),
        }
        # Of several processes that want to play it at the same time, the one that stores the event first does.
        identity = f"{leg} {notes[0].id if notes else ''}"
        if not await self._store(CONSENT_ANNOUNCED, leg, fields, hashlib.sha256(identity.encode()).hexdigest()[:32]):
            return
        named = {"stop": "all", "client_state": as_base64(token), "command_id": str(uuid.uuid4())}
        try:
            await self._telnyx.send(_speech(leg, consent, named))
        except TelnyxRefused:
            await self._store(CONSENT_FAILED, leg, {"conference_id": conference_id})
            raise

    async def _client_state(self, leg: str) -> str | None:
        store = await self._events.store()
        newest = await store.find(EventFilter(call_control_id=leg), limit=_MAX_EVENTS)
        states = (event.payload.get("client_state") for event in newest if event.via is not Via.SERVER)
        return next((state for state in states if isinstance(state, str) and state), None)

    def _is_playing(self, announced: StoredEvent | None) -> bool:
        if announced is None or announced.type != CONSENT_ANNOUNCED:
            return False
        length = timedelta(seconds=spoken_words(str(announced.payload.get("announcement", ""))))
        return self._events.now() - announced.occurred_at < length + _SLACK

    # Events

    async def note(self, event: StoredEvent) -> None:
        """Note what a person has heard or keyed. Raises `CallFailed` and `StoreError`."""
        consent = self._policy().consent
        leg = event.call_control_id
        if not consent.is_required or leg is None:
            return
        if event.type in _ENDED:
            await self._note_heard(leg)
        elif event.type == "call.dtmf.received":
            await self._note_key(leg, event, consent)

    async def _note_heard(self, leg: str) -> None:
        """Note that a leg heard the announcement, if what ended on it was the whole announcement."""
        announced = _newest_announcement(await self._own(leg))
        if announced is None or announced.type != CONSENT_ANNOUNCED:
            return
        store = await self._events.store()
        since = EventFilter(call_control_id=leg, types=_STARTED | _ENDED, since=announced.occurred_at)
        audio = sorted(await store.find(since, limit=_MAX_EVENTS), key=lambda event: (event.occurred_at, event.number))
        state = announced.payload.get("client_state")
        first = next((at for at, event in enumerate(audio) if event.type in _STARTED and _has(event, state)), None)
        if first is None:
            return
        ended = next((event for event in audio[first:] if _is_end(event, audio[first])), None)
        if ended is None:
            return
        words = str(announced.payload.get("announcement", ""))
        shortest = spoken_words(words) / _FASTEST_WORDS_PER_S if audio[first].type == "call.speak.started" else 0
        lasted = (ended.occurred_at - audio[first].occurred_at).total_seconds()
        if ended.payload.get("status", "completed") == "completed" and lasted >= shortest:
            await self._store(CONSENT_HEARD, leg, {"announced_by": announced.id, "announcement": words})
        before = announced.payload.get("client_state_before")
        if isinstance(before, str):
            try:
                await self._telnyx.send(UpdateClientState.model_construct(call_control_id=leg, client_state=before))
            except CallFailed as problem:
                logger.warning("The client_state of a call could not be restored: %s", problem)

    async def _note_key(self, leg: str, event: StoredEvent, consent: ConsentPolicy) -> None:
        digit = event.payload.get("digit")
        notes = await self._own(leg)
        if (
            consent.needs_key
            and digit == consent.rules.digit
            and notes
            and notes[0].type != CONSENT_FAILED
            and all(note.type != CONSENT_KEYED for note in notes)
            # The event of a key that was pressed before they were asked may arrive late.
            and any(note.type == CONSENT_ANNOUNCED and note.occurred_at <= event.occurred_at for note in notes)
        ):
            await self._store(CONSENT_KEYED, leg, {"digit": digit})

    async def conference_of(self, event: StoredEvent) -> str | None:
        """The conference whose recording an event may concern. Raises `CallFailed` and `StoreError`."""
        leg = event.call_control_id
        if event.conference_id is not None or leg is None or not self._policy().consent.is_required:
            return event.conference_id
        in_conference = self._events.projection.conference_of
        if (conference_id := in_conference(leg)) is not None:
            return conference_id
        supervised = await self._connections.supervised_by(leg)
        return in_conference(supervised) if supervised is not None else None

    async def review(self, conference_id: str) -> None:
        """Pause a recording while someone in the conference lacks consent, and resume what was paused for that.

        Raises `CallFailed`, also when it is not known whether a recording has paused or resumed, and `StoreError`.
        """
        consent = self._policy().consent
        if not consent.is_required:
            return
        room = await self._live.room(conference_id)
        is_running = room.recording == "recording" or (room.recording is None and room.may_be_recording)
        paused = await self._paused(room)
        legs = [person.call_control_id for person in room.people]
        paused_legs = set(cast("list[str]", paused.payload.get("recorded_legs", []) if paused else []))
        captured = sorted(await self.recorded(legs) - paused_legs)
        if room.is_over or not (is_running or captured or paused is not None):
            return
        supervisors = (await self._connections.coming((), legs)).legs
        present = [*legs, *supervisors]
        heard = await self.consented(present, consent)
        lacking = [leg for leg in present if leg not in heard]
        unsure: CallFailed | None = None
        if lacking and (is_running or captured):
            recorded = await self._recorded_for(conference_id, lacking)
            pauses = [_pause_call(leg) for leg in captured] + ([_pause(conference_id)] if is_running else [])
            has_paused, unsure = await self._send_all(pauses)
            if has_paused:
                fields = {"conference_id": conference_id, "people": len(lacking), "call_control_ids": lacking}
                fields |= {"recorded_legs": sorted(paused_legs | set(captured)), "conference": is_running}
                fields["recorded_ms"] = max(0, round(recorded / timedelta(milliseconds=1)))
                await self._store(CONSENT_PAUSED, lacking[0], fields)
        for leg in lacking:
            try:
                await self._play(leg, conference_id, consent)
            except TelnyxRefused as refused:  # such as for a call that has just ended
                logger.warning("The recording announcement could not be played: %s", refused)
            except CallFailed as problem:
                unsure = problem
        if not lacking and paused is not None:
            unsure = await self._resume(conference_id, paused, sorted(paused_legs & set(legs)))
        if unsure is not None:
            raise unsure

    async def _recorded_for(self, conference_id: str, legs: Collection[str]) -> timedelta:
        """How long the first of these people in a conference has been recorded, as far as events say."""
        view = await self._events.conference(conference_id)
        stays = view.participants if view is not None else []
        joined = [stay.joined_at for stay in stays if stay.call_control_id in legs and stay.left_at is None]
        began = [view.recording.since] if view is not None and view.recording is not None else []
        known = [moment for moment in joined if moment is not None]
        return self._events.now() - max([min(known), *began]) if known else timedelta()

    async def _resume(self, conference_id: str, paused: StoredEvent, recorded_legs: list[str]) -> CallFailed | None:
        """Resume what was paused. Returns the error after which it is not known whether all of it runs."""
        commands: list[Command] = [_resume_call(leg) for leg in recorded_legs]
        commands += [_resume(conference_id)] if paused.payload.get("conference") else []
        has_resumed, unsure = await self._send_all(commands)
        if has_resumed and unsure is None:
            gap = round((self._events.now() - paused.occurred_at).total_seconds())
            await self._store(CONSENT_RESUMED, None, {"conference_id": conference_id, "gap_seconds": gap})
        return unsure

    async def _paused(self, room: Room) -> StoredEvent | None:
        """The event of the pause that this mechanism made and is to end."""
        store = await self._events.store()
        notes = EventFilter(conference_id=room.id, types=frozenset({CONSENT_PAUSED, CONSENT_RESUMED}))
        own = [event for event in await store.find(notes, limit=_MAX_EVENTS) if event.via is Via.SERVER]
        if not own or own[0].type != CONSENT_PAUSED:
            return None
        saved = EventFilter(conference_id=room.id, types=frozenset({"conference.recording.saved"}))
        # That an earlier recording was saved may come late.
        ends = [event_moment(event).at for event in await store.find(saved, limit=_MAX_EVENTS)]
        is_over = any(end >= own[0].occurred_at for end in ends) or await self._was_asked_to_pause(room, own[0].number)
        return None if is_over else own[0]

    async def _was_asked_to_pause(self, room: Room, since: int) -> bool:
        """Whether a call was to pause the recording after the event with this number. Then it stays paused.

        Telnyx refuses the call, because the recording is paused already; a card number may be read out now.
        """
        await self._flush()
        async for record in records_of_open_calls(self._ledger):
            newest_event = record.entry.get("newest_event")
            if not isinstance(newest_event, int):
                continue
            if newest_event < since:
                return False
            if record.tool == "pause_recording" and record.arguments.get("conference_id") in (room.id, room.name):
                return True
        return False

    async def _send_all(self, commands: Iterable[Command]) -> tuple[bool, CallFailed | None]:
        """Send commands. Returns whether one of them was done, and the error of one that may have been.

        What Telnyx refuses has no effect, as when the recording has ended.
        """
        is_any_done, unsure = False, None
        for command in commands:
            try:
                await self._send(command)
                is_any_done = True
            except TelnyxRefused:
                pass
            except CallFailed as problem:
                unsure = problem
        return is_any_done, unsure

    async def _send(self, command: Command) -> None:
        """Send a command. One that may have been done is sent again as the same. Raises `CallFailed`."""
        arguments = command.model_dump(mode="json", exclude_none=True, exclude={"command_id"})
        key = f"{command.tool_name()} {arguments}"
        command = self._unsure.pop(key, command)
        entry: dict[str, Any] = {"tool": command.tool_name(), "arguments": arguments}
        try:
            await self._telnyx.send(command)
        except CallFailed as problem:
            logger.error(
                "%s failed: people who have not heard the announcement may be recorded: %s",
                command.tool_name(),
                problem,
            )
            entry |= {"outcome": "failed", "why": str(problem)}
            if not isinstance(problem, TelnyxRefused):
                self._unsure[key] = command
            raise
        else:
            self._events.record_command(command)
            entry |= {"outcome": "done", "why": "recording consent"}
        finally:
            await self._ledger.record([(self._ledger.now(), entry)])

    # The store

    async def _own(self, leg: str) -> list[StoredEvent]:
        """What this mechanism noted of a call leg, newest first."""
        store = await self._events.store()
        types = frozenset({CONSENT_ANNOUNCED, CONSENT_FAILED, CONSENT_HEARD, CONSENT_KEYED})
        events = await store.find(EventFilter(call_control_id=leg, types=types), limit=_MAX_EVENTS)
        return [event for event in events if event.via is Via.SERVER]

    async def _store(
        self, event_type: str, leg: str | None, fields: Mapping[str, Any], event_id: str | None = None
    ) -> bool:
        """Store an event. False: an event with this id is there already."""
        store, now = await self._events.store(), self._events.now()
        conference = self._events.projection.conference_of(leg) if leg is not None else None
        payload = {"call_control_id": leg, "conference_id": conference} | {
            k: v for k, v in fields.items() if v is not None
        }
        return await store.add(*server_event(event_type, event_id or str(uuid.uuid4()), payload, now)) is not None


def _speech(leg: str, consent: ConsentPolicy, more: Mapping[str, Any]) -> Command:
    """The command that plays the announcement to a call leg."""
    rules = consent.rules
    named = {"call_control_id": leg, **more}
    if rules.announcement_url is not None:
        return PlayToCall.model_validate({**named, "audio_url": rules.announcement_url})
    words = {"payload": rules.announcement, "voice": rules.voice, "language": rules.language}
    return SpeakToCall.model_validate({**named, **words})


def _newest_announcement(notes: Iterable[StoredEvent]) -> StoredEvent | None:
    """The newest of these notes, newest first, that says how far the announcement is: a key may come while it plays."""
    return next((note for note in notes if note.type != CONSENT_KEYED), None)


def _is_end(event: StoredEvent, started: StoredEvent) -> bool:
    """Whether an event is the end of the sound that this one began, and not of another that plays beside it."""
    is_same = event.payload.get("media_url") == started.payload.get("media_url")
    return event.type == f"{started.type.removesuffix('started')}ended" and is_same


def _has(event: StoredEvent, client_state: Any) -> bool:
    return client_state is not None and event.payload.get("client_state") == client_state


def _pause(conference_id: str) -> Command:
    return PauseRecording(conference_id=conference_id, command_id=str(uuid.uuid4()))


def _resume(conference_id: str) -> Command:
    return ResumeRecording(conference_id=conference_id, command_id=str(uuid.uuid4()))


def _pause_call(leg: str) -> Command:
    return PauseCallRecording(call_control_id=leg, command_id=str(uuid.uuid4()))


def _resume_call(leg: str) -> Command:
    return ResumeCallRecording(call_control_id=leg, command_id=str(uuid.uuid4()))
