"""The main job as a story: a real MCP client, the server as a host starts it, and the embedded Telnyx.

Each step prints what was asked, what was sent and what came back, and is checked against the sandbox's own state.
"""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import anyio
import click
import httpx2
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent, TextResourceContents

from ..tools.words import shortened
from .embedded import LOOPBACK, listen

_WIDTH = 100


class DemoFailed(Exception):
    """A step did not do what it said."""


@dataclass
class _Telnyx:
    """The sandbox's own view, over its HTTP port."""

    http: httpx2.AsyncClient
    seen: int = 0

    async def state(self) -> dict[str, Any]:
        return (await self.http.get("/sandbox/state")).json()["data"]

    async def new_commands(self) -> list[str]:
        """What has reached Telnyx since the last time, beside questions about the state."""
        requests: list[dict[str, Any]] = (await self.http.get("/sandbox/requests")).json()["data"]
        new, self.seen = requests[self.seen :], len(requests)
        return [_request_line(request) for request in new if request["method"] != "GET"]

    async def conference(self) -> dict[str, Any]:
        return (await self.state())["conferences"][-1]

    async def participants(self) -> dict[str, dict[str, Any]]:
        """Those in the conference, by call leg."""
        people = (await self.conference())["participants"]
        return {person["call_control_id"]: person for person in people if person["status"] == "joined"}


