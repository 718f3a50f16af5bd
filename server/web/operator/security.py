"""What stands before every handler: only this machine's own names get in, and every answer forbids what it can."""

import logging
from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def policy_of(scripts: str = "'self'", styles: str = "'self'") -> str:
    """What a page may do: run these scripts with these styles, and speak with this server."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            f"style-src {styles}",
            "connect-src 'self'",
            "img-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            # No text can become markup, whatever a script does with it.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


HEADERS = {
    "Content-Security-Policy": policy_of(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OURS = frozenset(name.lower().encode() for name in HEADERS)
_NAMES = ("127.0.0.1", "localhost", "[::1]")

_log = logging.getLogger(__name__)


def door(
    app: ASGIApp, port: int, names: Collection[str] = (), policy: str = HEADERS["Content-Security-Policy"]
) -> ASGIApp:
    """The app, for requests that were sent to this port of this machine by name, or to one of these names.

    `policy`: what its pages may do.

    A site whose name was made to point at this machine (DNS rebinding) sends its own name, and is refused.
    """
    hosts = {f"{name}:{port}".encode() for name in _NAMES} | {name.lower().encode() for name in names}

    headers = {**HEADERS, "Content-Security-Policy": policy}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in _OURS]
                message = {**message, "headers": kept + raw}
            await send(message)

        named = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1 or named[0] not in hosts:
            await PlainTextResponse("This is not a name of this server.", 421)(scope, receive, send_guarded)
            return
        try:
            await app(scope, receive, send_guarded)
        except Exception:
            _log.exception("The operator page could not answer %s %s", scope["method"], scope["path"])
            if not begun:
                await PlainTextResponse("Something went wrong. The server's log says what.", 500)(
                    scope, receive, send_guarded
                )

    return guarded
