"""HTTP servers that run beside the rest of a process."""

import errno
import socket
from typing import Any

import anyio
import httpx2
import pytest

from telnyx_conferencing.server.asgi_server import listen, serving

pytestmark = pytest.mark.anyio


async def greets(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/broken":
        raise RuntimeError("broken")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def ask(port: int, path: str = "/") -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.get(f"http://127.0.0.1:{port}{path}")


async def test_an_app_is_served_until_the_context_exits_without_output(
    capfd: pytest.CaptureFixture[str],
) -> None:
    listener = listen(0)
    port = listener.getsockname()[1]
    async with serving(greets, listener):
        assert (await ask(port)).text == "hi"
        assert (await ask(port, "/broken")).status_code == 500
    with pytest.raises(httpx2.ConnectError):
        await ask(port)
    assert capfd.readouterr() == ("", "")


async def test_an_exception_inside_the_context_is_raised_unchanged() -> None:
    with pytest.raises(LookupError):
        async with serving(greets, listen(0)):
            raise LookupError


async def test_a_request_in_flight_is_answered_when_the_context_is_cancelled() -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await greets(scope, receive, send)

    listener = listen(0)
    answers: list[str] = []

    async def one() -> None:
        answers.append((await ask(listener.getsockname()[1])).text)

    async def left() -> None:
        async with serving(slow, listener):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as clients, anyio.create_task_group() as tasks:
        tasks.start_soon(left)
        clients.start_soon(one)
        await begun.wait()
        tasks.cancel_scope.cancel()
        go_on.set()
    assert answers == ["hi"]


def test_listening_on_a_port_in_use_raises_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use") as refused:
        listen(taken.getsockname()[1])
    assert refused.value.errno == errno.EADDRINUSE
