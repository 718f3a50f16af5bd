"""`demo`: a whole conference on the sandbox, through a real MCP client and the server as a host starts it.

Each step prints the request, the tool call and its result. The demo checks each step against the sandbox's own state.
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

from ...tools.text import short_id
from ..adapters.sandbox_transport import LOOPBACK, listen

_WIDTH = 100


@click.command()
def demo() -> None:
    """Run a whole conference on the sandbox, step by step.

    It needs no account and calls nobody. The exit code is 1 if a step does not do what it says.

    \b
    Example:
      telnyx-conferencing demo
    """
    sys.exit(anyio.run(_run))


class DemoFailed(Exception):
    """A step did not do what it said."""


@dataclass
class _Telnyx:
    """The sandbox's own view, over its HTTP port."""

    http: httpx2.AsyncClient

    async def state(self) -> dict[str, Any]:
        return (await self.http.get("/sandbox/state")).json()["data"]

    async def pass_time(self, seconds: int) -> None:
        """Let people talk for a while: the sandbox's clock moves on, and the server goes by it."""
        (await self.http.post("/sandbox/clock", json={"advance_seconds": seconds})).raise_for_status()

    async def conference(self) -> dict[str, Any]:
        return (await self.state())["conferences"][-1]

    async def participants(self) -> dict[str, dict[str, Any]]:
        """Those in the conference, by call leg."""
        people = (await self.conference())["participants"]
        return {person["call_control_id"]: person for person in people if person["status"] == "joined"}

    async def reached(self) -> dict[str, str]:
        """The call legs that were dialled, by number."""
        legs = (await self.state())["legs"]
        return {leg["to"]: leg["call_control_id"] for leg in legs if leg["direction"] == "outgoing"}


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
        self._line("came back", content["summary"], most=2)
        return content

    async def refused_step(self, asked: str, tool: str, **arguments: Any) -> None:
        """One tool call that must be refused."""
        result = await self._call(asked, tool, arguments)
        if not result.is_error:
            raise DemoFailed(f"{tool} was not refused")
        self._line("came back", _text(result))

    async def _call(self, asked: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        self.steps += 1
        click.secho(f"{self.steps:2}. {asked}", bold=True)
        said = {name: value for name, value in arguments.items() if name != "conference_id"}
        self._line("tool", f"{tool} {json.dumps(said, ensure_ascii=False)}" if said else tool, most=2)
        return await self.client.call_tool(tool, arguments)

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
            text = text.replace(leg, name).replace(short_id(leg), name)
        return text

    def _line(self, label: str, text: str, most: int = 4, **style: Any) -> None:
        lines = textwrap.wrap(self.named(text), _WIDTH, max_lines=most, placeholder=" ...")
        for number, line in enumerate(lines):
            click.echo(f"    {label if number == 0 else '':>9} ", nl=False)
            click.secho(line, **style)


def _text(result: CallToolResult) -> str:
    block = result.content[0]
    return block.text if isinstance(block, TextContent) else ""


_ANN, _BEN, _CAROL, _DORA = "+12025550151", "+12025550152", "+12025550198", "+12025550153"
"""Carol's line is busy: the embedded Telnyx plays the far ends by number."""
_ROOM = "Delivery 4711"
_CONSENT = "This call is recorded. Please hang up now if you do not agree."


async def _tell(story: _Story) -> None:
    room = await _call_people_in(story)
    await _record_with_consent(story, room)
    await _wrap_up(story, room)
    await _show_timeline(story, room)


async def _call_people_in(story: _Story) -> str:
    """Three are called, two pick up; a fourth takes the place of the third. The conference's id."""
    telnyx = story.telnyx
    into = {"conference_name": _ROOM}
    dialled = await story.step(
        "Call Ann, Ben and Carol into a conference.", "dial", to=[_ANN, _BEN, _CAROL], conference_config=into
    )
    ann, ben, carol = map((await telnyx.reached()).__getitem__, (_ANN, _BEN, _CAROL))
    story.names = {ann: "v3:ann", ben: "v3:ben", carol: "v3:carol"}
    await story.wait(dialled, "conference.participant.joined", call_control_id=ben)
    await story.wait(dialled, "call.hangup", call_control_id=carol)
    found = await story.step("Who is there?", "list_conferences", filter={"name": _ROOM})
    room: str = found["conferences"][0]["id"]
    story.names[room] = f"<{_ROOM}>"
    story.check("Ann and Ben are in it", holds=set(await telnyx.participants()) == {ann, ben})

    dialled = await story.step("Carol is busy. Call Dora.", "dial", to=_DORA, conference_config={"id": room})
    dora: str = dialled["call"]["call_control_id"]
    story.names[dora] = "v3:dora"
    await story.wait(dialled, "conference.participant.joined", call_control_id=dora)
    return room


async def _record_with_consent(story: _Story, room: str) -> None:
    """They are told, a person agrees, and the conference is recorded."""
    telnyx = story.telnyx
    everyone = {"conference_id": room, "call_control_ids": "everyone"}
    spoken = await story.step("Tell them that we record.", "speak_text", payload=_CONSENT, voice="female", **everyone)
    await story.wait(spoken, "conference.speak.started", conference_id=room)
    await telnyx.pass_time(20)
    await story.step("Record it.", "start_recording", conference_id=room, format="mp3")
    running = [one["status"] for one in (await telnyx.state())["recordings"]]
    story.check("a recording is running", holds=running == ["recording"])
    await telnyx.pass_time(95)
    dora = next(leg for leg, name in story.names.items() if name == "v3:dora")
    await story.step("Mute Dora, her line is noisy.", "mute_participants", conference_id=room, call_control_ids=[dora])
    muted = [leg for leg, person in (await telnyx.participants()).items() if person["muted"]]
    story.check("Dora is muted, the others are not", holds=muted == [dora])


async def _wrap_up(story: _Story, room: str) -> None:
    """It is ended, after a change of mind, and summed up."""
    telnyx = story.telnyx
    await telnyx.pass_time(240)
    await story.refused_step("End it. (You change your mind.)", "end_conference", conference_id=room)
    story.check("nothing was sent, three people are still in it", holds=len(await telnyx.participants()) == 3)
    ended = await story.step("Now end it.", "end_conference", conference_id=room)
    await story.wait(ended, "conference.ended", conference_id=room)
    alive = {leg["call_control_id"] for leg in (await telnyx.state())["legs"] if leg["is_alive"]}
    story.check("everyone called is hung up", holds=not alive & set(story.names))
    await story.step("What was recorded?", "list_recordings", filter={"conference_id": room})
    summary = await story.step("Sum it up.", "conference_summary", conference_id=room)
    story.check("it is over, and three people were in it", holds=len(summary["conference"]["participants"]) == 3)


async def _show_timeline(story: _Story, room: str) -> None:
    """What happened, as the server tells it from the events."""
    click.secho(f"What happened, read from telnyx://conferences/<{_ROOM}>/timeline", bold=True)
    [content] = (await story.client.read_resource(f"telnyx://conferences/{quote(room, safe='')}/timeline")).contents
    if not isinstance(content, TextResourceContents) or "ended" not in content.text:
        raise DemoFailed("the timeline does not say that the conference ended")
    for line in filter(None, content.text.splitlines()):
        click.echo(f"    {story.named(line)}")


_ANSWERS = (True, False, True)
"""Recording: yes. Ending: no, then yes."""


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
        click.secho(f"Done: {story.steps} tool calls, each checked, in {time.monotonic() - started:.1f} s.", bold=True)
    return 0
