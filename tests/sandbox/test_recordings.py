"""Recordings of conferences."""

import pytest

from support.sandbox_client import Telnyx

pytestmark = pytest.mark.anyio


async def test_a_recording_is_saved_when_it_is_stopped_without_its_pauses(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "record_start", format="mp3", channels="dual", custom_file_name="a/../b")
    await telnyx.sandbox.advance(10)
    await telnyx.act(room, "record_pause")
    await telnyx.sandbox.advance(100)
    await telnyx.act(room, "record_resume")
    await telnyx.sandbox.advance(5)
    await telnyx.act(room, "record_stop", client_state="aGk=")
    saved = telnyx.events("conference.recording.saved")[0]["payload"]
    assert (saved["format"], saved["channels"], saved["client_state"]) == ("mp3", "dual", "aGk=")
    assert saved["recording_urls"]["mp3"].startswith("https://sandbox.invalid/recordings/")
    assert "X-Amz-Expires=600" in saved["recording_urls"]["mp3"]
    assert "/../" not in saved["recording_urls"]["mp3"]
    found = await telnyx.get(f"/recordings/{saved['recording_id']}")
    assert (found["duration_millis"], found["status"], found["source"]) == (15_000, "completed", "conference")
    assert (found["recording_started_at"], found["recording_ended_at"]) == (
        (saved["recording_started_at"], saved["recording_ended_at"])
    )
    assert await telnyx.get("/recordings") == [found]


async def test_a_conference_has_one_recording_at_a_time(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    for action in ("record_stop", "record_pause", "record_resume"):
        assert (await telnyx.refuses(room, action))[1]["title"] == "Not recording"
    await telnyx.act(room, "record_start", format="wav")
    assert (await telnyx.refuses(room, "record_start", format="wav"))[0] == 422
    assert (await telnyx.refuses(room, "record_resume"))[1]["title"] == "Recording is not paused"
    await telnyx.act(room, "record_pause")
    assert (await telnyx.refuses(room, "record_pause"))[1]["title"] == "Recording is paused"
    await telnyx.act(room, "record_stop")
    await telnyx.act(room, "record_start", format="wav")


async def test_a_recording_can_be_named(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "record_start", format="wav")
    status, error = await telnyx.refuses(room, "record_stop", recording_id="other")
    assert status == 404
    assert "other" in error["detail"]
    recording = telnyx.sandbox.snapshot()["recordings"][0]
    assert recording["status"] == "recording"
    assert (await telnyx.refusal("GET", f"/recordings/{recording['id']}"))[0] == 404, "not before it is saved"
    await telnyx.act(room, "record_stop", recording_id=recording["id"])
    assert (await telnyx.refuses(room, "record_stop", recording_id=recording["id"]))[0] == 422


async def test_a_recording_is_saved_when_the_conference_ends_also_while_paused(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "record_start", format="wav")
    await telnyx.sandbox.advance(7)
    await telnyx.act(room, "record_pause")
    await telnyx.sandbox.advance(7)
    await telnyx.act(room, "end")
    assert len(telnyx.events("conference.recording.saved")) == 1
    assert (await telnyx.get("/recordings"))[0]["duration_millis"] == 7000


async def test_recordings_are_found_by_filter(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "record_start", format="wav")
    await telnyx.act(room, "record_stop")
    agent = telnyx.part("agent")
    cases = {
        "filter_conference_id": (room, "other"),
        "filter_call_control_id": (agent, "v3:other"),
        "filter_connection_id": ("sandbox", "other"),
        "filter_created_at__gte": ("2020-01-01", "2030-01-01"),
        "filter_created_at__lte": ("2030-01-01", "2020-01-01"),
    }
    for name, (finds, leaves_out) in cases.items():
        assert len(await telnyx.get("/recordings", **{name: finds})) == 1, name
        assert await telnyx.get("/recordings", **{name: leaves_out}) == [], name
