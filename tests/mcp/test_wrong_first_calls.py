"""Plausible wrong first calls of an agent: each refusal says enough to make the right next call.

A row is what goes wrong, the wrong call, words of the refusal, and the next call, which works.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from support.first_calls import ANN, FILE, people_and_rooms, with_ids
from support.mcp import call, refusal
from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio

Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One wrong first call. `<name>` stands for an id: see `people_and_rooms`."""

    what: str
    wrong: Call
    refusal_words: tuple[str, ...]
    """Words of the refusal, by which the next call is found."""
    next: Call
    before: tuple[Call, ...] = ()

    def __str__(self) -> str:
        return self.what


HERE = {"conference_id": "<standup>"}
ALL = {"call_control_ids": "everyone"}
OUTSIDE = {"call_control_id": "<outside>"}
RECORD: Call = ("start_recording", {**HERE, "format": "mp3"})

WHICH_ID = (
    Row(
        "a name that no open conference has",
        ("send_dtmf", {"conference_id": "Stand-up", **ALL, "digits": "1"}),
        ("not among the conferences", "<standup>"),
        ("send_dtmf", {**HERE, **ALL, "digits": "1"}),
    ),
    Row(
        "a call leg for the conference's id",
        ("list_participants", {"conference_id": "<ann>"}),
        ("not among the conferences", "<standup>", "'Standup'"),
        ("list_participants", HERE),
    ),
    Row(
        "a queue's name for a conference's id",
        ("list_participants", {"conference_id": "support"}),
        ("not among the conferences", "<standup>"),
        ("list_queue_calls", {"queue_name": "support"}),
    ),
    Row(
        "a phone number for a call leg",
        ("join_conference", {**HERE, "call_control_id": "+12025559002"}),
        ("not a phone number", "dial gives one", "list_queue_calls"),
        ("dial", {"to": ANN, "conference_config": {"id": "<standup>"}}),
    ),
    Row(
        "a call leg that does not exist",
        ("join_conference", {**HERE, "call_control_id": "v3:made-up"}),
        ("not among the calls", "v3:"),
        ("join_conference", {**HERE, **OUTSIDE}),
    ),
    Row(
        "a leg from outside among those in the room",
        ("mute_participants", {**HERE, "call_control_ids": ["<outside>"]}),
        ("not among the participants", "<ann>", "<ben>"),
        ("mute_participants", {**HERE, "call_control_ids": ["<ben>"]}),
    ),
    Row(
        "somebody to leave who is not there",
        ("leave_conference", {**HERE, **OUTSIDE}),
        ("not among the participants", "<ben>"),
        ("leave_conference", {**HERE, "call_control_id": "<ben>"}),
    ),
    Row(
        "a participant by phone number",
        ("get_participant", {**HERE, "participant_id": "+12025559001"}),
        ("not among the participants", "<ann>"),
        ("get_participant", {**HERE, "participant_id": "<ann>"}),
    ),
    Row(
        "a queue that is not called so",
        ("list_queue_calls", {"queue_name": "Support queue"}),
        ("not among the queues", "'support'"),
        ("list_queue_calls", {"queue_name": "support"}),
    ),
    Row(
        "a call that does not wait there",
        ("get_queue_call", {"queue_name": "support", "call_control_id": "<gone>"}),
        ("not among the calls", "<waiting>"),
        ("get_queue_call", {"queue_name": "support", "call_control_id": "<waiting>"}),
    ),
    Row(
        "a recording by the conference's id",
        ("get_recording", {"recording_id": "<standup>"}),
        ("no recordings",),
        ("list_recordings", {"filter": {"conference_id": "<standup>"}}),
    ),
)

WHAT_IS_MISSING = (
    Row(
        "everyone forgotten",
        ("mute_participants", HERE),
        ("call_control_ids is missing", '"everyone"'),
        ("mute_participants", {**HERE, **ALL}),
    ),
    Row(
        "one leg where a list is wanted",
        ("hold_participants", {**HERE, "call_control_id": "<ann>"}),
        ("no argument 'call_control_id'", "Did you mean call_control_ids?"),
        ("hold_participants", {**HERE, "call_control_ids": ["<ann>"]}),
    ),
    Row(
        "a conference without a call",
        ("create_conference", {"name": "Planning"}),
        ("call_control_id is missing", "Call leg id (v3:...)"),
        ("create_conference", {"name": "Planning", **OUTSIDE}),
    ),
    Row(
        "a whisper without listeners",
        ("join_conference", {**HERE, **OUTSIDE, "supervisor_role": "whisper"}),
        ("whisper_call_control_ids: the call legs that hear it",),
        (
            "join_conference",
            {**HERE, **OUTSIDE, "supervisor_role": "whisper", "whisper_call_control_ids": ["<ann>"]},
        ),
    ),
    Row("a recording without a format", ("start_recording", HERE), ("format is missing", "wav, mp3"), RECORD),
    Row(
        "which conference to dial into",
        ("dial", {"to": ANN, "conference_config": {"mute": True}}),
        ("by id or by conference_name",),
        ("dial", {"to": ANN, "conference_config": {"mute": True, "conference_name": "Standup"}}),
    ),
)

