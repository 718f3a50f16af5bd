"""Each alert of a policy, raised and cleared, as an MCP client sees it on the sandbox."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.alerts import CLEARED, RAISED, Watched, alerting_client
from support.guarded_server import write_policy
from support.mcp import call, refusal
from support.mcp_stdio import stdio_server
from support.webhooks import body_of
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.sandbox import Fault

pytestmark = pytest.mark.anyio


def alert(when: str, name: str = "it", **entries: Any) -> str:
    """One `[[alerts]]` of a policy file."""
    lines = [f"{entry} = {json.dumps(value)}" for entry, value in {"name": name, "when": when, **entries}.items()]
    return "\n".join(["[[alerts]]", *lines, ""])


async def test_a_call_that_waits_too_long_raises_an_alert_until_it_leaves_the_queue(tmp_path: Path) -> None:
    async with alerting_client(alert("queue_wait", after="2m"), tmp_path) as server:
        leg = await server.queue_up("+12025550188")
        assert await server.after(119) == []
        assert await server.after(2) == ["raised it"]
        [raised] = await server.events()
        server.hang_up(leg)
        assert await server.after(1) == ["cleared it", "raised it"]
        cleared, _ = await server.events()
    assert raised["payload"]["message"] == "+12025550188 has waited in queue 'support' for more than 2 min."
    assert (raised["call_control_id"], raised["queue"], raised["via"]) == (leg, "support", "server")
    assert (cleared["payload"]["raised_by"], cleared["call_control_id"]) == (raised["id"], leg)
    assert cleared["payload"]["seconds"] >= 1


async def test_a_queue_that_is_too_long_raises_an_alert_until_enough_calls_have_left(tmp_path: Path) -> None:
    policy = alert("queue_length", above=1, queues=["sup*"])
    async with alerting_client(policy, tmp_path) as server:
        for place in range(3):
            await server.queue_up(f"+1202555018{place}", "other")
        first, second = [await server.queue_up(f"+1202555019{place}") for place in range(2)]
        assert await server.after(1) == ["raised it"]
        [raised] = await server.events()
        server.hang_up(first)
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
        server.hang_up(second)
        assert len(await server.after(11)) == 2
    assert raised["payload"]["message"] == "2 calls wait in queue 'support', which is more than 1."


async def test_a_person_on_hold_for_too_long_raises_an_alert_until_they_are_back(tmp_path: Path) -> None:
    async with alerting_client(alert("on_hold", after="90s"), tmp_path) as server:
        conference, legs = await open_room(server, 2)
        held = {"conference_id": conference, "call_control_ids": [legs[1]]}
        await call(server.client, "hold_participants", **held)
        assert await server.after(89) == []
        assert await server.after(2) == ["raised it"]
        [raised] = await server.events()
        await call(server.client, "unhold_participants", **held)
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
    assert raised["payload"]["message"].endswith(" has been on hold in conference 'Standup' for more than 90 s.")
    assert (raised["conference_id"], raised["call_control_id"]) == (conference, legs[1])


async def test_a_conference_without_its_host_raises_an_alert_until_a_host_joins(tmp_path: Path) -> None:
    async with alerting_client(alert("no_host", after="1m"), tmp_path) as server:
        conference, _ = await open_room(server, 2)
        assert await server.after(59) == []
        assert await server.after(2) == ["raised it"]
        [raised] = await server.events()
        host = server.arrive("+12025550199")
        await call(
            server.client,
            "join_conference",
            conference_id=conference,
            call_control_id=host,
            soft_end_conference_on_exit=True,
        )
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
        assert len(await server.after(120)) == 2
    assert raised["payload"]["message"] == (
        "Conference 'Standup' has had no host for more than 1 min; 2 people are in it."
    )


async def test_a_host_whom_only_telnyx_knows_raises_no_alert(tmp_path: Path) -> None:
    """Another program has set the exit flag: no event reports that, so Telnyx is asked first."""
    async with alerting_client(alert("no_host", after="1m"), tmp_path) as server:
        conference, legs = await open_room(server, 2)
        async with server.world.http() as telnyx:
            path = f"/conferences/{conference}/participants/{legs[0]}"
            answer = await telnyx.patch(path, json={"end_conference_on_exit": True})
        assert answer.status_code == 200
        assert await server.after(120) == []


async def test_a_caller_who_is_alone_raises_an_alert_until_a_person_joins(tmp_path: Path) -> None:
    async with alerting_client(alert("alone", after="1m", conferences=["Stand*"]), tmp_path) as server:
        conference, _ = await open_room(server, 1)
        await open_room(server, 1, "Lunch")
        assert await server.after(61) == ["raised it"]
        [raised] = await server.events()
        other = server.arrive("+12025550199")
        await call(server.client, "join_conference", conference_id=conference, call_control_id=other)
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
    assert raised["payload"]["message"].endswith(" has been alone in conference 'Standup' for more than 1 min.")


async def test_a_recording_of_people_who_heard_no_announcement_raises_an_alert_until_they_have(tmp_path: Path) -> None:
    async with alerting_client(alert("recording_without_consent", after="5s"), tmp_path) as server:
        conference, _ = await open_room(server, 2)
        await call(server.client, "start_recording", conference_id=conference, format="mp3")
        assert await server.after(1) == []
        assert await server.after(5) == ["raised it"]
        [raised] = await server.events()
        await call(server.client, "speak_text", **everyone(conference), payload="Recorded.", voice="female")
        await server.after(30)
        assert await server.after(11) == ["cleared it", "raised it"]
        late_caller = server.arrive("+12025550199")
        await call(server.client, "join_conference", conference_id=conference, call_control_id=late_caller)
        assert await server.after(6) == ["raised it", "cleared it", "raised it"]
        again = (await server.events())[0]
        await call(server.client, "stop_recording", conference_id=conference)
        await server.after(1)
        assert (await server.after(11))[0] == "cleared it"
    assert raised["payload"]["message"] == (
        "Conference 'Standup' is being recorded, and 2 people in it have heard no announcement."
    )
    assert again["payload"]["message"].endswith("1 person in it has heard no announcement.")


async def test_a_file_counts_as_an_announcement_only_if_the_policy_names_it(tmp_path: Path) -> None:
    policy = alert("recording_without_consent", "music") + alert(
        "recording_without_consent", "notice", announcements=["https://cdn.example.com/notice.mp3"]
    )
    async with alerting_client(policy, tmp_path) as server:
        conference, _ = await open_room(server, 1)
        await call(
            server.client,
            "play_audio",
            **everyone(conference),
            audio_url="https://cdn.example.com/notice.mp3",
        )
        await server.after(60)
        await call(server.client, "start_recording", conference_id=conference, format="mp3")
        assert await server.after(1) == ["raised music"]


async def test_webhooks_that_stop_while_a_caller_waits_raise_an_alert_until_one_arrives(tmp_path: Path) -> None:
    async with alerting_client(alert("webhook_gap", after="10m"), tmp_path) as server:
        assert await server.after(3600) == []
        await server.queue_up("+12025550188")
        assert await server.after(599) == []
        assert await server.after(2) == ["raised it"]
        [raised] = await server.events()
        await server.queue_up("+12025550189")
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
    assert raised["payload"]["message"].startswith("No webhook has arrived for more than 10 min")


async def test_an_approval_request_that_is_about_to_expire_raises_an_alert_until_it_is_over(tmp_path: Path) -> None:
    policy = alert("approval_expiring", before="4m")
    async with alerting_client(policy, tmp_path, approval="destructive", approval_ttl="6m") as server:
        conference, _ = await open_room(server, 2)
        waiting = await refusal(server.client, "end_conference", conference_id=conference)
        assert await server.after(1) == []
        server.ledger_clock.move(seconds=121)
        assert await server.after(1) == ["raised it"]
        [raised] = await server.events()
        server.ledger_clock.move(seconds=240)
        await server.after(1)
        assert await server.after(11) == ["cleared it", "raised it"]
    assert raised["payload"]["message"] == "An approval request for end_conference expires in less than 4 min."
    code = waiting.partition("waits as ")[2][:9]
    assert code
    assert code not in json.dumps(raised)


async def test_a_condition_that_comes_and_goes_raises_one_alert(tmp_path: Path) -> None:
    async with alerting_client(alert("on_hold", after="30s", clear_after="20s"), tmp_path) as server:
        conference, legs = await open_room(server, 2)
        held = {"conference_id": conference, "call_control_ids": [legs[1]]}
        await call(server.client, "hold_participants", **held)
        await server.after(31)
        for _ in range(5):
            await call(server.client, "unhold_participants", **held)
            await server.after(15)
            await call(server.client, "hold_participants", **held)
            assert await server.after(5) == ["raised it"]
        await call(server.client, "unhold_participants", **held)
        await server.after(1)
        assert await server.after(21) == ["cleared it", "raised it"]
        await call(server.client, "hold_participants", **held)
        assert await server.after(31) == ["raised it", "cleared it", "raised it"]


async def test_a_raised_alert_is_a_resource_and_stands_on_the_board_until_it_is_cleared(tmp_path: Path) -> None:
    async with alerting_client(alert("queue_wait", after="1m"), tmp_path) as server:
        leg = await server.queue_up("+12025550188")
        await server.after(61)
        raised = await resource(server)
        shown = (await server.board.live())["alerts"]
        table = (await call(server.client, "show_switchboard"))["table"]
        server.hang_up(leg)
        await server.after(1)
        assert await resource(server) == []
        assert (await server.board.live())["alerts"] == []
    [raised_alert] = raised
    assert shown == raised
    assert (raised_alert["alert"], raised_alert["when"], raised_alert["queue"]) == ("it", "queue_wait", "support")
    assert raised_alert["text"] == "+12025550188 has waited in queue 'support' for more than 1 min."
    assert f"Alerts\n  it: {raised_alert['text']}" in table


async def test_a_tool_waits_for_an_alert_and_says_it_in_a_sentence(tmp_path: Path) -> None:
    async with alerting_client(alert("queue_wait", after="1m"), tmp_path) as server:
        await server.queue_up("+12025550188")
        answers: list[dict[str, Any]] = []

        async def wait() -> None:
            answers.append(await call(server.client, "wait_for_event", types=[RAISED], timeout_secs=20))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await server.after(61)
    assert answers[0]["summary"] == "Alert 'it': +12025550188 has waited in queue 'support' for more than 1 min."


async def test_a_mask_of_numbers_holds_for_alerts_too(tmp_path: Path) -> None:
    async with alerting_client(alert("queue_wait", after="1m"), tmp_path, mask_numbers=True) as server:
        await server.queue_up("+12025550188")
        await server.after(61)
        seen = json.dumps([await server.events(), await resource(server)])
    assert "has waited in queue" in seen
    assert "2025550188" not in seen


async def test_an_alert_that_the_policy_drops_is_cleared_at_once(tmp_path: Path) -> None:
    async with alerting_client(alert("queue_wait", after="1m"), tmp_path) as server:
        await server.queue_up("+12025550188")
        assert await server.after(61) == ["raised it"]
        write_policy(tmp_path / "policy.toml", alert("queue_wait", "other", after="1h"))
        assert await server.after(1) == ["cleared it", "raised it"]


async def test_an_event_that_only_poses_as_an_alert_changes_nothing(tmp_path: Path) -> None:
    """An unsigned event, as any program can post it with --insecure-webhooks."""
    async with alerting_client(alert("queue_wait", after="1m"), tmp_path) as server:
        await server.queue_up("+12025550188")
        await server.after(61)
        [raised] = await server.events()
        forged = body_of("forged", CLEARED, **raised["payload"])
        store = await server.service.store()
        await store.add(parse_event(forged, via=Via.WEBHOOK, verified=False, received_at=datetime.now(UTC)), forged)
        assert len(await resource(server)) == 1


async def test_a_telnyx_that_cannot_be_asked_delays_no_alert(tmp_path: Path) -> None:
    async with alerting_client(alert("no_host", after="1m"), tmp_path) as server:
        await open_room(server, 2)
        server.sandbox.faults.add(Fault(kind="status", status=403, path="conferences", times=100))
        assert await server.after(61) == ["raised it"]


def everyone(conference: str) -> dict[str, Any]:
    return {"conference_id": conference, "call_control_ids": ["everyone"]}


async def resource(server: Watched) -> list[dict[str, Any]]:
    [content] = (await server.client.read_resource("telnyx://alerts")).contents
    text: str = getattr(content, "text")  # noqa: B009 (this resource is text)
    return json.loads(text)["alerts"]


async def open_room(server: Watched, people: int, name: str = "Standup") -> tuple[str, list[str]]:
    """A conference of new callers without a host; its id, and their call legs."""
    legs = [server.arrive(f"+1202555020{place}") for place in range(people)]
    opened = await call(server.client, "create_conference", call_control_id=legs[0], name=name)
    conference: str = opened["conference"]["id"]
    for leg in legs[1:]:
        await call(server.client, "join_conference", conference_id=conference, call_control_id=leg)
    return conference, legs


async def test_an_alert_is_pushed_into_the_conversation_and_changes_its_resource(tmp_path: Path) -> None:
    """In the sandbox's scene, a call has waited in the queue `agents` for ten minutes when the server starts."""
    policy = tmp_path / "policy.toml"
    policy.write_text(alert("queue_wait", after="1m", queues=["agents"]))
    env = {"TELNYX_CONFERENCING_DATABASE": f"sqlite:///{tmp_path / 'events.db'}"}
    async with stdio_server("--sandbox", "--policy", str(policy), "--push", "alert.*", env=env) as raw:
        await raw.greet()
        await raw.ask("resources/subscribe", {"uri": "telnyx://alerts"})
        pushed = await raw.until(lambda message: message.get("method") == "notifications/claude/channel")
        updated = {"method": "notifications/resources/updated", "params": {"uri": "telnyx://alerts"}}
        await raw.until(lambda message: updated.items() <= message.items())
    assert pushed["params"]["content"] == ("Alert 'it': +12025550121 has waited in queue 'agents' for more than 1 min.")
    assert pushed["params"]["meta"]["type"] == "alert.raised"
