"""The projection's views: small models, as JSON without the fields that are not known.

Fields that only events report stand alone. A fact that several sources can report is a `Fact`, which names its source:
`event` (a webhook), `api` (this server asked Telnyx) or `command` (Telnyx accepted a command of this server). The
newest one applies.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PlainSerializer

from ..times import iso

T = TypeVar("T")

Source = Literal["event", "api", "command"]


When = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json")]
"""UTC. In JSON to the millisecond."""


class View(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the fields that are not known."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def equals_ignoring_read_time(self, other: "View") -> bool:
        """Whether nothing differs except when the API was read."""
        return _without_read_times(self.to_json()) == _without_read_times(other.to_json())


_READ_TIMES = frozenset({"api_asked_at", "as_of"})


def _without_read_times(value: Any) -> Any:
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {name: _without_read_times(field) for name, field in fields.items() if name not in _READ_TIMES}
        case list():
            return [_without_read_times(item) for item in cast("list[Any]", value)]
        case _:
            return value


class Fact(View, Generic[T]):
    value: T
    source: Source
    since: When
    """Since when it has had this value, as far as known."""
    as_of: When
    """When it was last confirmed."""


class Floor(View):
    """Who has the floor, and since when."""

    call_control_id: str
    since: When


class Sound(View):
    """A file that is playing, or a text that is being spoken."""

    kind: Literal["playback", "speak"]
    to: str | None = None
    """The call_control_id of the only listener. Missing: everyone."""
    media_name: str | None = None
    media_url: str | None = None
    """Without its query, which may be secret."""
    since: When


class SavedRecording(View):
    """A saved recording. Only its event has the download links."""

    recording_id: str
    format: str | None = None
    channels: str | None = None
    started_at: When | None = None
    ended_at: When | None = None
    seconds: int | None = None


class _Stay(View):
    """The fields of a participant that its view and the conference's summary share."""

    call_control_id: str
    number: str | None = None
    """The phone number or SIP address at the far end."""
    caller_name: str | None = None
    """The name that the caller's network sent. Anyone can choose it."""
    label: str | None = None
    """Known from the API."""
    joined_at: When | None = None
    """The start of the last stay. Missing: not known."""
    left_at: When | None = None
    """Missing: still in the conference."""
    left_because: str | None = None
    """left, hangup, conference ended, or not listed: the API no longer had it."""
    seconds: int | None = None
    """In the conference, in all stays."""
    stays: int | None = None
    """How often it joined, if more than once."""


class ParticipantView(_Stay):
    source: Literal["api"] | None = None
    """api: no event reported that it joined, or that it left."""
    muted: Fact[bool] | None = None
    on_hold: Fact[bool] | None = None
    hold_seconds: int | None = None
    """As far as known. Missing: no hold is known."""
    role: Fact[str] | None = None
    """As a supervisor: barge, monitor, none, whisper."""
    whisper_to: Fact[list[str]] | None = None
    """This and the two fields below are present only if they apply."""
    end_conference_on_exit: Fact[bool] | None = None
    soft_end_conference_on_exit: Fact[bool] | None = None
    has_floor: Literal[True] | None = None
    talk_turns: int = 0


class ConferenceView(View):
    id: str
    name: str | None = None
    """Known from the API only, like the region."""
    region: str | None = None
    status: Literal["open", "ended"]
    status_from: Literal["api", "time"] | None = None
    """How the end is known if no event reported it: from the API, or because no conference lasts over 4 hours."""
    started_at: When | None = None
    """When it was created, or else its first event."""
    ended_at: When | None = None
    end_reason: str | None = None
    """all_left, host_left, time_exceeded, or ended_via_api, which no event says."""
    seconds: int | None = None
    present: int
    """How many participants are in it."""
    participants: list[ParticipantView]
    """Those in the conference in the order in which they joined, then those who left, the last one first."""
    left_not_shown: int | None = None
    """How many more left."""
    floor: Floor | None = None
    playing: list[Sound] | None = None
    recording: Fact[str] | None = None
    """recording, paused or stopped."""
    recordings: list[SavedRecording] | None = None
    api_asked_at: When | None = None


class WaitingCall(View):
    position: int
    call_control_id: str
    number: str | None = None
    since: When
    seconds: int
    is_alive: Literal[False] | None = None
    """False: the call hung up and is kept in the queue."""
    source: Literal["api"] | None = None
    """api: no event reported that it was enqueued."""


class QueueView(View):
    name: str
    size: int
    calls: list[WaitingCall]
    """In order."""
    average_wait_secs: int | None = None
    """Of the calls that left."""
    left: int
    """How many calls left, as far as events are stored."""
    left_by_reason: dict[str, int] | None = None
    """bridged, bridging-in-process, hangup, leave, timeout, or not listed: the API no longer had them."""
    max_size: Fact[int] | None = None
    api_asked_at: When | None = None


class ParticipantSummary(_Stay):
    """One participant's part in a conference."""

    hold_seconds: int | None = None
    talk_turns: int = 0


class ConferenceSummary(View):
    """The figures of a conference."""

    id: str
    name: str | None = None
    status: Literal["open", "ended"]
    started_at: When | None = None
    ended_at: When | None = None
    end_reason: str | None = None
    seconds: int | None = None
    peak_participants: int
    participants: list[ParticipantSummary]
    """In the order in which they first joined."""
    participants_not_shown: int | None = None
    talk_turns: int
    talk_order: list[str] | None = None
    """Who had the floor, by call_control_id: the last 30 turns."""
    recordings: list[SavedRecording] | None = None
