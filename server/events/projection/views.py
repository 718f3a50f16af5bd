"""What the picture looks like to whoever reads it: small models, lean JSON.

Dump them with `exclude_none=True`: what is not there is not known, or not so. What stands alone is known from events.
What several sources can tell is a `Fact`, which says where it is from and since when it was so: `event` (a webhook),
`api` (this server asked Telnyx), `command` (this server told Telnyx to, and it accepted). The newer one stands.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PlainSerializer

from ..times import iso

T = TypeVar("T")

Source = Literal["event", "api", "command"]


When = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json")]
"""UTC; in JSON to the millisecond."""


class View(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def equals_ignoring_read_time(self, other: "View") -> bool:
        """Whether nothing differs but when the API was asked."""
        return _undated(self.to_json()) == _undated(other.to_json())


_ASKED = frozenset({"api_asked_at", "as_of"})


def _undated(said: Any) -> Any:
    match said:
        case dict():
            fields = cast("dict[str, Any]", said)
            return {name: _undated(value) for name, value in fields.items() if name not in _ASKED}
        case list():
            return [_undated(value) for value in cast("list[Any]", said)]
        case _:
            return said


class Fact(View, Generic[T]):
    value: T
    source: Source
    as_of: When


class Floor(View):
    """Who is speaking, and since when."""

    call_control_id: str
    since: When


class Sound(View):
    """A file that plays or a text that is being said."""

    kind: Literal["playback", "speak"]
    to: str | None = None
    """The one who hears it, by call_control_id; not there: everyone."""
    media_name: str | None = None
    media_url: str | None = None
    """Without its query."""
    since: When


class SavedRecording(View):
    """A recording that Telnyx has saved; its links are in the event alone."""

    recording_id: str
    format: str | None = None
    channels: str | None = None
    started_at: When | None = None
    ended_at: When | None = None
    seconds: int | None = None


class _Stay(View):
    """What a view and a summary both say of somebody."""

    call_control_id: str
    number: str | None = None
    """The far end's: who called, or who was called."""
    label: str | None = None
    """As the API knows it."""
    joined_at: When | None = None
    """The last time; not there: before anything that is known."""
    left_at: When | None = None
    """Not there: still in it."""
    left_because: str | None = None
    """left, hangup, conference ended; not listed: the API no longer had it."""
    seconds: int | None = None
    """In the conference, all stays together."""
    stays: int | None = None
    """How often it joined, if more than once."""


class ParticipantView(_Stay):
    source: Literal["api"] | None = None
    """api: no event said that it joined, or that it left."""
    muted: Fact[bool] | None = None
    on_hold: Fact[bool] | None = None
    hold_seconds: int | None = None
    """As far as known from commands and the API; not there: never heard of a hold."""
    role: Fact[str] | None = None
    """As a supervisor: barge, monitor, none, whisper."""
    whisper_to: Fact[list[str]] | None = None
    """This and what follows from leaving stand here only if it is so."""
    end_conference_on_exit: Fact[bool] | None = None
    soft_end_conference_on_exit: Fact[bool] | None = None
    has_floor: Literal[True] | None = None
    """Not there: no."""
    talk_turns: int = 0


class ConferenceView(View):
    id: str
    name: str | None = None
    """Only the API knows it, as well as the region."""
    region: str | None = None
    status: Literal["open", "ended"]
    status_from: Literal["api", "time"] | None = None
    """Where an end is known from, if no event told: the API, or the 4 hours that no conference outlasts."""
    started_at: When | None = None
    """When it was created, or the first that is known of it."""
    ended_at: When | None = None
    end_reason: str | None = None
    """all_left, host_left, time_exceeded; ended_via_api is known from the API only."""
    seconds: int | None = None
    present: int
    """How many are in it."""
    participants: list[ParticipantView]
    """Those who are in it, first come first, then those who have left, last gone first."""
    left_not_shown: int | None = None
    """How many more have left."""
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
    """False: it has hung up and is kept in the queue; otherwise not there."""
    source: Literal["api"] | None = None
    """api: no event said that it was enqueued."""


class QueueView(View):
    name: str
    size: int
    calls: list[WaitingCall]
    """In order."""
    average_wait_secs: int | None = None
    """Of those who have left."""
    left: int
    """How many have left since events of it are kept."""
    left_by_reason: dict[str, int] | None = None
    """bridged, bridging-in-process, hangup, leave, timeout; not listed: the API no longer had them."""
    max_size: Fact[int] | None = None
    api_asked_at: When | None = None


class ParticipantSummary(_Stay):
    """Somebody's part in a conference."""

    hold_seconds: int | None = None
    talk_turns: int = 0


class ConferenceSummary(View):
    """What a conference came to."""

    id: str
    name: str | None = None
    status: Literal["open", "ended"]
    started_at: When | None = None
    ended_at: When | None = None
    end_reason: str | None = None
    seconds: int | None = None
    peak_participants: int
    participants: list[ParticipantSummary]
    """In the order in which they first came."""
    participants_not_shown: int | None = None
    talk_turns: int
    talk_order: list[str] | None = None
    """Whose turns they were, by call_control_id: the last 30."""
    recordings: list[SavedRecording] | None = None