HOW_IT_IS_WRITTEN = (
    Row(
        "everyone beside a call leg",
        ("mute_participants", {**HERE, "call_control_ids": ["everyone", "<ann>"]}),
        ('"everyone" must be the only entry',),
        ("mute_participants", {**HERE, "call_control_ids": ["everyone"]}),
    ),
    *(
        Row(
            f"{word} for everyone",
            ("mute_participants", {**HERE, "call_control_ids": word}),
            ('for the whole room, "everyone" must be the only entry',),
            ("mute_participants", {**HERE, **ALL}),
        )
        for word in ("all", "*", "Everyone")
    ),
    Row(
        "an empty list for everyone",
        ("mute_participants", {**HERE, "call_control_ids": []}),
        ("must not be an empty list",),
        ("mute_participants", {**HERE, **ALL}),
    ),
    Row(
        "null for everyone",
        ("mute_participants", {**HERE, "call_control_ids": None}),
        ("call_control_ids must be a list", "everyone"),
        ("mute_participants", {**HERE, **ALL}),
    ),
    Row(
        "audio over http",
        ("play_audio", {**HERE, **ALL, "audio_url": "http://example.com/hold.mp3"}),
        ("https URLs",),
        ("play_audio", {**HERE, **ALL, "audio_url": FILE}),
    ),
    Row(
        "audio on this machine",
        ("play_audio", {**HERE, **ALL, "audio_url": "https://localhost/hold.mp3"}),
        ("public internet",),
        ("play_audio", {**HERE, **ALL, "audio_url": FILE}),
    ),
    Row("a local number", ("dial", {"to": "(202) 555-0150"}), ("E.164", "country code"), ("dial", {"to": ANN})),
    Row("an emergency number", ("dial", {"to": "911"}), ("emergency", "a person dials it"), ("dial", {"to": ANN})),
    Row(
        "a premium-rate number among others",
        ("dial", {"to": [ANN, "+19005551234"]}),
        ("to[1] must not be a premium-rate number",),
        ("dial", {"to": [ANN]}),
    ),
)

WHAT_THE_STATE_DOES_NOT_ALLOW = (
    Row(
        "joining a call that still rings",
        ("join_conference", {**HERE, "call_control_id": "<ringing>"}),
        ("not been answered", "wait_for_event", "conference_config"),
        ("dial", {"to": ANN, "conference_config": {"id": "<standup>"}}),
    ),
    Row(
        "a conference that has ended",
        ("join_conference", {"conference_id": "<over>", **OUTSIDE}),
        ("already ended", "list_conferences"),
        ("list_conferences", {"filter": {"status": "in_progress"}}),
    ),
    Row(
        "a room that is full",
        ("join_conference", {"conference_id": "<small>", **OUTSIDE}),
        ("reached at 2", "leave_conference"),
        ("leave_conference", {"conference_id": "<small>", "call_control_id": "<in small>"}),
    ),
    Row(
        "a leg that is in the room already",
        ("join_conference", {**HERE, "call_control_id": "<ben>"}),
        ("is in conference", "already", "list_participants"),
        ("list_participants", HERE),
    ),
    Row(
        "a conference's name that is taken",
        ("create_conference", {"name": "Standup", **OUTSIDE}),
        ("is open", "join_conference"),
        ("join_conference", {**HERE, **OUTSIDE}),
    ),
    Row(
        "a queue that exists",
        ("create_queue", {"queue_name": "support"}),
        ("already", "Use it as it is"),
        ("get_queue", {"queue_name": "support"}),
    ),
    Row(
        "unhold where nobody is on hold",
        ("unhold_participants", {**HERE, **ALL}),
        ("Nobody in this conference is on hold",),
        ("list_participants", {**HERE, "filter": {"on_hold": True}}),
    ),
    Row(
        "stopping a recording that nobody started",
        ("stop_recording", HERE),
        ("not being recorded", "start_recording"),
        RECORD,
    ),
    Row(
        "recording twice",
        RECORD,
        ("recorded already", "stop_recording"),
        ("stop_recording", HERE),
        before=(RECORD,),
    ),
    Row(
        "removing a live call from its queue",
        ("remove_queue_call", {"queue_name": "support", "call_control_id": "<waiting>"}),
        ("leave_queue",),
        ("leave_queue", {"call_control_id": "<waiting>"}),
    ),
    Row(
        "taking a call out of a queue that waits in none",
        ("leave_queue", OUTSIDE),
        ("in no queue", "enqueue_call"),
        ("enqueue_call", {"queue_name": "agents", **OUTSIDE}),
    ),
    Row(
        "connecting with an empty queue",
        ("bridge_calls", {**OUTSIDE, "queue_name": "empty"}),
        ("No live call waits", "list_queues"),
        ("bridge_calls", {**OUTSIDE, "queue_name": "support"}),
        before=(("create_queue", {"queue_name": "empty"}),),
    ),
    Row(
        "rejecting a call that is up",
        ("reject_call", {"call_control_id": "<ann>", "cause": "USER_BUSY"}),
        ("only an incoming call", "hangup_call"),
        ("hangup_call", {"call_control_id": "<ann>"}),
    ),
    Row(
        "hanging up a call that is over",
        ("hangup_call", {"call_control_id": "<gone>"}),
        ("not among the calls", "v3:"),
        ("get_call", {"call_control_id": "<gone>"}),
    ),
)

ROWS = (*WHICH_ID, *WHAT_IS_MISSING, *HOW_IT_IS_WRITTEN, *WHAT_THE_STATE_DOES_NOT_ALLOW)


def test_the_table_has_at_least_thirty_different_calls() -> None:
    assert len({row.what for row in ROWS}) == len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_wrong_first_call_is_refused_with_the_remedy(row: Row) -> None:
    world = World()
    names = people_and_rooms(world)
    async with in_process(world) as client:
        for tool, arguments in row.before:
            await call(client, tool, **with_ids(arguments, names))
        message = await refusal(client, row.wrong[0], **with_ids(row.wrong[1], names))
        assert [words for words in row.refusal_words if with_ids(words, names) not in message] == [], message
        await call(client, row.next[0], **with_ids(row.next[1], names))
