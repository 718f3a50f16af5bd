"""A receiver of webhooks on a loopback port, for tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
import anyio.abc


@dataclass
class Received:
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Answers 200, or what `answers` holds first, or nothing while it hangs."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.hangs = False
        self._arrived = anyio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = self._listener.extra(anyio.abc.SocketAttribute.local_port)
        self.url = f"http://127.0.0.1:{port}/webhooks"
        self._tasks.start_soon(self._listener.serve, self._serve)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._listener.aclose()

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            held = b""
            while True:
                while b"\r\n\r\n" not in held:
                    try:
                        held += await stream.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        return
                head, _, held = held.partition(b"\r\n\r\n")
                lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
                headers = {name.lower(): value for name, value in lines}
                size = int(headers["content-length"])
                while len(held) < size:
                    held += await stream.receive()
                self.received.append(Received(headers, held[:size]))
                held = held[size:]
                self._arrived.set()
                if self.hangs:
                    await anyio.sleep_forever()
                status = self.answers.pop(0) if self.answers else 200
                await stream.send(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())

    async def until(self, number: int) -> None:
        """Wait until this many have arrived."""
        while len(self.received) < number:
            self._arrived = anyio.Event()
            await self._arrived.wait()

    def kinds(self) -> list[str]:
        envelopes = [json.loads(webhook.body) for webhook in self.received]
        return [envelope.get("data", envelope)["event_type"] for envelope in envelopes]
