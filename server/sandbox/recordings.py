"""Recordings of conferences and calls, and where to fetch them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...tools.call_recordings import DeleteRecording, PauseCallRecording, ResumeCallRecording, StopCallRecording
from ...tools.recordings import GetRecording, PauseRecording, ResumeRecording, StopRecording
from .clock import Timer
from .commands import (
    DeleteRecordings,
    ListRecordings,
    RecordingArguments,
    RecordingFilter,
    StartCallRecording,
    StartRecording,
)
from .conference import Conference
from .conferences import Conferences
from .context import SandboxContext, forget_oldest
from .errors import impossible, no_audio_to_record, unknown_recording
from .legs import Leg, Legs
from .responses import Answer, Json, data, iso, ok, page, time_filter, without_none

LINK_LIFETIME_S = 600
"""How long a recording's links work."""


@dataclass(eq=False, slots=True)
class Recording:
    """One recording of a conference or a call, from its start until it is stopped and saved."""

    context: SandboxContext
    owner: Leg
    """The recorded call, or the creator of the conference."""
    conference: Conference | None
    """None: a recording of a call."""
    id: str
    format: str
    channels: str
    file_name: str | None
    started_at: datetime
    initiated_by: str
    ended_at: datetime | None = None
    paused_at: datetime | None = None
    paused_for: timedelta = field(default_factory=timedelta)
    client_state: str | None = None
    timer: Timer | None = None
    leg: Leg | None = None
    """As an activity of a conference it concerns everyone."""

    def pause(self) -> None:
        self.paused_at = self.paused_at or self.context.now()

    def resume(self) -> None:
        if self.paused_at is not None:
            self.paused_for += self.context.now() - self.paused_at
            self.paused_at = None

    def on_call_end(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop and save it."""
        if self.ended_at is not None:
            return
        self.resume()
        self.ended_at = self.context.now()
        if self.timer is not None:
            self.timer.cancel()
        if self.conference is not None:
            self.conference.activities.remove(self)
            self.context.emit("conference.recording.saved", self._conference_payload(self.conference))
            return
        if self in self.owner.activities:
            self.owner.activities.remove(self)
        self.context.emit("call.recording.saved", {**self.owner.parties(), **self._saved_payload()})

    def _conference_payload(self, conference: Conference) -> Json:
        return {
            "call_control_id": self.owner.call_control_id,
            "call_session_id": self.owner.call_session_id,
            "client_state": self.client_state or self.owner.client_state,
            "conference_id": conference.id,
            "connection_id": conference.connection_id,
            **self._saved_payload(),
        }

    def _saved_payload(self) -> Json:
        return {
            "channels": self.channels,
            "format": self.format,
            "public_recording_urls": {"mp3": None, "wav": None},
            "recording_id": self.id,
            "recording_started_at": iso(self.started_at),
            "recording_ended_at": iso(self.ended_at or self.context.now()),
            "recording_urls": {"mp3": None, "wav": None} | self.links(),
        }

    @property
    def status(self) -> str:
        if self.ended_at is not None:
            return "completed"
        return "recording" if self.paused_at is None else "paused"

    def duration(self) -> timedelta:
        """What was recorded, without the pauses."""
        until = self.ended_at or self.paused_at or self.context.now()
        return until - self.started_at - self.paused_for

    def links(self) -> dict[str, str]:
        """A link that says until when it works, as a signed one does. Nothing answers it."""
        name = f"{self.file_name or self.id}.{self.format}"
        dated = self.context.now().strftime("%Y%m%dT%H%M%SZ")
        signature = hashlib.sha256(f"{self.id}|{dated}".encode()).hexdigest()
        query = f"X-Amz-Date={dated}&X-Amz-Expires={LINK_LIFETIME_S}&X-Amz-Signature={signature}"
        return {self.format: f"https://sandbox.invalid/recordings/{self.id}/{_safe(name)}?{query}"}

    def view(self) -> Json:
        owner = self.owner
        return without_none(
            {
                "record_type": "recording",
                "id": self.id,
                "call_control_id": owner.call_control_id,
                "call_leg_id": owner.call_leg_id,
                "call_session_id": owner.call_session_id,
                "channels": self.channels,
                "conference_id": self.conference.id if self.conference else None,
                "connection_id": owner.connection_id,
                "created_at": iso(self.started_at),
                "updated_at": iso(self.ended_at) if self.ended_at else None,
                "download_urls": self.links(),
                "duration_millis": round(self.duration() / timedelta(milliseconds=1)),
                "from": owner.from_,
                "to": owner.to,
                "initiated_by": self.initiated_by,
                "recording_started_at": iso(self.started_at),
                "recording_ended_at": iso(self.ended_at) if self.ended_at else None,
                "source": "conference" if self.conference else "call",
                "status": self.status,
            }
        )


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)


class Recordings:
    def __init__(self, context: SandboxContext, legs: Legs, conferences: Conferences) -> None:
        self._context = context
        self._legs = legs
        self._conferences = conferences
        self.by_id: dict[str, Recording] = {}

    def _keep(self, recording: Recording) -> None:
        self.by_id[recording.id] = recording
        forget_oldest(self.by_id, lambda old: old.ended_at is not None)

    def start(self, command: StartRecording) -> Answer:
        """Record a conference."""
        conference = self._conferences.active(command.conference_id, command.region)
        if self._current(conference) is not None:
            raise impossible("Already recording", f"Conference {conference.id} is being recorded already.")
        recording = Recording(
            context=self._context,
            owner=conference.creator,
            conference=conference,
            id=self._context.ids.uuid(),
            format=command.format,
            channels=command.channels or "single",
            file_name=command.custom_file_name,
            started_at=self._context.now(),
            initiated_by="StartConferenceRecordingAPI",
        )
        conference.activities.append(recording)
        self._keep(recording)
        return ok()

    def stop(self, command: StopRecording) -> Answer:
        recording = self._in_progress(command)
        recording.client_state = command.client_state
        recording.stop()
        return ok()

    def pause(self, command: PauseRecording) -> Answer:
        return _pause(self._in_progress(command))

    def resume(self, command: ResumeRecording) -> Answer:
        return _resume(self._in_progress(command))

    def _current(self, conference: Conference) -> Recording | None:
        return next((activity for activity in conference.activities if isinstance(activity, Recording)), None)

    def _in_progress(self, command: StopRecording | PauseRecording | ResumeRecording) -> Recording:
        """The recording of a conference that a command concerns. Raises `ApiError` (404, 422)."""
        conference = self._conferences.active(command.conference_id, command.region)
        recording_id = command.recording_id
        if recording_id is not None and (
            recording_id not in self.by_id or self.by_id[recording_id].conference is not conference
        ):
            raise unknown_recording(recording_id)
        recording = self._current(conference)
        if recording is None or recording_id not in (None, recording.id):
            raise impossible("Not recording", f"Conference {conference.id} is not being recorded.")
        return recording

    def start_on_call(self, command: StartCallRecording) -> Answer:
        leg = self._legs.live(command.call_control_id)
        if leg.answered_at is None:
            raise no_audio_to_record(leg.call_control_id)
        leg.remember(command.client_state)
        self._record_leg(
            leg,
            self._context.ids.uuid(),
            file_format=command.format,
            channels=command.channels,
            file_name=command.custom_file_name,
            max_seconds=command.max_length,
        )
        return ok()

    def record_from_answer(self, leg: Leg, command: RecordingArguments, recording_id: str) -> None:
        """Record a leg from now on, as a command that dials, answers or bridges asks."""
        self._record_leg(
            leg,
            recording_id,
            file_format=command.record_format or "mp3",
            channels=command.record_channels or "dual",
            file_name=command.record_custom_file_name,
            max_seconds=command.record_max_length,
        )

    def _record_leg(
        self,
        leg: Leg,
        recording_id: str,
        *,
        file_format: str,
        channels: str,
        file_name: str | None,
        max_seconds: int | None,
    ) -> None:
        """Record a call leg from now on. `max_seconds`: after which it is saved; None or 0: at hang-up."""
        recording = Recording(
            context=self._context,
            owner=leg,
            conference=None,
            id=recording_id,
            format=file_format,
            channels=channels,
            file_name=file_name,
            started_at=self._context.now(),
            initiated_by="StartCallRecordingAPI",
        )
        leg.activities.append(recording)
        self._keep(recording)
        if max_seconds:
            recording.timer = self._context.after(max_seconds, recording.stop)

    def stop_on_call(self, command: StopCallRecording) -> Answer:
        self._on_leg(command).stop()
        return ok()

    def pause_on_call(self, command: PauseCallRecording) -> Answer:
        return _pause(self._on_leg(command))

    def resume_on_call(self, command: ResumeCallRecording) -> Answer:
        return _resume(self._on_leg(command))

    def _on_leg(self, command: StopCallRecording | PauseCallRecording | ResumeCallRecording) -> Recording:
        """The recording of a call leg that a command concerns: the newest, if it names none."""
        leg = self._legs.live(command.call_control_id)
        running = [activity for activity in leg.activities if isinstance(activity, Recording)]
        recording_id = command.recording_id
        if recording_id is not None and recording_id not in self.by_id:
            raise unknown_recording(recording_id)
        recording = next((item for item in reversed(running) if recording_id in (None, item.id)), None)
        if recording is None:
            raise impossible("Not recording", f"Call {leg.call_control_id} is not being recorded.")
        leg.remember(command.client_state)
        return recording

    def list(self, command: ListRecordings) -> Answer:
        matches = _filter(command.filter or RecordingFilter())
        recordings = [item for item in self.by_id.values() if item.ended_at is not None and matches(item)]
        recordings.sort(key=lambda item: item.started_at, reverse=True)
        return page(recordings, Recording.view, command)

    def get(self, command: GetRecording) -> Answer:
        return data(self._saved(command.recording_id).view())

    def delete(self, command: DeleteRecording) -> Answer:
        recording = self._saved(command.recording_id)
        del self.by_id[recording.id]
        return data(recording.view())

    def delete_many(self, command: DeleteRecordings) -> Answer:
        self._delete([self._saved(recording_id) for recording_id in dict.fromkeys(command.ids)])
        return {"status": "ok"}

    def _delete(self, recordings: Sequence[Recording]) -> None:
        for recording in recordings:
            del self.by_id[recording.id]

    def _saved(self, recording_id: str) -> Recording:
        recording = self.by_id.get(recording_id)
        if recording is None or recording.ended_at is None:
            raise unknown_recording(recording_id)
        return recording


def _pause(recording: Recording) -> Answer:
    if recording.paused_at is not None:
        raise impossible("Recording is paused", f"Recording {recording.id} is paused already.")
    recording.pause()
    return ok()


def _resume(recording: Recording) -> Answer:
    if recording.paused_at is None:
        raise impossible("Recording is not paused", f"Recording {recording.id} is not paused.")
    recording.resume()
    return ok()


def _filter(criteria: RecordingFilter) -> Callable[[Recording], bool]:
    created = time_filter(criteria.created_at, "filter[created_at]")
    started = time_filter(criteria.start_time, "filter[start_time]")
    ended = time_filter(criteria.end_time, "filter[end_time]")

    def matches(recording: Recording) -> bool:
        owner, conference = recording.owner, recording.conference
        return (
            criteria.from_ in (None, owner.from_)
            and criteria.to in (None, owner.to)
            and criteria.call_control_id in (None, owner.call_control_id)
            and criteria.call_leg_id in (None, owner.call_leg_id)
            and criteria.call_session_id in (None, owner.call_session_id)
            and criteria.conference_id in (None, conference and conference.id)
            and criteria.conference_region in (None, conference and conference.region)
            and criteria.connection_id in (None, owner.connection_id)
            and criteria.sip_call_id is None
            and created(recording.started_at)
            and started(recording.started_at)
            and ended(recording.ended_at)
        )

    return matches
