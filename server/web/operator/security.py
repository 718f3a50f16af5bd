"""Security of the pages: requests must name one of this server's hosts, and every response carries strict headers."""

import logging
from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob:",  # a timeline is fetched with the key, and shown from memory
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        # Text cannot become markup, even if a script tries.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

_log = logging.getLogger(__name__)


class PageSecurity:
    """Middleware that checks the Host header against DNS rebinding and sets the security headers.

    In DNS rebinding, another site makes its own name point to this machine. The browser then sends that name.
    """

    def __init__(self, app: ASGIApp, port: int, hosts: Collection[str] = ()) -> None:
        """`port`: loopback names are accepted with it. `hosts`: further names."""
        self._app = app
        loopback = {f"{name}:{port}" for name in _LOOPBACK_NAMES}
        self._hosts = {host.encode() for host in loopback | {name.lower() for name in hosts}}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        has_response_begun = False

        async def send_secured(message: Message) -> None:
            nonlocal has_response_begun
            if message["type"] == "http.response.start":
                has_response_begun = True
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        names = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if len(names) != 1 or names[0] not in self._hosts:
            response = PlainTextResponse("The Host header is not a name of this server.", 421)
            await response(scope, receive, send_secured)
            return
        try:
            await self._app(scope, receive, send_secured)
        except Exception:
            _log.exception("A page could not answer %s %s", scope["method"], scope["path"])
            if not has_response_begun:
                response = PlainTextResponse("Internal error. See the server's log.", 500)
                await response(scope, receive, send_secured)
