"""Events as an agent meets them: listed, waited for, read as resources, watched; over stdio, in both eras."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import ResourceTemplateReference

from support.guarded_server import guarded, room, room_at
from support.mcp import call, connected, practice_client, refusal
from support.mcp_in_process import World
from support.stored_events import series
from support.telnyx import open_room, telnyx
from support.webhooks import eventually, free_port, has_all, ids, url_of
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.sandbox import Fault, Sandbox

pytestmark = pytest.mark.anyio

CREATED = {"conference.created", "conference.participant.joined"}


async def waiting(client: Client, queue: str = "support") -> list[str]:
    return [entry["call_control_id"] for entry in (await call(client, "list_queue_calls", queue_name=queue))["calls"]]


async def read(client: Client, uri: str) -> Any:
    [content] = (await client.read_resource(uri)).contents
    text: str = getattr(content, "text")  # noqa: B009 (every resource here is text)
    return json.loads(text) if content.mime_type == "application/json" else text


async def test_a_late_event_is_listed_at_its_own_time_on_every_page(era: str, tmp_path: Path) -> None:
    database = url_of(tmp_path / "events.db")
    async with Store.open(database) as store:
        events = series(6, conference_id="late")
        for event in [*events[:2], *events[3:], events[2]]:
            await store.add(event)
    newest_first = ["e5", "e4", "e3", "e2", "e1", "e0"]
    async with practice_client(era, "--database", database) as client:
        listed, uri = await all_pages(client), "telnyx://conferences/late/events?limit=4"
        first = await read(client, uri)
        second = await read(client, f"{uri}&before={first['before']}")
    assert [event["id"] for event in listed] == newest_first
    assert [event["id"] for event in first["events"] + second["events"]] == newest_first


async def all_pages(client: Client) -> list[Any]:
    """The events of a conference on every page of two."""
    events: list[Any] = []
    position: dict[str, Any] = {}
    while True:
        page = await call(client, "list_events", conference_id="late", limit=2, **position)
        events += page["events"]
        if "next_cursor" not in page:
            return events
        position = {"cursor": page["next_cursor"]}


async def test_the_expected_event_of_a_result_can_be_waited_for_also_after_it_has_happened(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        opened = await call(client, "create_conference", call_control_id=legs[0], name="Standup")
        room = opened["conference"]["id"]
        seen = await call(client, "wait_for_event", types=opened["expect_events"], conference_id=room)
        assert seen["timed_out"] is False
        assert {event["type"] for event in seen["events"]} <= CREATED
        assert all(event["via"] == "sandbox" for event in seen["events"])
        await call(client, "join_conference", conference_id=room, call_control_id=legs[1])
        joined = await call(
            client, "wait_for_event", types=["conference.participant.*"], conference_id=room, call_control_id=legs[1]
        )
    assert [event["call_control_id"] for event in joined["events"]] == [legs[1]]


async def test_a_wait_ends_when_the_event_comes(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, *legs[:2])
        answers: list[dict[str, Any]] = []

        async def wait() -> None:
            answers.append(
                await call(client, "wait_for_event", types=["conference.ended"], conference_id=room, timeout_secs=20)
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await call(client, "end_conference", conference_id=room)
    [answer] = answers
    assert [event["type"] for event in answer["events"]] == ["conference.ended"]
    assert "ended" in answer["summary"]


async def test_a_wait_that_runs_out_says_what_happened_instead(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, legs[0])
        answer = await call(
            client, "wait_for_event", types=["conference.recording.saved"], conference_id=room, timeout_secs=1
        )
    assert answer["timed_out"] is True
    assert answer["events"] == []
    assert {event["type"] for event in answer["instead"]} <= CREATED
    assert "None of conference.recording.saved within 1 s" in answer["summary"]


async def test_events_are_listed_newest_first_by_what_they_are_about_and_paged(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, *legs)
        await call(client, "wait_for_event", types=["conference.participant.joined"], call_control_id=legs[2])
        everything = await call(client, "list_events", conference_id=room, limit=100)
        first = await call(client, "list_events", conference_id=room, limit=2)
        second = await call(client, "list_events", conference_id=room, limit=2, cursor=first["next_cursor"])
        by_call = await call(client, "list_events", call_control_id=legs[1])
        by_queue = await call(client, "list_events", queue_name="support", types=["call.dequeued"])
        read_event = await call(client, "get_event", event_id=everything["events"][0]["id"])
    assert everything["total_results"] == len(everything["events"]) == 4
    assert [e["id"] for e in first["events"] + second["events"]] == [e["id"] for e in everything["events"]]
    assert "next_cursor" not in everything
    assert {event["call_control_id"] for event in by_call["events"]} == {legs[1]}
    assert len(by_queue["events"]) == 3
    assert read_event["event"] == everything["events"][0]


async def test_links_to_recordings_are_shown_only_when_asked_for(era: str) -> None:
    async with practice_client(era) as client:
        room = await open_room(client, (await waiting(client))[0])
        await call(client, "start_recording", conference_id=room, format="mp3")
        stopped = await call(client, "stop_recording", conference_id=room)
        saved = await call(client, "wait_for_event", types=stopped["expect_events"], conference_id=room)
        event_id = saved["events"][0]["id"]
        hidden = [
            json.dumps(await call(client, "get_event", event_id=event_id)),
            json.dumps(await call(client, "list_events")),
            json.dumps(await read(client, f"telnyx://conferences/{room}/events")),
            json.dumps(await call(client, "conference_summary", conference_id=room)),
        ]
    assert not any("https://" in text for text in hidden)


async def test_a_summary_lists_a_bounded_number_of_people() -> None:
    world = World(Sandbox())
    conference_id = room(world.sandbox, people=150)
    async with guarded(world) as client:
        summary = await call(client, "conference_summary", conference_id=conference_id)
    assert len(summary["conference"]["participants"]) == 100
    assert summary["summary"].startswith("Conference 'Standup' is open, 150 people in it. Not listed here: 50 people.")
    assert len(json.dumps(summary)) < 60_000


async def test_a_summary_tells_a_conference_with_where_each_fact_is_from(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, *legs[:2])
        await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[1]])
        summary = await call(client, "conference_summary", conference_id=room)
    people = {person["call_control_id"]: person for person in summary["conference"]["participants"]}
    assert set(people) == set(legs[:2])
    assert people[legs[1]]["muted"]["value"] is True
    assert people[legs[1]]["muted"]["source"] in ("api", "command")
    assert summary["conference"]["name"] == "Standup"
    assert "Conference 'Standup' is open, 2 people in it." in summary["summary"]
    assert summary["figures"] == {"peak_participants": 2, "talk_turns": 0}  # beside what the live picture says already


async def test_practice_goes_by_the_clock_of_the_sandbox(era: str) -> None:
    port = free_port()
    async with practice_client(era, "--sandbox-port", str(port)) as client:
        room = await open_room(client, *(await waiting(client))[:2])
        moved = httpx2.post(
            f"http://127.0.0.1:{port}/sandbox/clock",
            json={"advance_seconds": 600},
            headers={"authorization": "Bearer KEYtests"},
        )
        assert moved.is_success
        summary = await call(client, "conference_summary", conference_id=room)
    assert 600 <= summary["conference"]["seconds"] < 660
    assert all(person["seconds"] >= 600 for person in summary["conference"]["participants"])


async def test_the_list_of_participants_says_who_they_are_and_how_long_they_are_on_hold() -> None:
    async with practice_client("2026-07-28") as client:
        legs = await waiting(client)
        room = await open_room(client, *legs[:2])
        types = ["conference.participant.joined"]
        await call(
            client, "wait_for_event", types=types, conference_id=room, call_control_id=legs[1], since="2020-01-01"
        )
        await call(client, "hold_participants", conference_id=room, call_control_ids=[legs[1]])
        await call(client, "mute_participants", conference_id=room, call_control_ids=[legs[0]])
        page = await call(client, "list_participants", conference_id=room)
    muted, held = (next(who for who in page["participants"] if who["call_control_id"] == leg) for leg in legs[:2])
    assert muted["number"].startswith("+1")
    assert held["number"].startswith("+1")
    assert muted["muted_since"]
    assert held["on_hold_since"]
    assert f"{muted['number']} muted" in page["summary"]
    assert f"{held['number']} on hold for " in page["summary"]


async def test_without_events_the_list_of_participants_says_that_numbers_are_not_known() -> None:
    with telnyx() as line:
        line.sandbox.faults.add(Fault(kind="status", status=403, path="webhook_deliveries"))
        async with connected("--approval", "never", env=line.env) as client:
            room = await open_room(client, *line.waiting()[:2])
            page = await call(client, "list_participants", conference_id=room)
    assert page["summary"].endswith(" Their numbers are not known: this server receives no events.")


async def test_a_conference_is_summed_up_by_its_name_too() -> None:
    async with practice_client("2026-07-28") as client:
        legs = await waiting(client)
        opened = await call(client, "create_conference", call_control_id=legs[0], name="Standup")
        summary = await call(client, "conference_summary", conference_id="Standup")
        everything = await call(client, "list_events", conference_id="Standup")
    room = opened["conference"]["id"]
    assert (summary["conference"]["id"], summary["conference"]["name"]) == (room, "Standup")
    assert {event["conference_id"] for event in everything["events"]} == {room}


async def test_every_stored_type_of_event_can_be_listed(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    async with Store.open(url_of(database)) as store:
        for number, event_type in enumerate(("streaming.started", "call_initiated", "fax.received")):
            body = b'{"id": "%d", "event_type": "%b", "payload": {}}' % (number, event_type.encode())
            await store.add(parse_event(body, via=Via.WEBHOOK, verified=True, received_at=datetime.now(UTC)), body)
    async with practice_client("2026-07-28", "--database", url_of(database)) as client:
        for event_type in ("streaming.started", "call_initiated", "fax.received", "streaming.*"):
            page = await call(client, "list_events", types=[event_type])
            assert page["total_results"] == 1, event_type


async def test_a_type_that_is_misspelt_is_doubted_when_nothing_is_found(era: str) -> None:
    async with practice_client(era) as client:
        found = await call(client, "list_events", types=["conference.particpant.joined"])
    assert found["summary"].startswith("No events. 'conference.particpant.joined' is not a documented type")
    assert found["summary"].endswith("Did you mean conference.participant.joined?")


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("get_event", {"event_id": "nope"}, "There is no event 'nope'"),
        ("list_events", {"since": "yesterday"}, "ISO 8601"),
        ("wait_for_event", {"types": []}, "types must not be an empty list"),
        ("wait_for_event", {"types": ["x"], "timeout_secs": 601}, "from 1 to 600"),
        ("conference_summary", {"conference_id": "Standup"}, "404"),
        ("wait_for_event", {"types": ["participant.joined"]}, "Did you mean conference.participant.joined?"),
    ],
)
async def test_an_invalid_argument_is_answered_with_what_to_do(
    tool: str, arguments: dict[str, Any], message: str
) -> None:
    async with practice_client("2025-11-25") as client:
        assert message in await refusal(client, tool, **arguments)


async def test_conferences_from_before_the_first_event_are_read_too(era: str) -> None:
    with telnyx() as phone:
        room = room_at(phone, people=2)
        before = len(phone.commands())
        async with connected(era=era, env=phone.env) as client:
            [conference] = (await read(client, "telnyx://conferences"))["conferences"]
            conference_view = await read(client, f"telnyx://conferences/{room}")
            queues = {queue["name"]: queue for queue in (await read(client, "telnyx://queues"))["queues"]}
        assert len(phone.commands()) == before
    assert (conference["id"], conference["name"], conference["present"]) == (room, "Standup", 2)
    assert len(conference_view["participants"]) == 2
    assert [call["position"] for call in queues["support"]["calls"]] == [1, 2, 3]


async def test_the_scene_is_there_from_the_first_question_on(era: str) -> None:
    async with practice_client(era) as client:
        queues = (await read(client, "telnyx://queues"))["queues"]
    assert {queue["name"]: queue["size"] for queue in queues} == {"agents": 1, "supervisors": 1, "support": 3}


async def test_every_resource_can_be_read_and_a_missing_one_is_a_protocol_error(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, *legs[:2])
        await call(client, "wait_for_event", types=["conference.participant.joined"], call_control_id=legs[1])
        listed = {str(resource.uri) for resource in (await client.list_resources()).resources}
        templates = {resource.uri_template for resource in (await client.list_resource_templates()).resource_templates}
        events = await read(client, "telnyx://events?limit=3&type=conference.participant.joined")
        page = await read(client, f"telnyx://events?limit=1&before={10**9}")
        resource = await read(client, f"telnyx://events/{events['events'][0]['id']}")
        rooms = await read(client, "telnyx://conferences")
        live = await read(client, f"telnyx://conferences/{room}")
        timeline = await read(client, f"telnyx://conferences/{room}/timeline")
        [drawn] = (await client.read_resource(f"telnyx://conferences/{room}/timeline.svg")).contents
        queues = await read(client, "telnyx://queues")
        support = await read(client, "telnyx://queues/support")
        await read(client, "telnyx://queues/support/events")
        await read(client, f"telnyx://calls/{legs[0]}/events")
        for missing in (
            "telnyx://events/x",
            "telnyx://conferences/x",
            "telnyx://conferences/x/timeline.svg",
            "telnyx://queues/x",
            "telnyx://calls/x/events",
            "x://y",
        ):
            with pytest.raises(Exception, match=r"[Nn]o ") as error:
                await client.read_resource(missing)
            assert getattr(error.value, "code", None) == -32602
    assert {"telnyx://events", "telnyx://conferences", "telnyx://queues", f"telnyx://conferences/{room}"} <= listed
    assert len(templates) >= 8
    assert {event["type"] for event in events["events"]} == {"conference.participant.joined"}
    assert page["before"] > 0
    assert resource["type"] == "conference.participant.joined"
    assert [entry["id"] for entry in rooms["conferences"]] == [room]
    assert [person["call_control_id"] for person in live["participants"]] == legs[:2]
    assert "+0:00" in timeline
    assert drawn.mime_type == "image/svg+xml"
    assert {"+12025550111", "+12025550112"} <= set(svg_texts(drawn))
    assert {queue["name"] for queue in queues["queues"]} == {"support", "agents", "supervisors"}
    assert [entry["call_control_id"] for entry in support["calls"]] == legs[2:]


def svg_texts(drawn: Any) -> list[str | None]:
    """The texts in a picture."""
    return [text.text for text in ElementTree.fromstring(drawn.text).iter("{http://www.w3.org/2000/svg}text")]


async def test_a_masked_timeline_is_drawn_the_same_with_masked_texts(era: str) -> None:
    async with practice_client(era, "--mask-numbers") as client:
        legs = await waiting(client)
        room = await open_room(client, *legs)
        await call(client, "wait_for_event", types=["conference.participant.joined"], call_control_id=legs[-1])
        [drawn] = (await client.read_resource(f"telnyx://conferences/{room}/timeline.svg")).contents
        text: str = getattr(drawn, "text")  # noqa: B009 (every resource here is text)
    assert {"+*******0111", "+*******0112", "+*******0113"} <= set(svg_texts(drawn))
    assert "+1202555" not in text
    assert 'viewBox="0 0 1080 ' in text
    assert not [shape for shape in text.split('d="')[1:] if "*" in shape.partition('"')[0]]


async def test_template_variables_complete_from_live_data(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        room = await open_room(client, legs[0])
        await call(client, "wait_for_event", types=["conference.created"], conference_id=room)

        async def complete(template: str, name: str, value: str) -> list[str]:
            reference = ResourceTemplateReference(uri=template)
            return (await client.complete(reference, {"name": name, "value": value})).completion.values

        assert await complete("telnyx://conferences/{conference_id}", "conference_id", room[:4]) == [room]
        picture = "telnyx://conferences/{conference_id}/timeline.svg"
        assert await complete(picture, "conference_id", room[:4]) == [room]
        assert await complete("telnyx://queues/{queue_name}", "queue_name", "su") == ["support", "supervisors"]
        assert legs[0] in await complete("telnyx://calls/{call_control_id}/events", "call_control_id", "v3:")
        assert await complete("telnyx://conferences/{conference_id}", "conference_id", "zzz") == []


async def test_a_subscribed_resource_is_notified_with_subscriptions_listen() -> None:
    async with practice_client("2026-07-28") as client:
        legs = await waiting(client)
        room = await open_room(client, legs[0])
        uri = f"telnyx://conferences/{room}"
        async with client.listen(resources_list_changed=True, resource_subscriptions=[uri]) as changes:
            await call(client, "join_conference", conference_id=room, call_control_id=legs[1])
            await call(client, "end_conference", conference_id=room)
            seen: set[str] = set()
            with anyio.fail_after(10):
                async for change in changes:
                    seen.add("list" if isinstance(change, ResourcesListChanged) else "")
                    seen.add(change.uri if isinstance(change, ResourceUpdated) else "")
                    if {"list", uri} <= seen:
                        break
    assert {"list", uri} <= seen


def place(entry: dict[str, Any]) -> tuple[int, str, str | None]:
    return entry["position"], entry["call_control_id"], entry.get("source")


async def test_a_queue_resource_has_the_fields_that_only_telnyx_knows(era: str) -> None:
    async with practice_client(era) as client:
        legs = await waiting(client)
        await call(client, "wait_for_event", types=["call.enqueued"], call_control_id=legs[-1], since="2020-01-01")
        await call(client, "update_queue", queue_name="support", max_size=7)
        support = await read(client, "telnyx://queues/support")
        await call(client, "create_queue", queue_name="night shift")
        empty = await read(client, "telnyx://queues/night%20shift")
    assert [place(entry) for entry in support["calls"]] == [(at, leg, None) for at, leg in enumerate(legs, 1)]
    assert (support["max_size"]["value"], support["max_size"]["source"]) == (7, "api")
    assert support["api_asked_at"]
    assert (empty["size"], empty["calls"]) == (0, [])


async def test_calls_that_no_event_tells_of_any_more_are_seen_in_their_queue(era: str) -> None:
    with telnyx() as line:
        line.sandbox.faults.add(Fault(kind="status", status=403, path="webhook_deliveries"))
        async with connected("--approval", "never", era=era, env=line.env) as client:
            nothing = await call(client, "list_events")
            support = await read(client, "telnyx://queues/support")
            legs = line.waiting()
        queued = line.request("GET", "/v2/queues/support/calls")["data"]
    assert nothing["events"] == []
    assert [place(entry) for entry in support["calls"]] == [(at, leg, "api") for at, leg in enumerate(legs, 1)]
    assert [entry["since"][:19] for entry in support["calls"]] == [
        queued_call["enqueued_at"][:19] for queued_call in queued
    ]


async def test_a_queue_resource_has_only_the_facts_from_events_when_telnyx_cannot_be_asked(era: str) -> None:
    with telnyx() as line:
        line.sandbox.faults.add(Fault(kind="status", status=403, path="queues"))
        async with connected("--approval", "never", era=era, env=line.env) as client:
            await eventually(partial(has_all, client, ids(line.sandbox)))
            support = await read(client, "telnyx://queues/support")
            with pytest.raises(
                Exception, match=r"There is no event of a queue x\. Telnyx refused get_queue"
            ) as unknown:
                await client.read_resource("telnyx://queues/x")
    assert [place(entry)[::2] for entry in support["calls"]] == [(1, None), (2, None), (3, None)]
    assert not {"api_asked_at", "max_size"} & set(support)
    assert getattr(unknown.value, "code", None) == -32602


async def test_an_invalid_queue_name_is_no_resource(era: str) -> None:
    async with practice_client(era) as client:
        for name in ("%2E%2E", "x" * 256):
            with pytest.raises(Exception, match="is not a valid queue name") as error:
                await client.read_resource(f"telnyx://queues/{name}")
            assert getattr(error.value, "code", None) == -32602
