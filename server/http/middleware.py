"""What stands before everything that clients reach over HTTP: who is let in, and for how long a request may take."""

import asyncio
from collections.abc import Iterable

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth import TokenScope as Right
from ..auth.authenticator import Authenticator, carried
from ..settings import Settings, is_loopback
from ..shutdown import Shutdown

_BODY_TIMEOUT = 30.0
"""Seconds that a body may take."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class _TooSlow(Exception):
    """A body did not come in time."""


class AccessMiddleware:
    """An app behind the checks of its host and origin, and of who is there.

    A site whose name was made to point here (DNS rebinding) sends its own name as the host, and is refused: 421 for a
    host, 403 for an origin. Who has no token that holds is refused too: 401, or 403 without the scope that is needed;
    and where none is required, whoever did not come to a loopback address. A body that takes too long is given up: 408.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, leaving: Shutdown, admission: Authenticator, needs: Right
    ) -> None:
        """`needs`: what whoever is let in must have."""
        self._app: ASGIApp = carried(app)
        self._leaving = leaving
        self._admission = admission
        self._needs = needs
        self._names = TransportSecurityMiddleware(names_of(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._names.validate_request(Request(scope))
        if refusal is None and not self._admission.is_required and not _came_from_here(scope):
            refusal = PlainTextResponse("This server is open on this machine alone.", 401)
        refusal = refusal or await self._admission.refusal(scope, self._needs)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, self._received(scope, receive), noting)
        except _TooSlow:
            if not begun:
                await PlainTextResponse("The body took too long.", 408, {"connection": "close"})(scope, receive, send)

    def _received(self, scope: Scope, receive: Receive) -> Receive:
        """What the app receives: the body in its time, and the end of what only listens at the server's end, and of
        everything once the token holds no longer."""
        deadline = asyncio.get_running_loop().time() + _BODY_TIMEOUT
        is_whole = False

        async def body() -> Message:
            nonlocal is_whole
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _TooSlow from None
            is_whole = not message.get("more_body", False)
            return message

        async def received() -> Message:
            if not is_whole:
                return await body()
            with self._admission.while_holding(scope):
                if scope["method"] != "GET":
                    return await receive()
                with self._leaving.ending():
                    return await receive()
            return {"type": "http.disconnect"}

        return received


def names_of(settings: Settings) -> TransportSecuritySettings:
    """The hosts and origins that requests may name: loopback's, the address that is listened on, and those set."""
    hosts = [*_LOOPBACK, *settings.allowed_hosts, *_written(settings.host)]
    local = [f"http://{name}" for name in _LOOPBACK]
    named = [f"{scheme}://{host}" for host in settings.allowed_hosts for scheme in ("https", "http")]
    return TransportSecuritySettings(
        allowed_hosts=_with_any_port(hosts),
        allowed_origins=_with_any_port([*local, *named, *settings.allowed_origins]),
    )


def _written(host: str) -> Iterable[str]:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - no name of anything
        return ()
    return (f"[{host}]" if ":" in host else host,)


def _with_any_port(names: Iterable[str]) -> list[str]:
    return [written for name in dict.fromkeys(names) for written in (name, f"{name}:*")]


def _came_from_here(scope: Scope) -> bool:
    """Whether a request came to a loopback address, whatever it says of itself."""
    server: tuple[str, int | None] | None = scope.get("server")
    return server is not None and is_loopback(server[0])
