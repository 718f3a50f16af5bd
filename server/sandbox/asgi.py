"""The sandbox behind an HTTP server."""

from .errors import ConnectionDropped
from .http import Asgi, Message, Receive, Scope, Send
from .sandbox import Sandbox


def create_app(sandbox: Sandbox) -> Asgi:
    """The sandbox's app for an HTTP server: its lifespan runs the sandbox, and a dropped connection breaks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(sandbox, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await _serve(sandbox, scope, receive, send)

    return app


async def _serve(sandbox: Sandbox, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await sandbox.app(scope, receive, send)
    except ConnectionDropped:
        # A server cannot be told to hang up; one that was promised a body and gets none does.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


async def _live(sandbox: Sandbox, receive: Receive, send: Send) -> None:
    await _awaited(receive, "lifespan.startup")
    async with sandbox.running():
        await send({"type": "lifespan.startup.complete"})
        await _awaited(receive, "lifespan.shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def _awaited(receive: Receive, kind: str) -> Message:
    while (message := await receive())["type"] != kind:
        pass
    return message
