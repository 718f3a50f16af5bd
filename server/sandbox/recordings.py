"""Recordings of conferences, one at a time, and where to fetch them."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...tools.recordings import (
    GetRecording,
    ListRecordings,
    PauseRecording,
    RecordingFilter,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from .conference import Conference
from .conferences import Conferences
from .context import SandboxContext, forget_oldest
from .errors import impossible, not_found
from .legs import Leg
from .responses import Answer, Json, data, iso, ok, page, time_filter, without_none

LINK_LIFETIME_S = 600
"""Seconds that a recording's links work."""


@dataclass(eq=False, slots=True)
class Recording:
    """One recording, from its start until it is stopped and saved."""

    context: SandboxContext
    conference: Conference
    id: str
    format: str
    channels: str
    file_name: str | None
    started_at: datetime
    ended_at: datetime | None = None
    paused_at: datetime | None = None
    paused_for: timedelta = field(default_factory=timedelta)
    client_state: str | None = None
    leg: Leg | None = None

    def pause(self) -> None:
        self.paused_at = self.paused_at or self.context.now()

    def resume(self) -> None:
        if self.paused_at is not None:
            self.paused_for += self.context.now() - self.paused_at
            self.paused_at = None

    def stop(self) -> None:
        """Stop and save it."""
        self.resume()
        self.ended_at = self.context.now()
        self.conference.activities.remove(self)
        conference, creator = self.conference, self.conference.creator
        self.context.emit(
            "conference.recording.saved",
            {
                "call_control_id": creator.call_control_id,
                "call_session_id": creator.call_session_id,
                "client_state": self.client_state or creator.client_state,
                "conference_id": conference.id,
                "connection_id": conference.connection_id,
                "channels": self.channels,
                "format": self.format,
                "recording_id": self.id,
                "recording_started_at": iso(self.started_at),
                "recording_ended_at": iso(self.ended_at),
                "recording_urls": self.links(),
            },
        )

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
        creator = self.conference.creator
        return without_none(
            {
                "record_type": "recording",
                "id": self.id,
                "call_control_id": creator.call_control_id,
                "call_leg_id": creator.call_leg_id,
                "call_session_id": creator.call_session_id,
                "channels": self.channels,
                "conference_id": self.conference.id,
                "connection_id": self.conference.connection_id,
                "created_at": iso(self.started_at),
                "updated_at": iso(self.ended_at) if self.ended_at else None,
                "download_urls": self.links(),
                "duration_millis": round(self.duration() / timedelta(milliseconds=1)),
                "from": creator.from_,
                "to": creator.to,
                "initiated_by": "StartConferenceRecordingAPI",
                "recording_started_at": iso(self.started_at),
                "recording_ended_at": iso(self.ended_at) if self.ended_at else None,
                "source": "conference",
                "status": self.status,
            }
        )


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)


class Recordings:
    def __init__(self, context: SandboxContext, conferences: Conferences) -> None:
        self._context = context
        self._conferences = conferences
        self.by_id: dict[str, Recording] = {}

    def start(self, command: StartRecording) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        if self._current(conference) is not None:
            raise impossible("Already recording", f"Conference {conference.id} is being recorded already.")
        recording = Recording(
            context=self._context,
            conference=conference,
            id=self._context.ids.uuid(),
            format=command.format,
            channels=command.channels or "single",
            file_name=command.custom_file_name,
            started_at=self._context.now(),
        )
        conference.activities.append(recording)
        self.by_id[recording.id] = recording
        forget_oldest(self.by_id, lambda one: one.ended_at is not None)
        return ok()

    def stop(self, command: StopRecording) -> Answer:
        recording = self._under_way(command)
        recording.client_state = command.client_state
        recording.stop()
        return ok()

    def pause(self, command: PauseRecording) -> Answer:
        recording = self._under_way(command)
        if recording.paused_at is not None:
            raise impossible("Recording is paused", f"Recording {recording.id} is paused already.")
        recording.pause()
        return ok()

    def resume(self, command: ResumeRecording) -> Answer:
        recording = self._under_way(command)
        if recording.paused_at is None:
            raise impossible("Recording is not paused", f"Recording {recording.id} is not paused.")
        recording.resume()
        return ok()

    def _current(self, conference: Conference) -> Recording | None:
        return next((one for one in conference.activities if isinstance(one, Recording)), None)

    def _under_way(self, command: StopRecording | PauseRecording | ResumeRecording) -> Recording:
        """The recording a command is about. Raises `ApiError` (404, 422)."""
        conference = self._conferences.active(command.conference_id, command.region)
        wanted = command.recording_id
        if wanted is not None and (wanted not in self.by_id or self.by_id[wanted].conference is not conference):
            raise not_found(f"There is no recording {wanted} of conference {conference.id}.")
        recording = self._current(conference)
        if recording is None or wanted not in (None, recording.id):
            raise impossible("Not recording", f"Conference {conference.id} is not being recorded.")
        return recording

    def list(self, command: ListRecordings) -> Answer:
        wanted = command.filter or RecordingFilter()
        created = time_filter(wanted.created_at, "filter/created_at")
        found = [
            one
            for one in self.by_id.values()
            if one.ended_at is not None and _concerns(one, wanted) and created(one.started_at)
        ]
        found.sort(key=lambda one: one.started_at, reverse=True)
        return page(found, Recording.view, command)

    def get(self, command: GetRecording) -> Answer:
        recording = self.by_id.get(command.recording_id)
        if recording is None or recording.ended_at is None:
            raise not_found(f"There is no recording {command.recording_id}.")
        return data(recording.view())


def _concerns(one: Recording, wanted: RecordingFilter) -> bool:
    creator = one.conference.creator
    return (
        wanted.from_ in (None, creator.from_)
        and wanted.to in (None, creator.to)
        and wanted.call_control_id in (None, creator.call_control_id)
        and wanted.conference_id in (None, one.conference.id)
        and wanted.connection_id in (None, one.conference.connection_id)
    )
