"""A server spoken to in raw JSON-RPC, for what a client library would hide."""

import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from subprocess import DEVNULL
from typing import Any

import anyio
import anyio.abc

from support.commands import forked

Message = dict[str, Any]
PATIENCE = 30.0
_HELLO: Message = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
FIRST_WORDS = b"".join(
    json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
    for message in (
        {"id": 1, "method": "initialize", "params": _HELLO},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
    )
)
"""What a host sends first."""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with no Telnyx settings but those given."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")} | dict(given)


class Raw:
    """The process of a server, and the messages that it has sent, in order."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self.messages: list[Message] = []
        self._more = anyio.Event()
        self._asked = 0

    async def listen(self) -> None:
        held = b""
        async for some in self._stdout:
            *lines, held = (held + some).split(b"\n")
            self.messages += map(json.loads, lines)
            more, self._more = self._more, anyio.Event()
            more.set()

    async def send(self, method: str, params: Message | None = None, **more: Any) -> None:
        """A notification, or a request if there is an `id`."""
        message = {"jsonrpc": "2.0", "method": method, **more} | ({} if params is None else {"params": params})
        await self._stdin.send(json.dumps(message).encode() + b"\n")

    async def ask(self, method: str, params: Message | None = None) -> Message:
        """The result of a request that must succeed."""
        self._asked += 1
        number = self._asked
        await self.send(method, params, id=number)
        answer = await self.until(lambda message: message.get("id") == number)
        assert "result" in answer, answer
        return answer["result"]

    async def call(self, tool: str, **arguments: Any) -> Message:
        """The structured content of a tool call that must succeed."""
        result = await self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def greet(self) -> Message:
        """Initialize, and say so; the result."""
        result = await self.initialize()
        await self.send("notifications/initialized")
        return result

    async def initialize(self, version: str = "2025-11-25") -> Message:
        return await self.ask("initialize", {**_HELLO, "protocolVersion": version})

    async def until(self, matches: Callable[[Message], bool], since: int = 0) -> Message:
        """The first message like this, from the `since`th on."""
        with anyio.fail_after(PATIENCE):
            while True:
                for message in self.messages[since:]:
                    if matches(message):
                        return message
                await self._more.wait()

    def notifications(self, method: str) -> list[Message]:
        """The parameters of the notifications of this kind so far."""
        return [message.get("params", {}) for message in self.messages if message.get("method") == method]


@asynccontextmanager
async def stdio_server(*arguments: str, env: Mapping[str, str]) -> AsyncGenerator[Raw]:
    """`telnyx-conferencing serve ARGUMENTS`, which ends when its input does."""
    command = forked("serve", *arguments)
    async with await anyio.open_process(command, env=environment(env), stderr=DEVNULL) as process:
        raw = Raw(process)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(raw.listen)
            try:
                yield raw
            finally:
                with anyio.CancelScope(shield=True):
                    assert process.stdin
                    await process.stdin.aclose()
                    with anyio.move_on_after(PATIENCE):
                        await process.wait()
                    if process.returncode is None:
                        process.kill()
                tasks.cancel_scope.cancel()
