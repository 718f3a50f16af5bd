"""The webhook port with a store behind it, and beside it, at `/verified`, the floor: what only checks signatures.

Takes the database's URL and the public key; prints its port, then serves until it is ended.
"""

import sys

import anyio

from telnyx_conferencing.server.events.port import hold
from telnyx_conferencing.server.events.receiver import Asgi, Receive, Receiver, Scope, Send
from telnyx_conferencing.server.events.signature import SIGNATURE, TIMESTAMP, Verifier
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.garbage import search_seldom

VERIFIED = "/verified"


def verifying(verifier: Verifier) -> Asgi:
    """An endpoint that reads a body, checks its signature, and answers 200."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        verifier.verify(body, headers[SIGNATURE].decode("latin-1"), headers[TIMESTAMP].decode("latin-1"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return app


async def main(url: str, public_key: str) -> None:
    """Serve until ended."""
    verifier = Verifier([public_key])
    floor = verifying(verifier)
    async with Store.open(url) as store:
        search_seldom()  # as `serve` does
        receiver = Receiver(store.add_unread, store.set_aside, verifier)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await (floor if scope["path"] == VERIFIED else receiver.app)(scope, receive, send)

        async with hold(0, app, url) as port:
            print(port.number, flush=True)
            await anyio.sleep_forever()


if __name__ == "__main__":
    database, key = sys.argv[1:]
    anyio.run(main, database, key)
