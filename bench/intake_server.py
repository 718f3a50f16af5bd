"""The webhook port with a store, and two endpoints to compare it with.

`/verified` only checks signatures. `/appended` also appends bodies to a plain file and syncs it: the least that the
disk costs. Arguments: the database's URL, the public key and the file to append to. Prints its port, then serves.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import anyio
from starlette.types import Receive, Scope, Send
from webhook_load import APPENDED, VERIFIED

from telnyx_conferencing.server.asgi_server import Asgi
from telnyx_conferencing.server.cli.serve import tune_gc
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.webhooks.port import hold_port
from telnyx_conferencing.server.webhooks.receiver import Receiver
from telnyx_conferencing.server.webhooks.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureVerifier

_QUIET_TURNS = 4
"""Turns of the event loop without a further body, after which the waiting bodies are written."""

Keep = Callable[[bytes], Awaitable[None]]


class Appended:
    """A file to which all waiting bodies are appended by one write and one sync."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, body: bytes) -> None:
        """Return once a body is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((body, done))
        if len(self._waiting) == 1:
            self._writing = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        known, quiet = 0, 0
        while quiet < _QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)
        group, self._waiting = self._waiting, []
        os.writev(self._file, [body for body, _ in group])
        os.fdatasync(self._file)
        for _, done in group:
            done.set_result(None)


async def _keep_nothing(_: bytes) -> None:
    pass


def verifying(verifier: SignatureVerifier, keep: Keep = _keep_nothing) -> Asgi:
    """An endpoint that reads a body, checks its signature, keeps it, and answers 200."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        signature, timestamp = headers[SIGNATURE_HEADER.encode()], headers[TIMESTAMP_HEADER.encode()]
        verifier.verify(body, signature.decode("latin-1"), timestamp.decode("latin-1"))
        await keep(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return app


async def main(url: str, public_key: str, log: str) -> None:
    """Serve until ended."""
    verifier = SignatureVerifier([public_key])
    floors = {VERIFIED: verifying(verifier), APPENDED: verifying(verifier, Appended(log).keep)}
    async with Store.open(url) as store:
        tune_gc()  # as `serve` does
        receiver = Receiver(store.add, store.reject, verifier)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await floors.get(scope["path"], receiver.app)(scope, receive, send)

        async with hold_port(0, app, url) as port:
            print(port.number, flush=True)
            await anyio.sleep_forever()


if __name__ == "__main__":
    database, key, appended = sys.argv[1:]
    anyio.run(main, database, key, appended)