@dataclass
class _Story:
    """The client's side: speaks to the server, answers its questions, prints."""

    client: Client
    telnyx: _Telnyx
    answers: Iterator[bool]
    steps: int = 0
    names: dict[str, str] = field(default_factory=dict[str, str])

    async def step(self, asked: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """One tool call that must succeed; its structured content."""
        result = await self._call(asked, tool, arguments)
        if result.is_error:
            raise DemoFailed(f"{tool} failed: {_text(result)}")
        content: dict[str, Any] = result.structured_content or {}
        self._line("came back", content["summary"])
        return content

    async def refused_step(self, asked: str, tool: str, **arguments: Any) -> None:
        """One tool call that must be refused."""
        result = await self._call(asked, tool, arguments)
        if not result.is_error:
            raise DemoFailed(f"{tool} was not refused")
        self._line("came back", _text(result))

    async def _call(self, asked: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        self.steps += 1
        click.echo()
        click.secho(f"{self.steps:2}. {asked}", bold=True)
        said = {name: value for name, value in arguments.items() if name != "conference_id"}
        self._line("tool", f"{tool} {json.dumps(said, ensure_ascii=False)}" if said else tool, most=1)
        result = await self.client.call_tool(tool, arguments)
        for command in await self.telnyx.new_commands():
            self._line("sent", command, most=1)
        return result

    def ask(self, question: str) -> ElicitResult:
        """A person's answer to the server's question."""
        approve = next(self.answers)
        self._line("asks you", question)
        self._line("you say", "yes" if approve else "no")
        return ElicitResult(action="accept", content={"approve": True}) if approve else ElicitResult(action="decline")

    def check(self, what: str, *, holds: bool) -> None:
        """A fact of the sandbox's state that the step should have brought about."""
        if not holds:
            raise DemoFailed(f"not so in the sandbox: {what}")
        self._line("checked", what, fg="green")

    async def wait(self, done: dict[str, Any], *types: str, **about: Any) -> None:
        """Wait for the webhook events that a result says to expect."""
        wanted = list(types or done["expect_events"])
        seen = await self.client.call_tool("wait_for_event", {"types": wanted, **about})
        content: dict[str, Any] = seen.structured_content or {}
        if seen.is_error or content["timed_out"]:
            raise DemoFailed(f"no {' or '.join(wanted)}: {_text(seen)}")
        self._line("event", content["summary"], most=2)

    def named(self, text: str) -> str:
        """The text with ids replaced by the names of this story."""
        for leg, name in self.names.items():
            text = text.replace(leg, name).replace(shortened(leg), name)
        return text

    def _line(self, label: str, text: str, most: int = 4, **style: Any) -> None:
        lines = textwrap.wrap(self.named(text), _WIDTH, max_lines=most, placeholder=" ...")
        for number, line in enumerate(lines):
            click.echo(f"    {label if number == 0 else '':>9} ", nl=False)
            click.secho(line, **style)


def _request_line(request: dict[str, Any]) -> str:
    given: dict[str, Any] = request["body"] or {}
    body = {name: value for name, value in given.items() if name != "command_id"}
    shown = f" {json.dumps(body, ensure_ascii=False)}" if body else ""
    return f"{request['method']} {request['path']}{shown}"


def _text(result: CallToolResult) -> str:
    block = result.content[0]
    return block.text if isinstance(block, TextContent) else ""


async def _tell(story: _Story) -> None:
    telnyx = story.telnyx
    await story.step("Who is waiting?", "list_queues")
    waiting = (await story.step("Show me the support queue.", "list_queue_calls", queue_name="support"))["calls"]
    [agent] = (await story.step("Who can answer?", "list_queue_calls", queue_name="agents"))["calls"]
    [listener] = (await story.step("And who supervises?", "list_queue_calls", queue_name="supervisors"))["calls"]
    anna, ben, supervisor = (call["call_control_id"] for call in (waiting[0], agent, listener))
    carol = waiting[1]["call_control_id"]
    story.names = {anna: "v3:caller-1", carol: "v3:caller-2", ben: "v3:agent", supervisor: "v3:supervisor"}
    state = await telnyx.state()
    story.check("three callers wait, nobody is in a conference", holds=len(waiting) == 3 and not state["conferences"])

    opened = await story.step(
        "Open a conference with the caller who has waited longest.",
        "create_conference",
        call_control_id=anna,
        name="Delivery 4711",
    )
    room = opened["conference"]["id"]
    story.names[room] = "<Delivery 4711>"
    await story.wait(opened, conference_id=room)
    story.check("caller 1 is in it and no longer in the queue", holds=list(await telnyx.participants()) == [anna])

    await story.step("Bring the agent in.", "join_conference", conference_id=room, call_control_id=ben)
    joined = await story.step("And the second caller.", "join_conference", conference_id=room, call_control_id=carol)
    await story.wait(joined, conference_id=room, call_control_id=carol)
    story.check("three people are in it", holds=set(await telnyx.participants()) == {anna, ben, carol})

    await story.step("Everyone on hold.", "hold_participants", conference_id=room, call_control_ids="everyone")
    story.check("all three are on hold", holds=_all(await telnyx.participants(), "on_hold"))

    words = "Please hold the line. We will be back in two minutes."
    spoken = await story.step(
        "Tell them two minutes.",
        "speak_text",
        conference_id=room,
        call_control_ids="everyone",
        payload=words,
        voice="AWS.Polly.Joanna",
    )
    await story.wait(spoken, conference_id=room)
    story.check("the text is being spoken", holds=len((await telnyx.state())["playing"]) == 1)

    await story.step("Back from hold.", "unhold_participants", conference_id=room, call_control_ids="everyone")
    story.check("nobody is on hold", holds=not _any(await telnyx.participants(), "on_hold"))

    await story.step("Mute caller 2.", "mute_participants", conference_id=room, call_control_ids=[carol])
    muted = [leg for leg, person in (await telnyx.participants()).items() if person["muted"]]
    story.check("caller 2 is muted, the others are not", holds=muted == [carol])

    await story.step("Record it.", "start_recording", conference_id=room, format="mp3", play_beep=True)
    recordings = (await telnyx.state())["recordings"]
    story.check("a recording is running", holds=[one["status"] for one in recordings] == ["recording"])

    await story.step(
        "Let the supervisor listen in.",
        "join_conference",
        conference_id=room,
        call_control_id=supervisor,
        supervisor_role="monitor",
    )
    heard = (await telnyx.participants())[supervisor]
    story.check("the supervisor hears all and is muted", holds=heard["muted"])

    await story.refused_step("End the conference. (You change your mind.)", "end_conference", conference_id=room)
    story.check("nothing was sent, four people are still in it", holds=len(await telnyx.participants()) == 4)

    ended = await story.step("End the conference.", "end_conference", conference_id=room)
    await story.wait(ended, "conference.ended", conference_id=room)
    legs = {leg["call_control_id"]: leg["is_alive"] for leg in (await telnyx.state())["legs"]}
    over = (await telnyx.conference())["status"] == "completed"
    story.check("it is over and all four are hung up", holds=over and not any(map(legs.get, story.names)))

    await _show_timeline(story, room)


async def _show_timeline(story: _Story, room: str) -> None:
    """What happened, as the server tells it from the events."""
    click.echo()
    click.secho("What happened, read from telnyx://conferences/<Delivery 4711>/timeline", bold=True)
    [content] = (await story.client.read_resource(f"telnyx://conferences/{quote(room, safe='')}/timeline")).contents
    if not isinstance(content, TextResourceContents) or "ended" not in content.text:
        raise DemoFailed("the timeline does not say that the conference ended")
    for line in content.text.splitlines():
        click.echo(f"    {story.named(line)}")


def _all(people: dict[str, dict[str, Any]], state: str) -> bool:
    return bool(people) and all(person[state] for person in people.values())


def _any(people: dict[str, dict[str, Any]], state: str) -> bool:
    return any(person[state] for person in people.values())


_ANSWERS = (True, True, False, True)
"""Recording: yes. Listening in: yes. Ending: no, then yes."""


async def _run() -> int:
    started = time.monotonic()
    with listen(0) as probe:
        port = probe.getsockname()[1]
    process = StdioServerParameters(
        command=sys.executable,
        args=["-m", "telnyx_conferencing.server", "serve", "--sandbox", "--sandbox-port", str(port)],
        env=dict(os.environ),
    )
    asking: list[Callable[[str], ElicitResult]] = []

    async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return asking[0](params.message)

    http = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", headers={"Authorization": "Bearer KEYdemo"})
    async with http, Client(stdio_client(process), elicitation_callback=elicited) as client:
        story = _Story(client, _Telnyx(http), iter(_ANSWERS))
        asking.append(story.ask)
        tools = (await client.list_tools()).tools
        click.echo(f"telnyx-conferencing on stdio, MCP {client.protocol_version}, {len(tools)} tools, embedded Telnyx")
        try:
            await _tell(story)
        except Exception as failed:  # whatever it is, the story is not true
            click.secho(f"\nThe demo failed: {failed!r}", fg="red", err=True)
            return 1
        click.echo()
        click.secho(f"Done: {story.steps} tool calls, each checked, in {time.monotonic() - started:.1f} s.", bold=True)
    return 0


def run() -> int:
    """Tell the story; the exit code, 1 as soon as a step does not hold."""
    return anyio.run(_run)
