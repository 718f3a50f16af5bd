"""The sandbox behind an HTTP server."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ConnectionDropped
from .sandbox import Sandbox


def create_app(sandbox: Sandbox) -> ASGIApp:
    """The sandbox's app for an HTTP server. Its lifespan runs the sandbox; a dropped connection breaks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(sandbox, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            try:
                await sandbox.app(scope, receive, send)
            except ConnectionDropped:
                await _break_connection(receive, send)

    return app


async def _break_connection(receive: Receive, send: Send) -> None:
    """Close the connection without a status line. ASGI has no message for that, so uvicorn's transport is aborted."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        # Another server: promise a body and send none, which makes it close the connection.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        return
    transport.abort()
    await _wait_for(receive, "http.disconnect")


async def _run_lifespan(sandbox: Sandbox, receive: Receive, send: Send) -> None:
    await _wait_for(receive, "lifespan.startup")
    async with sandbox.running():
        await send({"type": "lifespan.startup.complete"})
        await _wait_for(receive, "lifespan.shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def _wait_for(receive: Receive, message_type: str) -> Message:
    while (message := await receive())["type"] != message_type:
        pass
    return message
