"""Approval cards: where a host renders pages and cannot be asked, a person answers by a secret that no model sees."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from support.guarded_server import Clock, Person, audit_entries, changes, code_in, guarded, overheard, room
from support.mcp import call, closes, refusal, text, yes
from support.mcp_apps import CARD, PENDING, RENDERS
from support.mcp_http import site
from support.mcp_in_process import World

pytestmark = pytest.mark.anyio

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def holds(directory: Path, wanted: bytes) -> bool:
    """Whether this stands in one of the files there."""
    return any(wanted in file.read_bytes() for file in directory.iterdir())


async def left_open(client: Client, conference_id: str) -> str:
    """Have a question about the end of a conference wait; its code."""
    return code_in(await refusal(client, "end_conference", conference_id=conference_id))


async def open_card(client: Client, code: str) -> str:
    """Have its card shown; the secret that the page gets."""
    result = await client.call_tool("show_approval", {"approval": code})
    assert not result.is_error, text(result)
    assert result.meta is not None
    handed: dict[str, str] = result.meta[CARD]
    assert handed["approval"] == code
    return handed["secret"]


async def decide(client: Client, code: str, secret: str, *, approves: bool = True) -> str:
    result = await client.call_tool("decide_approval", {"approval": code, "secret": secret, "yes": approves})
    return text(result)


async def test_a_refusal_says_that_there_is_a_card(era: str) -> None:
    world = World()
    async with guarded(world, era=era, extensions=RENDERS) as client:
        result = await client.call_tool("end_conference", {"conference_id": room(world.sandbox)})
    code = code_in(text(result))
    assert text(result).endswith(f"call show_approval with approval {code}, then wait.")
    assert result.meta is not None
    assert result.meta[PENDING] == code


async def test_approve_on_the_card_lets_the_call_through_once(era: str) -> None:
    world = World()
    conference_id = room(world.sandbox)
    async with guarded(world, era=era, extensions=RENDERS) as client:
        code = await left_open(client, conference_id)
        assert await decide(client, code, await open_card(client, code)) == f"A person approved {code}."
        assert changes(world.sandbox) == []
        await call(client, "end_conference", conference_id=conference_id)
    assert changes(world.sandbox) == [f"POST /conferences/{conference_id}/actions/end"]


async def test_reject_on_the_card_is_final(era: str) -> None:
    world = World()
    conference_id = room(world.sandbox)
    async with guarded(world, era=era, extensions=RENDERS) as client:
        code = await left_open(client, conference_id)
        assert await decide(client, code, await open_card(client, code), approves=False) == f"A person rejected {code}."
        assert "said no" in await refusal(client, "end_conference", conference_id=conference_id)
    assert changes(world.sandbox) == []


async def test_a_card_shows_what_will_be_touched() -> None:
    world = World()
    async with guarded(world, extensions=RENDERS) as client:
        code = await left_open(client, room(world.sandbox, "Standup", 2))
        result = await call(client, "show_approval", approval=code)
    assert result["summary"].endswith("If they see no card, they answer as the refusal says.")
    shown: dict[str, Any] = result["approval"]
    assert shown["question"].startswith("End conference 'Standup'? 2 people are in it")
    assert {name: shown[name] for name in ("code", "tool", "risk")} == {
        "code": code,
        "tool": "end_conference",
        "risk": "destructive",
    }


async def test_a_code_is_on_the_board_only_if_its_card_can_be_shown() -> None:
    world, person = World(), Person(closes)
    conference_id = room(world.sandbox)
    async with guarded(world, extensions=RENDERS) as client:
        code = await left_open(client, conference_id)
        assert code in json.dumps(await call(client, "show_switchboard"))
    async with guarded(world) as text_only:
        code = await left_open(text_only, conference_id)
        table: str = (await call(text_only, "show_switchboard"))["table"]
        assert "end_conference, destructive, " in table
        assert code not in table
    async with guarded(world, answering=person.slowly, extensions=RENDERS) as asked:
        code = await left_open(asked, conference_id)
        assert code not in json.dumps(await call(asked, "show_switchboard"))


@pytest.mark.parametrize("wrong", ["0" * 64, "yes", "{code}"])
async def test_without_the_secret_no_client_can_decide(wrong: str) -> None:
    world = World()
    conference_id = room(world.sandbox)
    async with guarded(world, extensions=RENDERS) as client:
        code = await left_open(client, conference_id)
        await open_card(client, code)
        assert "nothing was decided" in await decide(client, code, wrong.format(code=code))
        refused = await client.call_tool("decide_approval", {"approval": code, "yes": True})
        assert refused.is_error
        assert await left_open(client, conference_id) == code


async def test_a_secret_is_spent_by_being_used() -> None:
    world = World()
    conference_id = room(world.sandbox)
    async with guarded(world, extensions=RENDERS) as client:
        code = await left_open(client, conference_id)
        secret = await open_card(client, code)
        await decide(client, code, secret)
        await call(client, "end_conference", conference_id=conference_id)
        assert "already" in await decide(client, code, secret)


async def test_a_newer_card_makes_the_older_one_void() -> None:
    world = World()
    async with guarded(world, extensions=RENDERS) as client:
        code = await left_open(client, room(world.sandbox))
        older, newer = await open_card(client, code), await open_card(client, code)
        assert "nothing was decided" in await decide(client, code, older)
        assert "approved" in await decide(client, code, newer)


async def test_a_secret_answers_no_other_question() -> None:
    world = World()
    async with guarded(world, extensions=RENDERS) as client:
        one = await left_open(client, room(world.sandbox, "One"))
        other = await left_open(client, room(world.sandbox, "Other"))
        assert "nothing was decided" in await decide(client, other, await open_card(client, one))


async def test_a_card_ends_with_its_question() -> None:
    world, clock = World(), Clock(DAY)
    async with guarded(world, clock=clock, extensions=RENDERS) as client:
        code = await left_open(client, room(world.sandbox))
        secret = await open_card(client, code)
        clock.move(minutes=5)
        assert f"{code} is expired already" in await decide(client, code, secret)


async def test_another_conversation_can_neither_show_the_card_nor_use_its_secret(tmp_path: Path) -> None:
    async with (
        site("--sandbox", home=tmp_path, env={}) as served,
        served.client(extensions=RENDERS) as client,
        served.client(extensions=RENDERS) as other,
    ):
        queued = (await call(client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        opened = await call(client, "create_conference", call_control_id=queued, name="Standup")
        code = await left_open(client, opened["conference"]["id"])
        assert "in this conversation" in await refusal(other, "show_approval", approval=code)
        shown = (await call(other, "show_switchboard"))["board"]
        assert (shown["approvals"], shown["others_waiting"]) == ([], 1)
        assert "nothing was decided" in await decide(other, code, await open_card(client, code))
        [own] = (await call(client, "show_switchboard"))["board"]["approvals"]
        assert own["code"] == code


async def test_a_host_that_can_be_asked_is_asked_and_has_no_cards(era: str) -> None:
    world, person = World(), Person(yes)
    conference_id = room(world.sandbox)
    async with guarded(world, era=era, answering=person.slowly, extensions=RENDERS) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        assert "No card can be shown" in await refusal(client, "show_approval", approval="AAAA-AAAA")
        await call(client, "end_conference", conference_id=conference_id)
    assert offered.isdisjoint({"show_approval", "decide_approval"})
    assert len(person.questions) == 1


async def test_a_host_without_pages_has_no_cards(era: str) -> None:
    world = World()
    async with guarded(world, era=era) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        code = await left_open(client, room(world.sandbox))
        assert "No card can be shown" in await refusal(client, "show_approval", approval=code)
    assert offered.isdisjoint({"show_approval", "decide_approval"})


async def test_the_button_is_for_the_page_alone(era: str) -> None:
    async with guarded(World(), era=era, extensions=RENDERS) as client:
        await call(client, "show_switchboard")
        tools = {tool.name: tool.meta or {} for tool in (await client.list_tools()).tools}
    assert tools["decide_approval"]["ui"]["visibility"] == ["app"]
    assert "visibility" not in tools["show_approval"]["ui"]


async def test_a_secret_is_nowhere_but_in_the_meta_of_its_card(tmp_path: Path) -> None:
    env = {"TELNYX_CONFERENCING_AUDIT_CONTENT": "true"}
    logs = ("--log-level", "debug", "--log-format", "json")
    async with overheard("--sandbox", *logs, home=tmp_path, env=env, extensions=RENDERS) as heard:
        queued = (await call(heard.client, "list_queue_calls", queue_name="support"))["calls"][0]["call_control_id"]
        opened = await call(heard.client, "create_conference", call_control_id=queued, name="Standup")
        code = await left_open(heard.client, opened["conference"]["id"])
        result = await heard.client.call_tool("show_approval", {"approval": code})
        secret: str = (result.meta or {})[CARD]["secret"]
        assert len(bytes.fromhex(secret)) * 8 == 256
        assert secret not in json.dumps([block.model_dump() for block in result.content])
        assert secret not in json.dumps(result.structured_content)
        results = [await decide(heard.client, code, f"{secret}0"), await decide(heard.client, code, secret)]
        results += [await decide(heard.client, code, secret), json.dumps(await call(heard.client, "show_switchboard"))]
        await heard.until("decide_approval")
    assert secret not in "".join(results)
    assert secret not in heard.log.read_text()
    assert not holds(tmp_path, secret.encode())
    entries = await audit_entries(tmp_path / "events.db")
    assert secret not in json.dumps(entries)
    [decision] = [entry for entry in entries if entry["outcome"] == "approved by a person"]
    assert {name: decision[name] for name in ("by", "code", "tool")} == {
        "by": "approval card",
        "code": code,
        "tool": "end_conference",
    }
