"""What each tool is called with, and the call of Telnyx's own SDK that does the same."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from telnyx import Telnyx, omit

from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import EVERYONE, Command, Route

Arguments = Mapping[str, Any]

COMMAND_OF: Mapping[str, type[Command]] = {command.tool_name(): command for command in COMMANDS}


@dataclass(frozen=True, slots=True)
class Example:
    """One tool: its arguments, the SDK's method, and an answer of Telnyx."""

    tool: str
    sdk: str
    """The method of the SDK's client, dotted."""
    minimal: Arguments
    """Only what must be given."""
    full: tuple[Arguments, ...] = ()
    """Together, every argument."""
    positional: str | None = None
    """The argument that the SDK's method takes by position."""
    sdk_with: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other methods of the SDK, by the argument with which they are called."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Arguments that the SDK's method calls otherwise."""
    ours: frozenset[str] = frozenset()
    """Arguments that never leave this server."""
    always: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the SDK's method must be given for nothing to be sent."""
    answer: Arguments = field(default_factory=lambda: {"data": {"result": "ok"}})

    @property
    def resource(self) -> Arguments:
        """What the answer is about: its data, or the first entry of them."""
        data: Any = self.answer.get("data", {})
        return cast("Arguments", data[0] if isinstance(data, list) else data)

    def variants(self) -> Iterator[tuple[str, Arguments]]:
        """Each set of arguments, under a name that no other of any tool has."""
        yield f"{self.tool}-minimal", self.minimal
        for number, arguments in enumerate(self.full, 1):
            name = f"{self.tool}-full-{number}"
            # One conversation may use a command_id for one command only.
            own = {"command_id": f"{COMMAND_ID}-{name}"} if "command_id" in arguments else {}
            yield name, {**arguments, **own}

    def call_sdk(self, client: Telnyx, arguments: Arguments) -> None:
        """Do with Telnyx's SDK what the tool does with these arguments."""
        given = {name: value for name, value in arguments.items() if value != EVERYONE and name not in self.ours}
        position = [given.pop(self.positional)] if self.positional else []
        if "filter" in given:
            given["filter"] = {_SDK_FILTERS.get(name, name): value for name, value in given["filter"].items()}
        if "page_after" in given:  # the SDK's lists take no cursor
            given["extra_query"] = {"page[after]": given.pop("page_after")}
        sdk = next((other for name, other in self.sdk_with.items() if name in given), self.sdk)
        method: Any = reduce(getattr, sdk.split("."), client)
        method(*position, **({**self.always} | {self.renamed.get(name, name): value for name, value in given.items()}))


_SDK_FILTERS = {"outbound_voice_profile_id": "outbound_outbound_voice_profile_id"}

CONNECTION_ID = "1494404757140276705"
FROM = "+12025550100"
TO = "+12025550150"
OTHER_TO = "+442071838750"
DEFAULTS: Mapping[str, str] = {"TELNYX_CONNECTION_ID": CONNECTION_ID, "TELNYX_FROM_NUMBER": FROM}
"""What an operator sets for calls that leave it out."""

CONFERENCE_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
PARTICIPANT_ID = "8b8d3b44-6ac9-4f4f-b4f3-0e2a14a0a0d5"
CALL = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"
OTHER_CALL = "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"
LEGS = [CALL, OTHER_CALL]
COMMAND_ID = "891510ac-f3e4-11e8-af5b-de00688a4901"
CLIENT_STATE = "aGF2ZSBhIG5pY2UgZGF5ID1d"
AUDIO_URL = "https://example.com/music/wait%20here.wav?take=2&loop=no"
AUDIO = {"audio_url": AUDIO_URL}
MEDIA = {"media_name": "hold music, spring.mp3"}
HOLD_AUDIO = {f"hold_{name}": value for name, value in AUDIO.items()}
HOLD_MEDIA = {f"hold_{name}": value for name, value in MEDIA.items()}
QUEUE = "support"
AWKWARD_QUEUE = "Tier 1 & 2: 50% déjà vu?"
ROOM = {"conference_id": CONFERENCE_ID}
ROOM_AND_CALL = {**ROOM, "call_control_id": CALL}
ROOM_AND_ALL = {**ROOM, "call_control_ids": EVERYONE}
ROOM_AND_SOME = {**ROOM, "call_control_ids": LEGS}
QUEUED = {"queue_name": QUEUE, "call_control_id": CALL}
AWKWARD_QUEUED = {"queue_name": AWKWARD_QUEUE, "call_control_id": OTHER_CALL}
PAGE = {"page_number": 2, "page_size": 50}
AFTER = {"page_after": "v1:g3QAAAAD="}
SENT = {"client_state": CLIENT_STATE, "command_id": COMMAND_ID}

