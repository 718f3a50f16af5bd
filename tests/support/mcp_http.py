"""The server as a team runs it: a process that serves HTTP, spoken to by the MCP SDK's own client."""

import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
from mcp.client import Client
from mcp.client.extension import ClientExtension
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult, Implementation

from support.commands import forked
from support.http import NO_TLS
from support.mcp import ERAS, Answering
from support.mcp_stdio import PATIENCE, environment
from support.webhooks import free_port, url_of, wait_until_listening

ASKS: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}
"""What a client of 2026-07-28 that can ask a person says of itself with each request."""


@dataclass
class Site:
    """A server's process, and where it is."""

    process: anyio.abc.Process
    port: int
    log: Path
    token: str = ""
    """The token that clients send by default."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def client(
        self,
        era: str = "2025-11-25",
        *,
        name: str = "tests",
        answering: Answering | None = None,
        token: str | None = None,
        extensions: Sequence[ClientExtension] = (),
    ) -> AsyncGenerator[Client]:
        """A client of it, by this name. Without `answering` it cannot be asked anything."""

        async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:
            assert answering is not None
            return answering(params.message)

        async with self._http(token) as http:
            callback = elicited if answering is not None else None
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            info = Implementation(name=name, version="1")
            async with Client(
                transport, mode=ERAS[era], elicitation_callback=callback, client_info=info, extensions=extensions
            ) as client:
                yield client

    def _http(self, token: str | None = None) -> httpx2.AsyncClient:
        token = self.token if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(trust_env=False, verify=NO_TLS, timeout=PATIENCE, headers=headers)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, content: bytes = b"{}"
    ) -> httpx2.Response:
        async with self._http() as http:
            return await http.request(method, f"{self.url}{path}", headers=headers, content=content)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        async with self._http() as http:
            return await http.get(f"{self.url}{path}", headers=headers)

    async def asked_to_delete(self, queue: str, token: str | None = None) -> str:
        """The sealed state that comes with the question of 2026-07-28 whether to delete a queue."""
        result = (await self._delete(queue, {}, token))["result"]
        assert result["resultType"] == "input_required"
        state: str = result["requestState"]
        return state

    async def takes_yes(self, queue: str, state: str, token: str | None = None) -> bool:
        """Whether a person's yes, with this state, deletes the queue."""
        answer = {"approval": {"action": "accept", "content": {"approve": True}}}
        return "result" in await self._delete(queue, {"inputResponses": answer, "requestState": state}, token)

    async def _delete(self, queue: str, more: dict[str, Any], token: str | None) -> dict[str, Any]:
        params = {"name": "delete_queue", "arguments": {"queue_name": queue}, "_meta": ASKS, **more}
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "delete_queue",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with self._http(token) as http:
            return (await http.post(f"{self.url}/mcp", json=body, headers=headers)).json()

    def told_to_end(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """The exit code, once it has ended."""
        with anyio.fail_after(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def site(
    *arguments: str,
    home: Path,
    env: Mapping[str, str],
    port: int | None = None,
    start: Callable[..., list[str]] = forked,
) -> AsyncGenerator[Site]:
    """`telnyx-conferencing serve --transport http ARGUMENTS`, with its store and its log at home."""
    port = port or free_port()
    own = ("--transport", "http", "--port", str(port), "--database", url_of(home / "events.db"))
    log = home / f"stderr-{port}.log"
    with log.open("wb") as stderr:
        command = start("serve", *own, *arguments)
        async with await anyio.open_process(command, env=environment(env), stderr=stderr) as process:
            try:
                await wait_until_listening(port)
                yield Site(process, port, log)
            finally:
                with anyio.CancelScope(shield=True):
                    if process.returncode is None:
                        process.terminate()
                    with anyio.move_on_after(PATIENCE):
                        await process.wait()
                    if process.returncode is None:
                        process.kill()
