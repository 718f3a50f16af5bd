"""The webhook port: who holds it, who waits for it, who takes it over."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest
import uvicorn

from support.receiver_client import Kept
from telnyx_conferencing.server import asgi_server as serving
from telnyx_conferencing.server.webhooks import port as ports
from telnyx_conferencing.server.webhooks.port import CannotListen, PortState, hold_port
from telnyx_conferencing.server.webhooks.receiver import Receiver, store_marker

pytestmark = pytest.mark.anyio

BODY = b'{"data": {"id": "%s", "event_type": "x"}}'


class Ticks:
    """A sleep that lasts until the test ends it."""

    def __init__(self) -> None:
        self.asleep = anyio.Event()
        self._over = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        assert seconds == ports.RETRY_DELAY_S
        self.asleep.set()
        await self._over.wait()

    async def tick(self) -> None:
        """Let the next attempt be made, and return when it has failed or ended."""
        await self.asleep.wait()
        self.asleep = anyio.Event()
        over, self._over = self._over, anyio.Event()
        over.set()

    async def tick_on(self) -> None:
        while True:
            await self.tick()


class One:
    """One that wants the port."""

    def __init__(self, store: str = "here") -> None:
        self.kept = Kept()
        self.ticks = Ticks()
        self.receiver = Receiver(self.kept.add, self.kept.set_aside, None, store=store)
        self.store = store

    def hold(self, port: int) -> Any:
        return hold_port(port, self.receiver.app, self.store, sleep=self.ticks.sleep)


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    with anyio.fail_after(30):
        yield


async def post(port: int, event_id: str = "1") -> int:
    async with httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/webhooks/telnyx"
        return (await client.post(url, content=BODY.replace(b"%s", event_id.encode()))).status_code


async def test_a_free_port_is_held_at_once_and_served() -> None:
    one = One()
    async with one.hold(0) as port:
        assert (port.state, port.describe()) == (PortState.HOLDING, f"Port {port.number} receives webhooks.")
        assert await post(port.number) == 200
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port.number}/healthz")).json() == store_marker("here")
    assert list(one.kept.events) == ["1"]
    with pytest.raises(httpx2.ConnectError):
        await post(port.number)


async def test_the_second_process_waits_and_takes_over_when_the_first_leaves() -> None:
    first, second = One(), One()
    leaving = anyio.Event()

    async def hold_first(*, task_status: anyio.abc.TaskStatus[int]) -> None:
        async with first.hold(0) as held:
            task_status.started(held.number)
            await leaving.wait()

    async with anyio.create_task_group() as tasks:
        number: int = await tasks.start(hold_first)
        async with second.hold(number) as waiting:
            for _ in range(2):
                await second.ticks.asleep.wait()
                assert (waiting.state, "Its events are seen here" in waiting.describe()) == (PortState.WAITING, True)
                await second.ticks.tick()
            assert await post(number, "to the first") == 200
            leaving.set()
            async with anyio.create_task_group() as ticking:
                ticking.start_soon(second.ticks.tick_on)
                await waiting.wait_until_held()
                ticking.cancel_scope.cancel()
            assert await post(number, "to the second") == 200
    assert (list(first.kept.events), list(second.kept.events)) == (["to the first"], ["to the second"])


async def test_a_waiting_process_can_leave() -> None:
    first, second = One(), One()
    async with first.hold(0) as held:
        async with second.hold(held.number):
            await second.ticks.asleep.wait()
        assert await post(held.number) == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\n\r\n{"server": "telnyx-conferencing"}',
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 6000,
        b"a" * 1_000_000,
        b"\xff\xfe\0",
    ],
)
async def test_the_port_is_waited_for_however_its_holder_answers(answer: bytes) -> None:
    second = One()

    async def talk(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
                await stream.send(answer)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk)
        async with second.hold(listener.extra(anyio.abc.SocketAttribute.local_port)) as waiting:
            await second.ticks.asleep.wait()
            assert (waiting.state, "held by another program" in waiting.describe()) == (PortState.BLOCKED, True)
        tasks.cancel_scope.cancel()


async def test_a_server_on_another_store_blocks_the_port() -> None:
    first, second = One("here"), One("elsewhere")
    async with first.hold(0) as held, second.hold(held.number) as waiting:
        await second.ticks.asleep.wait()
        assert waiting.state is PortState.BLOCKED


async def test_a_holder_that_does_not_answer_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PROBE_TIMEOUT_S", 0)
    second = One()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with second.hold(mute.getsockname()[1]) as waiting:
            await second.ticks.asleep.wait()
            assert waiting.state is PortState.BLOCKED


async def test_the_port_is_taken_once_another_program_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PROBE_TIMEOUT_S", 0)
    second = One()
    async with AsyncExitStack() as stack:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            waiting = await stack.enter_async_context(second.hold(mute.getsockname()[1]))
            await second.ticks.asleep.wait()
        await second.ticks.tick()
        await waiting.wait_until_held()
        assert await post(waiting.number) == 200


async def test_a_port_that_cannot_be_listened_on_is_an_error() -> None:
    with pytest.raises(CannotListen, match=r"port 8080 of 192\.0\.2\.1 cannot be listened on: ") as refused:
        async with hold_port(8080, One().receiver.app, "here", host="192.0.2.1"):
            pass
    assert str(refused.value).endswith(".")


async def test_an_exception_in_the_context_is_raised_unchanged() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with One().hold(0):
            raise KeyError("mine")


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_webhook_in_flight_is_answered_before_the_port_is_freed(
    is_cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, leaving, answered = anyio.Event(), anyio.Event(), anyio.Event()
    statuses: list[int] = []
    shutdown = uvicorn.Server.shutdown

    async def shutdown_seen(self: uvicorn.Server, sockets: Any = None) -> None:
        leaving.set()
        await shutdown(self, sockets)

    async def add(*_: object) -> int:
        reached.set()
        await leaving.wait()
        return 1

    async def send(port: int) -> None:
        statuses.append(await post(port))
        answered.set()

    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown_seen)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with hold_port(0, Receiver(add, Kept().set_aside, None).app, "here") as port:
                tasks.start_soon(send, port.number)
                await reached.wait()
                if is_cancelled:
                    scope.cancel()
        await answered.wait()
    assert statuses == [200]


async def test_a_sender_that_stalls_does_not_keep_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_SHUTDOWN_TIMEOUT_S", 0)
    kept = Kept()
    patient = Receiver(kept.add, kept.set_aside, None, body_timeout_s=3600)
    async with hold_port(0, patient.app, "here") as port:
        stream = await anyio.connect_tcp("127.0.0.1", port.number)
        await stream.send(b"POST /webhooks/telnyx HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        assert await post(port.number) == 200
    await stream.aclose()
    assert _is_free(port.number)


async def test_holding_the_port_leaves_signal_handlers_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with One().hold(0) as port:
        assert await post(port.number) == 200
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            return False
    return True


class Process:
    """A process that wants the port."""

    def __init__(self, port: int, store: str = "here") -> None:
        script = Path(__file__).with_name("port_holder.py")
        command = [sys.executable, str(script), str(port), store]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def says(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def tries_again(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def leaves(self) -> None:
        """Without a word."""
        assert self._process.communicate(timeout=20) == ("", "")
        assert self._process.returncode == 0

    def is_killed(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def close(self) -> None:
        self.is_killed()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream
            stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["leaves", "is_killed"])
async def test_a_second_process_takes_over_the_port_when_the_first(how: str) -> None:
    with ExitStack() as processes:
        first = Process(0)
        processes.callback(first.close)
        said, port = first.says().split()
        assert said == "holding"
        second = Process(int(port))
        processes.callback(second.close)
        assert second.says() == f"waiting {port}"
        assert await post(int(port), "a") == 200
        assert first.says() == "took a"
        second.tries_again()
        assert second.says() == f"waiting {port}"
        getattr(first, how)()
        second.tries_again()
        assert second.says() == f"holding {port}"
        assert await post(int(port), "b") == 200
        assert second.says() == "took b"
        second.leaves()


async def test_bad_requests_write_nothing_to_standard_output_or_error() -> None:
    with ExitStack() as processes:
        process = Process(0)
        processes.callback(process.close)
        port = int(process.says().split()[1])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            assert b"400" in await stream.receive()
        assert await post(port, "") == 400
        assert process.says() == "set aside: it has an invalid id"
        process.leaves()
