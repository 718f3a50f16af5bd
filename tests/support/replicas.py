"""Two servers on one PostgreSQL behind nginx, and clients that call them while one or the other fails."""

import itertools
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.lowlevel
import httpx2

from support.mcp import ERAS
from support.mcp_http import Site, site
from support.nginx import proxy
from support.telnyx import Telnyx
from support.webhooks import PATIENCE, eventually, free_port, posting_telnyx

_META = "io.modelcontextprotocol"
_CALLS = "telnyx_conferencing_calls_total"


BROKEN_OFF = 0
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool call came to."""

    status: int
    """Of the HTTP answer, or `BROKEN_OFF`."""
    is_done: bool
    text: str
    """The whole answer, as text."""

    @property
    def is_lost(self) -> bool:
        """Whether the answer says that the outcome of the call is unknown."""
        return self.status == BROKEN_OFF or (self.status == 502 and "is unknown" in self.text)


class Caller:
    """A client that has no session, at either protocol version."""

    def __init__(self, url: str, era: str, name: str = "tests") -> None:
        self._url = f"{url}/mcp"
        self._era = era
        self._client = {"name": name, "version": "1"}
        self._http = httpx2.AsyncClient(trust_env=False, timeout=PATIENCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(self, tool: str, **arguments: Any) -> Answer:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": self._era}
        if self._era == "2026-07-28":
            headers |= {"mcp-method": "tools/call", "mcp-name": tool}
            params["_meta"] = {
                f"{_META}/protocolVersion": self._era,
                f"{_META}/clientInfo": self._client,
                f"{_META}/clientCapabilities": {},
            }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        try:
            return _read(await self._http.post(self._url, json=body, headers=headers))
        except httpx2.RemoteProtocolError as broken:
            return Answer(BROKEN_OFF, False, str(broken))


def _read(answer: httpx2.Response) -> Answer:
    text = answer.text
    if answer.status_code != 200:
        return Answer(answer.status_code, False, text)
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = [line for line in text.splitlines() if line.startswith("data: {")][-1].removeprefix("data: ")
    result: Mapping[str, Any] = json.loads(text).get("result", {})
    return Answer(200, bool(result) and not result.get("isError"), json.dumps(result) if result else text)


class Calls:
    """Clients that each create one queue after another, each with a new name."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        """By the name of the queue."""

    async def keep_on(self, caller: Caller) -> None:
        """Call until cancelled, never in the middle of a call."""
        while True:
            name = f"queue {next(_numbers)}"
            with anyio.CancelScope(shield=True):
                self.answers[name] = await caller.call("create_queue", queue_name=name)
            await anyio.lowlevel.checkpoint()

    async def until(self, more: int, *, done: bool = True) -> None:
        """Wait until this many more calls are done, or refused."""
        target = self._count(done) + more

        async def look() -> bool:
            return self._count(done) >= target

        await eventually(look)

    def _count(self, done: bool) -> int:
        return sum(answer.is_done is done for answer in self.answers.values())

    def refusals(self) -> set[str]:
        """The texts of the calls that were not done."""
        return {answer.text for answer in self.answers.values() if not answer.is_done}

    def judge(self, phone: Telnyx) -> None:
        """Check that each call reported as done was sent once, and that no refused call was sent."""
        sent = Counter(
            request.body["queue_name"]
            for request in phone.sandbox.requests
            if request.method == "POST" and request.path == "/queues" and request.body
        )
        wrong = {
            name: (answer, sent[name])
            for name, answer in self.answers.items()
            if sent[name] not in ((0, 1) if answer.is_lost else (int(answer.is_done),))
        }
        assert wrong == {}


@asynccontextmanager
async def keep_calling(url: str, eras: Iterable[str] = ERAS) -> AsyncGenerator[Calls]:
    """Two clients of each era that keep calling."""
    calls = Calls()
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        for era in (*eras, *eras):
            caller = await stack.enter_async_context(Caller(url, era, f"load at {era}"))
            tasks.start_soon(calls.keep_on, caller)
        yield calls
        tasks.cancel_scope.cancel()


class Replica:
    """One of the servers: it can be ended and started again, at the same address."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self._stack = AsyncExitStack()
        self.site: Site

    async def start(self) -> None:
        self.site = await self._stack.enter_async_context(self._run())

    async def restart(self) -> None:
        """End it in order, and start it again."""
        self.site.told_to_end()
        assert await self.site.ended() == 0
        await self.start()

    async def killed(self) -> None:
        """End it without a word."""
        self.site.process.kill()
        await self.site.ended()

    async def close(self) -> None:
        await self._stack.aclose()

    async def until_called(self) -> None:
        """Wait until the proxy sends it calls."""
        before = await self.called()

        async def look() -> bool:
            return await self.called() > before

        await eventually(look)

    async def called(self) -> float:
        """How many calls it has answered."""
        lines = (await self.site.get("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_CALLS))


@dataclass
class Team:
    """Two replicas, the proxy before them, and their Telnyx, which posts its webhooks to the proxy."""

    phone: Telnyx
    proxy: Site
    first: Replica
    second: Replica
    both: tuple[Replica, Replica] = field(init=False)

    def __post_init__(self) -> None:
        self.both = self.first, self.second


@asynccontextmanager
async def team(
    *arguments: str, home: Path, database: str, sticky: bool = False, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Team]:
    """Two `telnyx-conferencing serve --transport http ARGUMENTS`, which share all that replicas must share."""
    port, ports = free_port(), (free_port(), free_port())
    with posting_telnyx(port) as phone:
        shared = {"TELNYX_PUBLIC_KEY": phone.sandbox.public_key, "TELNYX_CONFERENCING_STATE_KEYS": "k" * 32}
        given = {**phone.env, **shared, **(env or {})}

        def replica(own: int) -> Replica:
            return Replica(lambda: site("--database", database, *arguments, home=home, env=given, port=own))

        replicas = first, second = replica(ports[0]), replica(ports[1])
        try:
            async with anyio.create_task_group() as tasks:
                for one in replicas:
                    tasks.start_soon(one.start)
            addresses = [f"127.0.0.1:{own}" for own in ports]
            async with proxy(home, addresses, port, sticky=sticky) as before:
                yield Team(phone, before, first, second)
        finally:
            for one in replicas:
                await one.close()
