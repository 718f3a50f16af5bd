"""Several pools as one: connections are kept and reused, few where little is going on, and a proxy is not passed by."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc
import httpx2
import pytest

from telnyx_conferencing.server.telnyx.spreading import SpreadTransport, spread_unless_proxied

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Door:
    """A server that counts its connections, and answers once so many requests are waiting."""

    together: int = 1
    url: str = ""
    opened: int = 0
    open: int = 0
    requested: list[str] = field(default_factory=list[str])
    _waiting: int = 0
    _enough: anyio.Event = field(default_factory=anyio.Event)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        self.opened += 1
        self.open += 1
        async with stream:
            try:
                while True:
                    await self._answer(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                self.open -= 1

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive()
        self.requested.append(head.split(b" ")[1].decode())
        self._waiting += 1
        if self._waiting == self.together:
            self._waiting = 0
            self._enough.set()
            self._enough = anyio.Event()
        else:
            await self._enough.wait()
        await stream.send(ANSWER)


@asynccontextmanager
async def listening(together: int = 1) -> AsyncGenerator[Door]:
    door = Door(together)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        door.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        tasks.start_soon(listener.serve, door.serve)
        with anyio.fail_after(30):
            yield door
        tasks.cancel_scope.cancel()


async def get(http: httpx2.AsyncClient, url: str) -> None:
    assert (await http.get(url)).text == "ok"


async def test_one_request_after_another_goes_over_one_connection() -> None:
    async with listening() as door, httpx2.AsyncClient(transport=SpreadTransport(), trust_env=False) as http:
        for _ in range(20):
            await get(http, door.url)
    assert door.opened == 1


async def test_many_at_once_are_all_under_way_and_their_connections_are_used_again() -> None:
    async with listening(together=40) as door, httpx2.AsyncClient(transport=SpreadTransport(), trust_env=False) as http:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(get, http, door.url)
        assert door.opened == door.open == 40


async def test_a_request_that_fails_or_is_given_up_is_no_longer_in_hand() -> None:
    async with (
        listening(together=2) as waiting,
        listening() as door,
        httpx2.AsyncClient(transport=SpreadTransport(), trust_env=False) as http,
    ):
        for _ in range(10):
            with pytest.raises(httpx2.ConnectError):
                await http.get("http://127.0.0.1:9/")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get, http, waiting.url)
            while not waiting.requested:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        for _ in range(20):
            await get(http, door.url)
    assert door.opened == 1


async def test_closing_closes_every_connection() -> None:
    async with listening(together=20) as door:
        async with (
            httpx2.AsyncClient(transport=SpreadTransport(), trust_env=False) as http,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(20):
                tasks.start_soon(get, http, door.url)
        while door.open:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_where_there_is_a_proxy_requests_go_through_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)
    assert spread_unless_proxied() is not None
    async with listening() as proxy:
        monkeypatch.setenv(name, proxy.url)
        async with httpx2.AsyncClient(transport=spread_unless_proxied()) as http:
            await get(http, "http://telnyx.example/v2/queues")
    assert proxy.requested == ["http://telnyx.example/v2/queues"]
