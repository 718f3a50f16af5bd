"""What is heard: playback, speech, tones, and keypad digits asked for."""

from typing import Any

import pytest

from support.sandbox_client import Telnyx

pytestmark = pytest.mark.anyio

FILE = {"audio_url": "https://example.com/a.mp3"}


async def test_a_file_to_everyone_lasts_ten_seconds(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    await telnyx.act(room, "play", **FILE)
    assert telnyx.sandbox.snapshot()["playing"] == [
        {"conference_id": room, "kind": "playback", "media_url": "https://example.com/a.mp3"}
    ]
    await telnyx.sandbox.advance(9.9)
    assert telnyx.events("conference.playback.ended") == []
    await telnyx.sandbox.advance(0.1)
    started, ended = telnyx.events("conference.playback.started", "conference.playback.ended")
    creator = next(leg for leg in telnyx.sandbox.snapshot()["legs"] if leg.get("part") == "agent")
    for event in (started, ended):
        assert event["payload"].keys() == {
            *("conference_id", "connection_id", "creator_call_session_id", "media_url", "occurred_at")
        }
        assert event["payload"]["creator_call_session_id"] == creator["call_session_id"]
        assert event["occurred_at"] == event["payload"]["occurred_at"]
    assert telnyx.sandbox.snapshot()["playing"] == []


async def test_a_file_to_some_is_announced_for_each(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    both = [telnyx.part("agent"), telnyx.part("supervisor")]
    await telnyx.act(room, "play", media_name="jingle", loop=3, call_control_ids=both)
    started = telnyx.events("conference.participant.playback.started")
    assert [event["payload"]["call_control_id"] for event in started] == both
    assert started[0]["payload"]["media_name"] == "jingle"
    await telnyx.sandbox.advance(29)
    assert telnyx.events("conference.participant.playback.ended") == []
    await telnyx.sandbox.advance(1)
    assert len(telnyx.events("conference.participant.playback.ended")) == 2


async def test_an_endless_loop_plays_until_it_is_stopped(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "play", loop="infinity", **FILE)
    await telnyx.sandbox.advance(3600)
    assert telnyx.events("conference.playback.ended") == []
    await telnyx.act(room, "stop")
    assert len(telnyx.events("conference.playback.ended")) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Hi", 1), ("one two three four five", 2), ("<speak>one <b>two</b> three four five</speak>", 2)],
)
async def test_speech_lasts_as_long_as_its_words(telnyx: Telnyx, text: str, seconds: float) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "speak", payload=text, voice="AWS.Polly.Joanna")
    await telnyx.sandbox.advance(seconds - 0.1)
    assert telnyx.events("conference.speak.ended") == []
    await telnyx.sandbox.advance(0.1)
    assert len(telnyx.events("conference.speak.ended")) == 1


