"""`demo`: a whole conference on the sandbox, through a real MCP client and the server as a host starts it.

Each step prints the request, the tool call and its result. The demo checks each step against the sandbox's own state.
"""

import json
import os
import sys
import textwrap
import time
from collections.abc import Iterator
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
from ..adapters.sandbox_server import LOOPBACK, listen
from .terminal import program

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
    """A step did not do what it announced."""


@dataclass
class _Telnyx:
    """The sandbox's own view, over its HTTP port."""

    http: httpx2.AsyncClient

    async def state(self) -> dict[str, Any]:
        return (await self.http.get("/sandbox/state")).json()["data"]

    async def advance_clock(self, seconds: int) -> None:
        """Move the sandbox's clock on. The server uses the same clock."""
        (await self.http.post("/sandbox/clock", json={"advance_seconds": seconds})).raise_for_status()

    async def conference(self) -> dict[str, Any]:
        return (await self.state())["conferences"][-1]

    async def participants(self) -> dict[str, dict[str, Any]]:
        """The people in the conference, by call leg."""
        people = (await self.conference())["participants"]
        return {person["call_control_id"]: person for person in people if person["status"] == "joined"}

    async def dialled(self) -> dict[str, str]:
        """The call legs that were dialled, by number."""
        legs = (await self.state())["legs"]
        return {leg["to"]: leg["call_control_id"] for leg in legs if leg["direction"] == "outgoing"}