LATER: Mapping[str, Any] = {"added_by_telnyx_later": {"level": 3}}
"""A field that this server does not know."""

CONFERENCE: Mapping[str, Any] = {
    "record_type": "conference",
    "id": CONFERENCE_ID,
    "name": "Standup",
    "status": "completed",
    "region": "US",
    "connection_id": "1494404757140276705",
    "created_at": "2026-01-15T10:00:00Z",
    "expires_at": "2026-01-15T14:00:00Z",
    "updated_at": "2026-01-15T10:05:00Z",
    "end_reason": "ended_via_api",
    "ended_by": {"call_control_id": CALL, "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1"},
    **LATER,
}
PARTICIPANT: Mapping[str, Any] = {
    "id": PARTICIPANT_ID,
    "call_control_id": CALL,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "conference_id": CONFERENCE_ID,
    "label": "Ann",
    "status": "joined",
    "muted": True,
    "on_hold": False,
    "whisper_call_control_ids": [OTHER_CALL],
    "end_conference_on_exit": False,
    "soft_end_conference_on_exit": True,
    "created_at": "2026-01-15T10:01:00Z",
    "updated_at": "2026-01-15T10:02:00Z",
    **LATER,
}
LISTED_PARTICIPANT: Mapping[str, Any] = {
    "record_type": "participant",
    "conference": {"id": CONFERENCE_ID, "name": "Standup"},
    **{name: value for name, value in PARTICIPANT.items() if name not in ("conference_id", "label")},
}
QUEUE_ITSELF: Mapping[str, Any] = {
    "record_type": "queue",
    "id": "e3f4a1d2-77f6-4d3a-9d83-11f6f1d7a3c0",
    "name": QUEUE,
    "current_size": 2,
    "max_size": 100,
    "average_wait_time_secs": 45,
    "created_at": "2026-01-15T09:00:00Z",
    "updated_at": "2026-01-15T10:00:00Z",
    **LATER,
}
QUEUED_CALL: Mapping[str, Any] = {
    "record_type": "queue_call",
    "call_control_id": CALL,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
    "connection_id": "1494404757140276705",
    "queue_id": "e3f4a1d2-77f6-4d3a-9d83-11f6f1d7a3c0",
    "queue_position": 1,
    "wait_time_secs": 20,
    "enqueued_at": "2026-01-15T10:00:00Z",
    "from": "+15550101",
    "to": "+15550100",
    "is_alive": True,
    **LATER,
}

CALL_ITSELF: Mapping[str, Any] = {
    "record_type": "call",
    "call_control_id": CALL,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
    "is_alive": True,
    "call_duration": 50,
    "client_state": CLIENT_STATE,
    "start_time": "2026-01-15T10:00:00Z",
    "end_time": "2026-01-15T10:00:50Z",
    **LATER,
}
ACTIVE_CALL: Mapping[str, Any] = {
    name: value for name, value in CALL_ITSELF.items() if name not in ("is_alive", "start_time", "end_time")
}
RECORDING: Mapping[str, Any] = {
    "record_type": "recording",
    "id": PARTICIPANT_ID,
    "call_control_id": CALL,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
    "channels": "dual",
    "conference_id": CONFERENCE_ID,
    "connection_id": CONNECTION_ID,
    "created_at": "2026-01-15T10:00:00Z",
    "updated_at": "2026-01-15T10:05:00Z",
    "download_urls": {"mp3": "https://example.com/recording.mp3?X-Amz-Signature=0123"},
    "duration_millis": 60_000,
    "from": "+15550101",
    "to": "+15550100",
    "initiated_by": "StartConferenceRecordingAPI",
    "recording_started_at": "2026-01-15T10:00:00Z",
    "recording_ended_at": "2026-01-15T10:01:00Z",
    "source": "conference",
    "status": "completed",
    **LATER,
}