async def test_stopping_audio_for_some_participants_leaves_the_audio_of_the_room(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    agent = telnyx.part("agent")
    await telnyx.act(room, "play", **FILE)
    await telnyx.act(room, "speak", payload="Hi", voice="male", call_control_ids=[agent])
    before = len(telnyx.events())
    await telnyx.act(room, "stop", call_control_ids=[agent])
    assert telnyx.kinds(before) == ["conference.participant.speak.ended"]
    await telnyx.act(room, "stop")
    assert telnyx.kinds(before)[1:] == ["conference.playback.ended"]


async def test_audio_for_a_participant_ends_when_they_leave_and_all_audio_ends_with_the_conference(
    telnyx: Telnyx,
) -> None:
    room = await telnyx.conference("agent", "supervisor")
    agent = telnyx.part("agent")
    await telnyx.act(room, "play", call_control_ids=[agent], **FILE)
    await telnyx.act(room, "play", **FILE)
    await telnyx.act(room, "leave", call_control_id=agent)
    assert len(telnyx.events("conference.participant.playback.ended")) == 1
    assert telnyx.events("conference.playback.ended") == []
    await telnyx.act(room, "end")
    assert len(telnyx.events("conference.playback.ended")) == 1
    await telnyx.sandbox.advance(60)
    assert len(telnyx.events("conference.playback.ended")) == 1


async def test_only_the_number_of_dtmf_tones_is_kept(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent", "supervisor")
    await telnyx.act(room, "send_dtmf", digits="12w3", call_control_ids=[telnyx.part("agent")])
    sent = {who["label"]: who["digits_sent"] for who in telnyx.sandbox.snapshot()["conferences"][0]["participants"]}
    assert sent == {"agent": 3, "supervisor": 0}
    assert (await telnyx.refuses(room, "send_dtmf", digits="x"))[0] == 422


async def gather(telnyx: Telnyx, **more: Any) -> str:
    """A gather from the caller, with a prompt of 10 seconds; the caller's leg."""
    room = await telnyx.conference("caller 1")
    caller = telnyx.part("caller 1")
    await telnyx.act(room, "gather_using_audio", call_control_id=caller, **FILE, **more)
    return caller


async def press(telnyx: Telnyx, leg: str, digits: str) -> None:
    await telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": digits})


def result(telnyx: Telnyx) -> tuple[str, str] | None:
    ended = telnyx.events("call.gather.ended")
    assert len(ended) <= 1
    return (ended[0]["payload"]["status"], ended[0]["payload"]["digits"]) if ended else None


async def test_digits_up_to_the_terminating_one_are_gathered(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, client_state="aGk=", gather_id="pin")
    await press(telnyx, caller, "42#")
    assert result(telnyx) == ("valid", "42")
    assert [event["payload"]["digit"] for event in telnyx.events("call.dtmf.received")] == ["4", "2", "#"]
    payload = telnyx.events("call.gather.ended")[0]["payload"]
    assert (payload["client_state"], payload["gather_id"]) == ("aGk=", "pin")


async def test_the_maximum_of_digits_ends_a_gather(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, maximum_digits=3, terminating_digit="")
    await press(telnyx, caller, "1#2")
    assert result(telnyx) == ("valid", "1#2")


async def test_digits_that_are_not_valid_are_ignored(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, valid_digits="12", maximum_digits=2)
    await press(telnyx, caller, "1932")
    assert result(telnyx) == ("valid", "12")


async def test_a_pause_between_digits_ends_a_gather(telnyx: Telnyx) -> None:
    caller = await gather(telnyx)
    await press(telnyx, caller, "1")
    await telnyx.sandbox.advance(4)
    await press(telnyx, caller, "2")
    await telnyx.sandbox.advance(4.9)
    assert result(telnyx) is None
    await telnyx.sandbox.advance(0.1)
    assert result(telnyx) == ("valid", "12")


async def test_too_few_digits_are_invalid(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, minimum_digits=4)
    for _ in range(3):
        assert result(telnyx) is None
        await press(telnyx, caller, "123#")
    assert result(telnyx) == ("invalid", "123")


async def test_a_gather_without_digits_times_out_a_minute_after_the_third_prompt(telnyx: Telnyx) -> None:
    await gather(telnyx)
    await telnyx.sandbox.advance(209)
    assert result(telnyx) is None
    await telnyx.sandbox.advance(1)
    assert result(telnyx) == ("timeout", "")


async def test_the_first_digit_can_have_its_own_timeout_and_there_can_be_more_tries(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, initial_timeout_millis=3000, maximum_tries=2)
    await telnyx.sandbox.advance(13)
    assert result(telnyx) is None
    await telnyx.sandbox.advance(12)
    await press(telnyx, caller, "7#")
    assert result(telnyx) == ("valid", "7")


async def test_a_prompt_that_does_not_stop_for_digits_is_heard_out(telnyx: Telnyx) -> None:
    caller = await gather(telnyx, stop_playback_on_dtmf=False)
    await press(telnyx, caller, "7")
    await telnyx.sandbox.advance(14)
    assert result(telnyx) is None
    await telnyx.sandbox.advance(1)
    assert result(telnyx) == ("valid", "7")


@pytest.mark.parametrize(
    ("how", "status"), [("hangup", "call_hangup"), ("leave", "cancelled"), ("gather", "cancelled")]
)
async def test_a_gather_ends_with_the_call_with_the_stay_and_with_the_next(
    telnyx: Telnyx, how: str, status: str
) -> None:
    caller = await gather(telnyx)
    room = telnyx.sandbox.snapshot()["conferences"][0]["id"]
    await press(telnyx, caller, "1")
    if how == "hangup":
        await telnyx.post(f"/sandbox/calls/{caller}/hangup")
    elif how == "leave":
        await telnyx.act(room, "leave", call_control_id=caller)
    else:
        await telnyx.act(room, "gather_using_audio", call_control_id=caller)
    assert result(telnyx) == (status, "1")


async def test_endless_timeouts_are_only_long(telnyx: Telnyx) -> None:
    await gather(telnyx, timeout_millis=10**400, inter_digit_timeout_millis=10**400, initial_timeout_millis=10**400)
    await telnyx.sandbox.advance(3600)
    assert result(telnyx) is None
