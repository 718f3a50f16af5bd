"""The guard seen from outside: people who answer, a server whose clock the test moves, what reached Telnyx."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.extension import ClientExtension
from mcp.client.stdio import stdio_client
from mcp_types import ElicitRequestParams, ElicitResult, Implementation

from support.commands import forked
from support.mcp import ERAS, Answering
from support.mcp_in_process import World, run_server
from support.mcp_stdio import environment
from support.telnyx import Telnyx
from support.webhooks import eventually, url_of
from telnyx_conferencing.server.guard import Gate
from telnyx_conferencing.server.guard.ledger import Decision, Ledger, PendingApproval
from telnyx_conferencing.server.sandbox import Sandbox
from telnyx_conferencing.server.sandbox.conference import JoinOptions

_WAITS = re.compile(r"waits as ([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}) until")


def real_time() -> datetime:
    return datetime.now(UTC)


@dataclass
class Clock:
    """The clock of approvals and limits. Only the test moves it, in either direction."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


class Person:
    """Gives one answer to every question, and remembers what was asked."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.questions: list[str] = []

    def __call__(self, question: str) -> ElicitResult:
        self.questions.append(question)
        return self.answering(question)

    async def slowly(self, question: str) -> ElicitResult:
        """The same, for a server in this process."""
        return self(question)


Slowly = Callable[[str], Awaitable[ElicitResult]]
"""What a person answers who takes their time."""


@asynccontextmanager
async def guarded(
    world: World,
    *,
    era: str = "2025-11-25",
    answering: Slowly | None = None,
    clock: Callable[[], datetime] | None = None,
    patience: float | None = None,
    host: str = "tests",
    extensions: Sequence[ClientExtension] = (),
    transport: httpx2.AsyncBaseTransport | None = None,
    with_events: bool = False,
    **given: Any,
) -> AsyncGenerator[Client]:
    """A client of a server in this process that goes by this clock, and waits so many seconds for an answer.

    Neither can be set from outside: no host and no model can reach them. Without `answering` the client cannot be
    asked anything. `host` is the client's name. `given` are the server's settings; approval is at its default.
    """

    async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert answering is not None
        return await answering(params.message)

    with pytest.MonkeyPatch.context() as patch:
        if clock is not None:
            patch.setattr("telnyx_conferencing.server.adapters.guard_factory.Ledger", partial(Ledger, now=clock))
            patch.setattr("telnyx_conferencing.server.adapters.guard_factory.Gate", partial(Gate, now=clock))
        if patience is not None:
            patch.setattr("telnyx_conferencing.server.mcp.elicitation.DEFAULT_TIMEOUT_S", patience)
        callback = elicited if answering is not None else None
        async with (
            world.http(transport) as http,
            run_server(world, http, with_events=with_events, **({"approval": None} | given)) as server,
            Client(
                server,
                mode=ERAS[era],
                elicitation_callback=callback,
                extensions=extensions,
                client_info=Implementation(name=host, version="1"),
            ) as client,
        ):
            yield client


@dataclass
class Overheard:
    """A client, and the standard error of its server."""

    client: Client
    log: Path

    async def until(self, words: str) -> str:
        """The text on stderr, once it has these words."""

        async def look() -> str:
            text = self.log.read_text()
            return text if words in text else ""

        return await eventually(look)


@asynccontextmanager
async def overheard(
    *arguments: str,
    home: Path,
    env: Mapping[str, str],
    era: str = "2025-11-25",
    extensions: Sequence[ClientExtension] = (),
) -> AsyncGenerator[Overheard]:
    """A client of `telnyx-conferencing serve ARGUMENTS`, which keeps its store and what it says on stderr at home."""
    command, *rest = forked("serve", *arguments, "--database", url_of(home / "events.db"))
    process = StdioServerParameters(command=command, args=rest, env=environment(env))
    with (home / "stderr.log").open("w") as log:
        async with Client(stdio_client(process, errlog=log), mode=ERAS[era], extensions=extensions) as client:
            yield Overheard(client, home / "stderr.log")


def write_policy(path: Path, text: str) -> None:
    """Have the file say this from one moment to the next, as an editor does that saves."""
    draft = path.with_name(f"{path.name}~")
    draft.write_text(text)
    draft.replace(path)


def changes(sandbox: Sandbox) -> list[str]:
    """The requests that reached Telnyx and were to change something, in order: `POST /queues`."""
    return [f"{request.method} {request.path}" for request in sandbox.requests if request.method != "GET"]


def room(sandbox: Sandbox, name: str = "Standup", people: int = 1) -> str:
    """A conference of new callers, without asking any server for it; its id."""
    world = sandbox.state
    first, *others = [world.legs.arrive(f"+1202555{9000 + place}", "+12025550100") for place in range(people)]
    conference = world.conferences.start(first, name, JoinOptions())
    for leg in others:
        conference.admit(leg, JoinOptions())
    return conference.id


def legs_in(world: World, conference_id: str) -> list[str]:
    """The call legs in a conference, by the sandbox's own state."""
    return list(world.sandbox.state.conferences.by_id[conference_id].present)


def dialled_numbers(sandbox: Sandbox) -> list[str]:
    """The numbers that were called, in order."""
    return [leg["to"] for leg in sandbox.snapshot()["legs"] if leg["direction"] == "outgoing"]


def call_in(phone: Telnyx, number: str = "+12025550188") -> str:
    """A caller calls in. Returns the call leg's id."""
    called = phone.request("POST", "/sandbox/calls", {"from": number, "to": "+12025550100"})
    call_control_id: str = called["data"]["call_control_id"]
    return call_control_id


def room_at(phone: Telnyx, name: str = "Standup", people: int = 1) -> str:
    """The same at a Telnyx over HTTP."""
    first, *others = [call_in(phone) for _ in range(people)]
    opened = phone.request("POST", "/v2/conferences", {"call_control_id": first, "name": name})
    conference_id: str = opened["data"]["id"]
    for leg in others:
        phone.request("POST", f"/v2/conferences/{conference_id}/actions/join", {"call_control_id": leg})
    return conference_id


def code_in(refusal: str) -> str:
    """The code under which a refused call waits for a person."""
    [code] = _WAITS.findall(refusal)
    return code


async def decided(
    path: Path | str, code: str, *, yes: bool = True, now: Callable[[], datetime] = real_time
) -> PendingApproval:
    """Answer a question, as the command line and the operator page do: by another connection to the store."""
    async with Ledger.open(url_of(path), now=now) as ledger:
        return await ledger.decide(code, Decision(yes, "ben at a terminal"))


async def audit_entries(path: Path | str) -> list[dict[str, Any]]:
    """The entries of the audit in the order of their times: what is not urgent is written a moment later."""
    async with Ledger.open(url_of(path)) as ledger:
        records = await ledger.newest(100_000)
    return [record.entry for record in sorted(records, key=lambda record: (record.at, record.number))]