def _one(resource: Arguments) -> Arguments:
    return {"data": resource}


def _first_of_three(resource: Arguments) -> Arguments:
    return {"data": [resource], "meta": {"page_number": 1, "page_size": 1, "total_pages": 3, "total_results": 3}}


VOICE_SETTINGS: tuple[Arguments, ...] = (
    {"type": "aws"},
    {
        "type": "azure",
        "api_key_ref": "azure_key",
        "deployment_id": "d-1",
        "effect": "eq_car",
        "gender": "Female",
        "region": "westus",
    },
    {"type": "elevenlabs", "api_key_ref": "my_elevenlabs_key"},
    {"type": "inworld", "delivery_mode": "BALANCED"},
    {"type": "minimax", "language_boost": "Chinese,Yue", "pitch": -2, "speed": 1.25, "vol": 0.5},
    {"type": "resemble", "format": "mp3", "precision": "PCM_24", "sample_rate": "44100"},
    {"type": "soniox", "reduce_silence": True, "speed": 0.9},
    {"type": "telnyx", "voice_speed": 1.1},
    {"type": "xai", "language": "en"},
)
"""Each provider with every field it takes."""

_SPOKEN = {"payload": "Two minutes, please… “Gleich!”", "voice": "Telnyx.KokoroTTS.af"}
_GATHERED = {
    "minimum_digits": 1,
    "maximum_digits": 4,
    "maximum_tries": 3,
    "valid_digits": "0123456789*",
    "terminating_digit": "#",
    "timeout_millis": 60000,
    "initial_timeout_millis": 5000,
    "inter_digit_timeout_millis": 3000,
    "stop_playback_on_dtmf": False,
    "gather_id": "pin-1",
    "client_state": CLIENT_STATE,
}
_KEYED = {
    "minimum_digits": 4,
    "maximum_digits": 6,
    "valid_digits": "0123456789*",
    "terminating_digit": "#",
    "timeout_millis": 60000,
    "inter_digit_timeout_millis": 3000,
    "sensitive": True,
    **SENT,
}
_JOINED = {
    "mute": False,
    "hold": True,
    "start_conference_on_enter": True,
    "end_conference_on_exit": False,
    "soft_end_conference_on_exit": True,
    "beep_enabled": "on_enter",
    "region": "Middle East",
    **SENT,
}
_EXITS = {"end_conference_on_exit": True, "soft_end_conference_on_exit": False}
_CONFIGURED = {
    "start_conference_on_create": False,
    "supervisor_role": "whisper",
    "whisper_call_control_ids": [OTHER_CALL],
    "mute": False,
    "hold": True,
    "start_conference_on_enter": True,
    "end_conference_on_exit": False,
    "soft_end_conference_on_exit": True,
    "beep_enabled": "on_enter",
}
_DIALLED = {
    "connection_id": CONNECTION_ID,
    "from": FROM,
    "from_display_name": "Ann Office-2",
    "timeout_secs": 600,
    "time_limit_secs": 30,
    **SENT,
}

