"""The sandbox's ASGI app: Telnyx's API below /v2 and the sandbox's controls below /sandbox."""

import uuid
from collections.abc import Callable, Sequence

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .api import ReceivedRequest
from .errors import ApiError, method_not_allowed, nothing_at_url, unprocessable
from .requests import authorize, encoded_path, query_of, refuse_web_pages
from .responses import error_response


class SandboxApp:
    """An ASGI app. `before_request` runs before each request; `on_request` gets the record of each API request.

    A `ConnectionDropped` passes through, so that the server can break the connection.
    """

    def __init__(
        self,
        api: Sequence[BaseRoute],
        controls: Sequence[BaseRoute],
        before_request: Callable[[], None],
        on_request: Callable[[ReceivedRequest], None],
    ) -> None:
        self._before_request = before_request
        self._on_request = on_request
        router = Router(
            [Mount("/v2", self._protect(api)), Mount("/sandbox", self._protect(controls, refuse_web_pages))],
            redirect_slashes=False,
        )
        self._app = ExceptionMiddleware(
            router,
            handlers={ApiError: _api_error, ValidationError: _validation_error, HTTPException: _http_exception},
        )

    def _protect(self, routes: Sequence[BaseRoute], *checks: Callable[[Request], None]) -> ASGIApp:
        """Routes that are reached after the API key and further checks are accepted."""
        router = Router(routes, redirect_slashes=False)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope)
            for check in (*checks, authorize):
                check(request)
            self._before_request()
            await router(scope, receive, send)

        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # Routes match the encoded path, without a trailing slash.
        # With `app` set, Starlette raises HTTPException for 404 and 405.
        path = encoded_path(scope).rstrip("/")
        scope = {**scope, "app": self, "path": path, "state": {}}
        record = ReceivedRequest(scope["method"], path.removeprefix("/v2"), query_of(Request(scope)), None)
        if path.startswith("/v2/"):
            scope["state"]["record"] = record
            self._on_request(record)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", str(uuid.uuid4()).encode())]
            await send(message)

        await self._app(scope, receive, send_with_id)


async def _api_error(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, ApiError)
    return error_response(refused)


async def _validation_error(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, ValidationError)
    return error_response(unprocessable(refused))


async def _http_exception(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    if refused.status_code == 405:
        return error_response(method_not_allowed(request.method, refused.headers))
    return error_response(nothing_at_url())