@dataclass
class _Story:
    """The client's side: calls tools, answers the server's questions, prints."""

    client: Client
    telnyx: _Telnyx
    answers: Iterator[bool]
    steps: int = 0
    names: dict[str, str] = field(default_factory=dict[str, str])

    async def step(self, request: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """Make a tool call that must succeed, and return its structured content."""
        result = await self._call(request, tool, arguments)
        if result.is_error:
            raise DemoFailed(f"{tool} failed: {_text(result)}")
        content: dict[str, Any] = result.structured_content or {}
        self._print("result", content["summary"], max_lines=2)
        return content

    async def declined_step(self, request: str, tool: str, **arguments: Any) -> None:
        """Make a tool call that the person must have declined."""
        result = await self._call(request, tool, arguments)
        if not result.is_error or "a person was asked and said no" not in _text(result).lower():
            raise DemoFailed(f"{tool} was not declined")
        self._print("result", _text(result))

    async def _call(self, request: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        self.steps += 1
        click.secho(f"{self.steps:2}. {request}", bold=True)
        self._print("tool", f"{tool} {json.dumps(arguments, ensure_ascii=False)}" if arguments else tool, max_lines=2)
        return await self.client.call_tool(tool, arguments)

    def ask(self, question: str) -> ElicitResult:
        """A person's answer to the server's question."""
        approve = next(self.answers)
        self._print("asks you", question)
        self._print("you say", "yes" if approve else "no")
        return ElicitResult(action="accept", content={"decision": "approve" if approve else "reject"})

    def check(self, fact: str, *, is_true: bool) -> None:
        """Check a fact in the sandbox's state that the step should have caused."""
        if not is_true:
            raise DemoFailed(f"not true in the sandbox: {fact}")
        self._print("checked", fact, fg="green")

    def explain(self, text: str) -> None:
        """Print a note for the reader."""
        self._print("note", text, dim=True)

    async def pass_time(self, seconds: int, activity: str) -> None:
        """Let time pass. `activity`: what people do meanwhile."""
        await self.telnyx.advance_clock(seconds)
        self.explain(f"{seconds} s pass on the sandbox's clock: {activity}.")

    async def wait(self, announced: dict[str, Any], *types: str, **about: Any) -> None:
        """Wait for the webhook events that a result announces."""
        expected = list(types or announced["expect_events"])
        waited = await self.client.call_tool("wait_for_event", {"types": expected, **about})
        content: dict[str, Any] = waited.structured_content or {}
        if waited.is_error or content["timed_out"]:
            raise DemoFailed(f"no {' or '.join(expected)}: {_text(waited)}")
        self._print("event", content["summary"], max_lines=2)

    def named(self, text: str) -> str:
        """The text with ids replaced by the names of this story."""
        for id_, name in self.names.items():
            text = text.replace(id_, name).replace(short_id(id_), name)
        return text

    def _print(self, label: str, text: str, max_lines: int = 4, **style: Any) -> None:
        lines = textwrap.wrap(self.named(text), _WIDTH, max_lines=max_lines, placeholder=" ...")
        for number, line in enumerate(lines):
            click.echo(f"    {label if number == 0 else '':>9} ", nl=False)
            click.secho(line, **style)


def _text(result: CallToolResult) -> str:
    block = result.content[0]
    return block.text if isinstance(block, TextContent) else ""


_ANN, _BEN, _CAROL, _DORA = "+12025550151", "+12025550152", "+12025550198", "+12025550153"
"""Carol's line is busy: the sandbox decides by the number how a call goes."""
_PEOPLE = {_ANN: "Ann", _BEN: "Ben", _CAROL: "Carol", _DORA: "Dora"}
_ROOM = "Delivery 4711"
_CONSENT = "This call is recorded. Please hang up now if you do not agree."


async def _play(story: _Story) -> None:
    room = await _call_people_in(story)
    await _record_with_consent(story, room)
    await _wrap_up(story, room)
    await _show_timeline(story, room)


async def _call_people_in(story: _Story) -> str:
    """Call three people, of whom two answer, and then a fourth. Returns the conference's id."""
    telnyx = story.telnyx
    into = {"conference_name": _ROOM}
    dialled = await story.step(
        "Call Ann, Ben and Carol into a conference.", "dial", to=[_ANN, _BEN, _CAROL], conference_config=into
    )
    ann, ben, carol = map((await telnyx.dialled()).__getitem__, (_ANN, _BEN, _CAROL))
    story.names = {ann: "v3:ann", ben: "v3:ben", carol: "v3:carol"}
    await story.wait(dialled, "conference.participant.joined", call_control_id=ben)
    await story.wait(dialled, "call.hangup", call_control_id=carol)
    listing = await story.step("Find the conference.", "list_conferences", filter={"name": _ROOM})
    room: str = listing["conferences"][0]["id"]
    story.names[room] = f"<{_ROOM}>"
    story.check("Ann and Ben are in it", is_true=set(await telnyx.participants()) == {ann, ben})

    dialled = await story.step("Carol is busy. Call Dora.", "dial", to=_DORA, conference_config={"id": room})
    dora: str = dialled["call"]["call_control_id"]
    story.names[dora] = "v3:dora"
    await story.wait(dialled, "conference.participant.joined", call_control_id=dora)
    await story.step("Who is in it?", "list_participants", conference_id=room)
    story.check("Ann, Ben and Dora are in it", is_true=set(await telnyx.participants()) == {ann, ben, dora})
    return room


async def _record_with_consent(story: _Story, room: str) -> None:
    """Announce the recording, get a person's approval, and record."""
    telnyx = story.telnyx
    everyone = {"conference_id": room, "call_control_ids": "everyone"}
    spoken = await story.step("Tell them that we record.", "speak_text", payload=_CONSENT, voice="female", **everyone)
    await story.wait(spoken, "conference.speak.started", conference_id=room)
    await story.pass_time(20, "nobody hangs up")
    await story.step("Record it.", "start_recording", conference_id=room, format="mp3")
    running = [recording["status"] for recording in (await telnyx.state())["recordings"]]
    story.check("a recording is running", is_true=running == ["recording"])
    await story.pass_time(_BEFORE_MUTE_S, "they talk")
    dora = next(leg for leg, name in story.names.items() if name == "v3:dora")
    await story.step("Mute Dora, her line is noisy.", "mute_participants", conference_id=room, call_control_ids=[dora])
    muted = [leg for leg, person in (await telnyx.participants()).items() if person["muted"]]
    story.check("Dora is muted, the others are not", is_true=muted == [dora])


async def _wrap_up(story: _Story, room: str) -> None:
    """End the conference, after a change of mind, and sum it up."""
    telnyx = story.telnyx
    await story.pass_time(_AFTER_MUTE_S, "they talk on")
    await story.declined_step("End it. (You change your mind.)", "end_conference", conference_id=room)
    story.check("nothing was sent, three people are still in it", is_true=len(await telnyx.participants()) == 3)
    ended = await story.step("Now end it.", "end_conference", conference_id=room)
    await story.wait(ended, "conference.ended", conference_id=room)
    story.explain("Your command ended it: Telnyx hung everyone up, and then reports that everyone has left.")
    alive = {leg["call_control_id"] for leg in (await telnyx.state())["legs"] if leg["is_alive"]}
    story.check("everyone called is hung up", is_true=not alive & set(story.names))
    await story.step("What was recorded?", "list_recordings", filter={"conference_id": room})
    story.explain(f"The recording covers {_BEFORE_MUTE_S} s before Dora was muted and {_AFTER_MUTE_S} s after that.")
    summary = await story.step("Sum it up.", "conference_summary", conference_id=room)
    story.check("it is over, and three people were in it", is_true=len(summary["conference"]["participants"]) == 3)


async def _show_timeline(story: _Story, room: str) -> None:
    """Print the timeline that the server makes from the events."""
    click.secho(f"What happened, from the resource telnyx://conferences/<{_ROOM}>/timeline", bold=True)
    story.names |= {f"'{number}'": name for number, name in _PEOPLE.items()}
    [content] = (await story.client.read_resource(f"telnyx://conferences/{quote(room, safe='')}/timeline")).contents
    if not isinstance(content, TextResourceContents) or "ended" not in content.text:
        raise DemoFailed("the timeline does not say that the conference ended")
    for line in filter(None, content.text.splitlines()):
        click.echo(f"    {story.named(line)}")


_BEFORE_MUTE_S, _AFTER_MUTE_S = 95, 240
"""How long people talk while they are recorded."""
_ANSWERS = (True, False, True)
"""Recording: yes. Ending: no, then yes."""


_NEXT = """
What to try next:
  # Add the server to Claude Code, then ask Claude: "Who is waiting in the support queue?"
  {program} install claude-code --sandbox
  # List the tools, and all commands.
  {program} tools
  {program} --help"""


async def _run() -> int:
    started = time.monotonic()
    with listen(0) as probe:
        port = probe.getsockname()[1]
    process = StdioServerParameters(
        command=sys.executable,
        args=["-m", "telnyx_conferencing.server", "serve", "--sandbox", "--sandbox-port", str(port)],
        env=dict(os.environ),
    )
    stories: list[_Story] = []

    async def on_elicitation(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return stories[0].ask(params.message)

    click.echo("Starting the server on the sandbox, as an MCP host does. It takes a few seconds ...")
    http = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", headers={"Authorization": "Bearer KEYdemo"})
    async with http, Client(stdio_client(process), elicitation_callback=on_elicitation) as client:
        story = _Story(client, _Telnyx(http), iter(_ANSWERS))
        stories.append(story)
        tools = (await client.list_tools()).tools
        click.echo(f"It runs: MCP {client.protocol_version} over stdio, {len(tools)} tools.\n")
        try:
            await _play(story)
        except Exception as error:  # after any error, the rest would not be true
            click.secho(f"\nThe demo failed: {error!r}", fg="red", err=True)
            return 1
        seconds = time.monotonic() - started
        click.secho(f"\nDone: {story.steps} tool calls, each checked, in {seconds:.1f} s.", bold=True)
    click.echo(_NEXT.format(program=program()))
    return 0