EXAMPLES: tuple[Example, ...] = (
    Example(
        "list_conferences",
        "conferences.list",
        {},
        (
            {
                "filter": {
                    "name": "Standup & more",
                    "status": "in_progress",
                    "from": "+15550101",
                    "to": "+15550100",
                    "connection_id": "1494404757140276705",
                    "application_name": {"contains": "sales"},
                    "application_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
                    "leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
                    "outbound_voice_profile_id": "1293384261075731499",
                    "occurred_at": {"gte": "2026-01-15T00:00:00Z", "lt": "2026-01-16T00:00:00+01:00"},
                    "failed": False,
                    "product": "call_control",
                    "type": "webhook",
                },
                "region": "Middle East",
                **PAGE,
            },
            {
                "filter": {"occurred_at": {"eq": "2026-01-15T00:00:00Z", "gt": "2025-01-01", "lte": "2027-01-01"}},
                **AFTER,
            },
        ),
        answer=_first_of_three(CONFERENCE),
    ),
    Example(
        "create_conference",
        "conferences.create",
        {"call_control_id": CALL, "name": "Standup"},
        tuple(
            {
                "call_control_id": CALL,
                "name": "Grüße, 朝会",
                "start_conference_on_create": False,
                "max_participants": 800,
                "duration_minutes": 30,
                "beep_enabled": "always",
                "comfort_noise": True,
                "region": "US",
                **SENT,
                **audio,
            }
            for audio in (HOLD_AUDIO, HOLD_MEDIA)
        ),
        answer=_one(CONFERENCE),
    ),
    Example(
        "get_conference",
        "conferences.retrieve",
        ROOM,
        ({**ROOM, "region": "Europe"},),
        positional="conference_id",
        answer=_one(CONFERENCE),
    ),
    Example(
        "end_conference",
        "conferences.actions.end_conference",
        ROOM,
        ({**ROOM, "command_id": COMMAND_ID},),
        positional="conference_id",
    ),
    Example(
        "list_participants",
        "conferences.list_participants",
        ROOM,
        (
            {
                **ROOM,
                "filter": {"muted": True, "on_hold": False, "whispering": True},
                "region": "Australia",
                **PAGE,
            },
            {**ROOM, **AFTER},
        ),
        positional="conference_id",
        answer=_first_of_three(LISTED_PARTICIPANT),
    ),
    Example(
        "get_participant",
        "conferences.retrieve_participant",
        {**ROOM, "participant_id": PARTICIPANT_ID},
        ({**ROOM, "participant_id": "Ann/é&50%"},),
        positional="participant_id",
        renamed={"conference_id": "id"},
        answer=_one(PARTICIPANT),
    ),
    Example(
        "update_participant",
        "conferences.update_participant",
        {**ROOM, "participant_id": PARTICIPANT_ID},
        ({**ROOM, "participant_id": "Ann", "beep_enabled": "never", **_EXITS},),
        positional="participant_id",
        renamed={"conference_id": "id"},
        answer=_one(PARTICIPANT),
    ),
    Example(
        "join_conference",
        "conferences.actions.join",
        ROOM_AND_CALL,
        (
            {
                **ROOM_AND_CALL,
                "supervisor_role": "whisper",
                "whisper_call_control_ids": [OTHER_CALL],
                **_JOINED,
                **HOLD_AUDIO,
            },
            {**ROOM_AND_CALL, "supervisor_role": "monitor", **_JOINED, **HOLD_MEDIA},
        ),
        positional="conference_id",
    ),
    Example(
        "leave_conference",
        "conferences.actions.leave",
        ROOM_AND_CALL,
        ({**ROOM_AND_CALL, "beep_enabled": "on_exit", "region": "US", "command_id": COMMAND_ID},),
        positional="conference_id",
    ),
    Example(
        "hold_participants",
        "conferences.actions.hold",
        ROOM_AND_ALL,
        tuple({**ROOM_AND_SOME, **audio, "region": "US"} for audio in (AUDIO, MEDIA)),
        positional="conference_id",
    ),
    Example(
        "unhold_participants",
        "conferences.actions.unhold",
        {**ROOM, "call_control_ids": [CALL]},
        ({**ROOM_AND_SOME, "region": "US"},),
        positional="conference_id",
    ),
    Example(
        "mute_participants",
        "conferences.actions.mute",
        ROOM_AND_ALL,
        ({**ROOM_AND_SOME, "region": "US"},),
        positional="conference_id",
    ),
    Example(
        "unmute_participants",
        "conferences.actions.unmute",
        ROOM_AND_ALL,
        ({**ROOM_AND_SOME, "region": "US"},),
        positional="conference_id",
    ),
    Example(
        "update_supervisor",
        "conferences.actions.update",
        {**ROOM_AND_CALL, "supervisor_role": "barge"},
        (
            {
                **ROOM_AND_CALL,
                "supervisor_role": "whisper",
                "whisper_call_control_ids": [OTHER_CALL],
                "region": "US",
                "command_id": COMMAND_ID,
            },
        ),
        positional="conference_id",
    ),
    Example(
        "play_audio",
        "conferences.actions.play",
        {**ROOM_AND_ALL, **AUDIO},
        (
            {**ROOM_AND_SOME, **AUDIO, "loop": 100, "region": "US"},
            {**ROOM_AND_SOME, **MEDIA, "loop": "infinity", "region": "US"},
        ),
        positional="conference_id",
    ),
    Example(
        "stop_audio",
        "conferences.actions.stop",
        ROOM_AND_ALL,
        ({**ROOM_AND_SOME, "region": "US"},),
        positional="conference_id",
    ),
    Example(
        "speak_text",
        "conferences.actions.speak",
        {**ROOM_AND_ALL, **_SPOKEN},
        tuple(
            {
                **ROOM_AND_SOME,
                **_SPOKEN,
                "payload_type": "ssml",
                "language": "en-GB-WLS",
                "voice_settings": settings,
                "region": "US",
                "command_id": COMMAND_ID,
            }
            for settings in VOICE_SETTINGS
        ),
        positional="conference_id",
    ),
    Example(
        "send_dtmf",
        "conferences.actions.send_dtmf",
        {**ROOM_AND_ALL, "digits": "1"},
        ({**ROOM_AND_SOME, "digits": "0123456789ABCD*#wW", "duration_millis": 500, "client_state": CLIENT_STATE},),
        positional="conference_id",
    ),
    Example(
        "gather_dtmf",
        "conferences.actions.gather_dtmf_audio",
        ROOM_AND_CALL,
        (
            {**ROOM_AND_CALL, **AUDIO, "invalid_audio_url": AUDIO_URL, **_GATHERED},
            {
                **ROOM_AND_CALL,
                **MEDIA,
                "invalid_media_name": "again",
                **_GATHERED,
                "terminating_digit": "",
                "sensitive": True,
            },
            {**ROOM_AND_CALL, "payload": "Your PIN, please.", "voice": "AWS.Polly.Joanna", "maximum_digits": 4},
        ),
        positional="conference_id",
        ours=frozenset({"sensitive", "payload", "voice"}),
    ),
    Example(
        "start_recording",
        "conferences.actions.record_start",
        {**ROOM, "format": "mp3"},
        (
            {
                **ROOM,
                "format": "wav",
                "channels": "dual",
                "play_beep": True,
                "trim": "trim-silence",
                "custom_file_name": "standup 15 January",
                "region": "US",
                "command_id": COMMAND_ID,
            },
        ),
        positional="conference_id",
    ),
    Example(
        "stop_recording",
        "conferences.actions.record_stop",
        ROOM,
        ({**ROOM, "recording_id": PARTICIPANT_ID, "region": "US", **SENT},),
        positional="conference_id",
    ),
    Example(
        "pause_recording",
        "conferences.actions.record_pause",
        ROOM,
        ({**ROOM, "recording_id": PARTICIPANT_ID, "region": "US", "command_id": COMMAND_ID},),
        positional="conference_id",
    ),
    Example(
        "resume_recording",
        "conferences.actions.record_resume",
        ROOM,
        ({**ROOM, "recording_id": PARTICIPANT_ID, "region": "US", "command_id": COMMAND_ID},),
        positional="conference_id",
    ),
    Example(
        "list_recordings",
        "recordings.list",
        {},
        (
            {
                "filter": {
                    "conference_id": CONFERENCE_ID,
                    "call_control_id": CALL,
                    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
                    "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
                    "connection_id": CONNECTION_ID,
                    "from": FROM,
                    "to": TO,
                    "created_at": {"gte": "2026-01-15T00:00:00Z", "lte": "2026-01-16T00:00:00+01:00"},
                },
                **PAGE,
            },
        ),
        answer=_first_of_three(RECORDING),
    ),
    Example(
        "get_recording",
        "recordings.retrieve",
        {"recording_id": PARTICIPANT_ID},
        ({"recording_id": PARTICIPANT_ID, "include_download_urls": True},),
        positional="recording_id",
        ours=frozenset({"include_download_urls"}),
        answer=_one(RECORDING),
    ),
    Example("list_queues", "queues.list", {}, (PAGE,), answer=_first_of_three(QUEUE_ITSELF)),
    Example(
        "get_queue",
        "queues.retrieve",
        {"queue_name": QUEUE},
        ({"queue_name": AWKWARD_QUEUE},),
        positional="queue_name",
        answer=_one(QUEUE_ITSELF),
    ),
    Example(
        "create_queue",
        "queues.create",
        {"queue_name": QUEUE},
        ({"queue_name": AWKWARD_QUEUE, "max_size": 200},),
        answer=_one(QUEUE_ITSELF),
    ),
    Example(
        "update_queue",
        "queues.update",
        {"queue_name": QUEUE, "max_size": 200},
        ({"queue_name": AWKWARD_QUEUE, "max_size": 1},),
        positional="queue_name",
        answer=_one(QUEUE_ITSELF),
    ),
    Example(
        "delete_queue",
        "queues.delete",
        {"queue_name": QUEUE},
        ({"queue_name": AWKWARD_QUEUE},),
        positional="queue_name",
        answer={},
    ),
    Example(
        "list_queue_calls",
        "queues.calls.list",
        {"queue_name": QUEUE},
        ({"queue_name": AWKWARD_QUEUE, **PAGE}, {"queue_name": QUEUE, **AFTER}),
        positional="queue_name",
        answer=_first_of_three(QUEUED_CALL),
    ),
    Example(
        "get_queue_call",
        "queues.calls.retrieve",
        QUEUED,
        (AWKWARD_QUEUED,),
        positional="call_control_id",
        answer=_one(QUEUED_CALL),
    ),
    Example(
        "update_queue_call",
        "queues.calls.update",
        QUEUED,
        ({**AWKWARD_QUEUED, "keep_after_hangup": True},),
        positional="call_control_id",
        answer={},
    ),
    Example(
        "remove_queue_call",
        "queues.calls.remove",
        QUEUED,
        (AWKWARD_QUEUED,),
        positional="call_control_id",
        answer={},
    ),
    Example(
        "enqueue_call",
        "calls.actions.enqueue",
        QUEUED,
        ({**AWKWARD_QUEUED, "max_wait_time_secs": 600, "max_size": 50, "keep_after_hangup": True, **SENT},),
        positional="call_control_id",
    ),
    Example(
        "leave_queue",
        "calls.actions.leave_queue",
        {"call_control_id": CALL},
        ({"call_control_id": CALL, **SENT},),
        positional="call_control_id",
    ),
    Example(
        "dial",
        "calls.dial",
        {"connection_id": CONNECTION_ID, "from": FROM, "to": TO},
        (
            {
                **_DIALLED,
                "to": [TO, OTHER_TO, "sips:ann@example.com"],
                "conference_config": {"id": CONFERENCE_ID, **_CONFIGURED, **HOLD_AUDIO, "early_media": False},
                "answering_machine_detection": "premium",
            },
            {
                **_DIALLED,
                "to": TO,
                "conference_config": {"conference_name": "Grüße, 朝会", "supervisor_role": "barge", **HOLD_MEDIA},
            },
            {**_DIALLED, "to": TO, "supervise_call_control_id": OTHER_CALL, "supervisor_role": "whisper"},
        ),
        renamed={"from": "from_"},
        answer=_one({**CALL_ITSELF, "recording_id": PARTICIPANT_ID}),
    ),
    Example(
        "get_call",
        "calls.retrieve_status",
        {"call_control_id": CALL},
        positional="call_control_id",
        answer=_one(CALL_ITSELF),
    ),
    Example(
        "list_active_calls",
        "connections.list_active_calls",
        {"connection_id": CONNECTION_ID},
        ({"connection_id": CONNECTION_ID, **PAGE}, {"connection_id": CONNECTION_ID, **AFTER}),
        positional="connection_id",
        answer=_first_of_three(ACTIVE_CALL),
    ),
    *(
        Example(
            f"{action}_call",
            f"calls.actions.{action}",
            {"call_control_id": CALL, **needed},
            ({"call_control_id": CALL, **needed, **SENT},),
            positional="call_control_id",
        )
        for action, needed in (("answer", {}), ("reject", {"cause": "USER_BUSY"}), ("hangup", {}))
    ),
    Example(
        "bridge_calls",
        "calls.actions.bridge",
        {"call_control_id": CALL, "other_call_control_id": OTHER_CALL},
        tuple(
            {
                "call_control_id": CALL,
                **other,
                "park_after_unbridge": "self",
                "hold_after_unbridge": False,
                "prevent_double_bridge": True,
                **SENT,
            }
            for other in ({"other_call_control_id": OTHER_CALL}, {"queue_name": AWKWARD_QUEUE})
        ),
        positional="call_control_id",
        renamed={"other_call_control_id": "call_control_id_to_bridge_with", "queue_name": "queue"},
        always={"call_control_id_to_bridge_with": omit},
    ),
    Example(
        "transfer_call",
        "calls.actions.transfer",
        {"call_control_id": CALL, "to": TO},
        (
            {
                "call_control_id": CALL,
                "to": OTHER_TO,
                "from": FROM,
                "early_media": False,
                "park_after_unbridge": "self",
                "timeout_secs": 5,
                "time_limit_secs": 14_400,
                **SENT,
            },
        ),
        positional="call_control_id",
        renamed={"from": "from_"},
    ),
    Example(
        "speak_to_call",
        "calls.actions.speak",
        {"call_control_id": CALL, "payload": "Welcome.", "voice": "female"},
        tuple(
            {
                "call_control_id": CALL,
                "payload": "<speak>Grüße</speak>",
                "payload_type": "ssml",
                "voice": "AWS.Polly.Marlene",
                "language": "de-DE",
                "voice_settings": settings,
                "stop": "all",
                "target_legs": "both",
                **SENT,
            }
            for settings in VOICE_SETTINGS
        ),
        positional="call_control_id",
    ),
    Example(
        "play_to_call",
        "calls.actions.start_playback",
        {"call_control_id": CALL, **AUDIO},
        tuple(
            {"call_control_id": CALL, **audio, "loop": loop, "stop": "current", "target_legs": "opposite", **SENT}
            for audio, loop in ((AUDIO, "infinity"), (MEDIA, 3))
        ),
        positional="call_control_id",
    ),
    Example(
        "stop_call_audio",
        "calls.actions.stop_playback",
        {"call_control_id": CALL},
        ({"call_control_id": CALL, **SENT},),
        positional="call_control_id",
    ),
    Example(
        "gather_from_call",
        "calls.actions.gather",
        {"call_control_id": CALL},
        (
            {"call_control_id": CALL, **_KEYED, "initial_timeout_millis": 5000},
            {
                "call_control_id": CALL,
                "payload": "Press 1 for sales.",
                "voice": "AWS.Polly.Joanna",
                "invalid_payload": "Please press 1.",
                "maximum_tries": 2,
                **_KEYED,
            },
            *(
                {"call_control_id": CALL, **audio, **invalid, "maximum_tries": 2, **_KEYED}
                for audio, invalid in (
                    (AUDIO, {"invalid_audio_url": AUDIO_URL}),
                    (MEDIA, {"invalid_media_name": "again"}),
                )
            ),
        ),
        positional="call_control_id",
        sdk_with={
            "payload": "calls.actions.gather_using_speak",
            "audio_url": "calls.actions.gather_using_audio",
            "media_name": "calls.actions.gather_using_audio",
        },
        ours=frozenset({"sensitive"}),
    ),
    Example(
        "stop_gather",
        "calls.actions.stop_gather",
        {"call_control_id": CALL},
        ({"call_control_id": CALL, **SENT},),
        positional="call_control_id",
    ),
    Example(
        "send_call_dtmf",
        "calls.actions.send_dtmf",
        {"call_control_id": CALL, "digits": "1w2#"},
        ({"call_control_id": CALL, "digits": "0123456789ABCD*#wW", **SENT},),
        positional="call_control_id",
    ),
    Example(
        "start_call_recording",
        "calls.actions.start_recording",
        {"call_control_id": CALL, "format": "mp3", "channels": "single"},
        (
            {
                "call_control_id": CALL,
                "format": "wav",
                "channels": "dual",
                "play_beep": True,
                "max_length": 120,
                "trim": "trim-silence",
                **SENT,
            },
        ),
        positional="call_control_id",
    ),
    *(
        Example(
            f"{action}_call_recording",
            f"calls.actions.{action}_recording",
            {"call_control_id": CALL},
            ({"call_control_id": CALL, "recording_id": PARTICIPANT_ID, **SENT},),
            positional="call_control_id",
        )
        for action in ("stop", "pause", "resume")
    ),
    Example(
        "delete_recording",
        "recordings.delete",
        {"recording_id": PARTICIPANT_ID},
        positional="recording_id",
        answer=_one(RECORDING),
    ),
    Example(
        "update_client_state",
        "calls.actions.update_client_state",
        {"call_control_id": CALL, "client_state": CLIENT_STATE},
        positional="call_control_id",
    ),
    Example(
        "switch_supervisor_role",
        "calls.actions.switch_supervisor_role",
        {"call_control_id": CALL, "role": "whisper"},
        positional="call_control_id",
    ),
    Example(
        "start_transcription",
        "calls.actions.start_transcription",
        {"call_control_id": CALL},
        (
            {
                "call_control_id": CALL,
                **ROOM,
                "transcription_engine": "Deepgram",
                "transcription_engine_config": {"transcription_engine": "Deepgram", "language": "de"},
                "transcription_tracks": "both",
                **SENT,
            },
        ),
        positional="call_control_id",
        ours=frozenset({"conference_id"}),
    ),
    Example(
        "stop_transcription",
        "calls.actions.stop_transcription",
        {"call_control_id": CALL},
        ({"call_control_id": CALL, **ROOM, **SENT},),
        positional="call_control_id",
        ours=frozenset({"conference_id"}),
    ),
)

EXAMPLE_OF: Mapping[str, Example] = {example.tool: example for example in EXAMPLES}


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint, as Telnyx's published SDK has it."""

    operation: str
    method: str
    path: str
    required: Sequence[str]
    answer: Mapping[str, Any]
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def fields(self) -> Mapping[str, Any]:
        """What it takes beside its path, by wire name."""
        return {**self.query, **self.body}


def _shape(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"{\w+}", "{}", path)


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    _shape(row["method"], row["path"]): Operation(**row)
    for row in cast("list[dict[str, Any]]", json.loads(Path(__file__).with_name("contract.json").read_text("utf-8")))
}
"""The contract, by method and path with the names of the path's parameters left out."""


def operation_of(route: Route) -> Operation:
    """The endpoint that a command's route leads to."""
    return OPERATIONS[_shape(route.method, route.path)]


def mismatches(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Where a value does not conform to a JSON schema."""
    validator: Any = Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def schema_is_valid(schema: Mapping[str, Any]) -> bool:
    """Whether it is JSON Schema 2020-12."""
    return not mismatches(schema, Draft202012Validator.META_SCHEMA)
