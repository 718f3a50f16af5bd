"""Attacks that only open connections, or frame requests ambiguously: other clients are served all the same."""

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from support.mcp_http import site
from support.webhooks import NOWHERE, PATIENCE, eventually
from telnyx_conferencing.server import asgi_server
from telnyx_conferencing.server.asgi_server import MAX_IDLE_PER_PEER, RESERVED_CONNECTIONS, Server, listen

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200; under `/stream` only after the client has gone."""
    while scope["path"].startswith("/stream") and (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def is_any(path: str) -> bool:
    return True


def is_operator(path: str) -> bool:
    return path == "/operator"


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[int]:
    """A server with these options; yields its port."""
    listener = listen(0, backlog=1024)
    server = Server(app, **options)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, listener)
        try:
            yield listener.getsockname()[1]
        finally:
            server.stop()
            server.stop()


@contextmanager
def connections(port: int, number: int, sent: bytes = b"", peer: str = "127.0.0.1") -> Generator[list[socket.socket]]:
    """Connections from this address that have sent only this."""
    opened: list[socket.socket] = []
    try:
        for _ in range(number):
            opened.append(socket.create_connection(("127.0.0.1", port), PATIENCE, (peer, 0)))
            if sent:
                opened[-1].sendall(sent)
        yield opened
    finally:
        for connection in opened:
            connection.close()


async def get(port: int, path: str = "/") -> int:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        return (await http.get(f"http://127.0.0.1:{port}{path}")).status_code


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which it has sent nothing."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def test_a_peer_keeps_a_bounded_number_of_idle_connections_and_its_newest_ones() -> None:
    async with serving() as port:
        with connections(port, MAX_IDLE_PER_PEER + 20) as opened:
            assert await get(port) == 200

            async def closed() -> bool:
                return sum(map(is_closed, opened)) >= 20

            await eventually(closed)
            assert not is_closed(opened[-1])


async def test_idle_connections_of_a_trusted_proxy_are_not_limited() -> None:
    async with serving(trusted_proxies=[ip_network("127.0.0.0/8")]) as port:
        with connections(port, MAX_IDLE_PER_PEER + 20) as opened:
            assert await get(port) == 200
            assert not any(map(is_closed, opened))


async def test_idle_connections_of_many_peers_do_not_keep_others_out() -> None:
    limit = 20
    async with serving(max_connections=limit) as port:
        with connections(port, limit + RESERVED_CONNECTIONS + 10, peer="127.0.0.2"):
            assert await get(port) == 200


async def test_unfinished_bodies_do_not_keep_others_out() -> None:
    limit, unfinished = 20, b"POST /stream HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"
    async with serving(max_connections=limit, is_priority=is_any) as port:
        with connections(port, limit + RESERVED_CONNECTIONS + 10, unfinished, "127.0.0.2"):
            assert await get(port) == 200


async def test_priority_requests_are_answered_while_streams_use_all_connections() -> None:
    limit = 8
    async with serving(max_connections=limit, is_priority=is_operator) as port:
        with connections(port, limit, b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n"):

            async def is_full() -> bool:
                return await get(port) == 503

            await eventually(is_full)
            with connections(port, 2 * RESERVED_CONNECTIONS):
                assert await get(port) == 503
                assert await get(port, "/operator") == 200


async def test_a_connection_whose_headers_do_not_arrive_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_server, "_HEADER_TIMEOUT_S", 0.0)
    async with serving() as port:
        with connections(port, 2, b"GET / HTTP/1.1\r\n") as opened:

            async def closed() -> bool:
                return all(map(is_closed, opened))

            await eventually(closed)


AMBIGUOUS = {
    "a length beside chunks": b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
    "chunks beside a length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "the same length twice": b"content-length: 4\r\nContent-Length: 4\r\n",
    "two lengths": b"content-length: 4\r\ncontent-length: 5\r\n",
    "a list of lengths": b"content-length: 4, 4\r\n",
    "chunks twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
}


async def test_a_request_with_more_than_one_framing_header_is_refused() -> None:
    async with serving() as port:
        answers = {
            what: await raw(port, headers + b"\r\n4\r\nbody\r\n0\r\n\r\n") for what, headers in AMBIGUOUS.items()
        }
        plain = await raw(port, b"content-length: 4\r\nconnection: close\r\n\r\nbody")
    assert {what: answer[:12] for what, answer in answers.items()} == dict.fromkeys(AMBIGUOUS, b"HTTP/1.1 400")
    assert plain.startswith(b"HTTP/1.1 200")


async def raw(port: int, rest: bytes) -> bytes:
    """The whole response to a POST with these headers and body, until the server closes the connection."""
    answer = b""
    with anyio.fail_after(PATIENCE):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n" + rest)
            try:
                while True:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer


@pytest.mark.slow
async def test_2300_idle_connections_block_neither_probes_nor_the_operator_page_nor_webhooks(tmp_path: Path) -> None:
    raise_open_file_limit()
    options = ("--operator-page", "0", "--insecure-webhooks")
    async with site(*options, home=tmp_path, env=NOWHERE) as server:
        with ExitStack() as stack:
            for peer in range(1, 24):
                stack.enter_context(connections(server.port, 100, peer=f"127.0.0.{peer}"))
            assert (await server.get("/healthz")).status_code == 200
            assert (await server.get("/operator")).status_code == 200
            assert (await server.request("POST", "/webhooks/telnyx", content=b"[]")).status_code == 400


def raise_open_file_limit() -> None:
    import resource  # noqa: PLC0415 (not on Windows)

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
