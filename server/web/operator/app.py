"""The operator page: sign-in, approvals, the audit and the stop switch."""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...auth import AuthUnavailable, Identity, TokenScope
from ...database import StoreError
from ...guard.ledger import Decision, Ledger, NoSuchApproval, NoSuchGrant
from .event_stream import TOO_MANY_STREAMS, PageUpdates
from .login_links import LoginLinks, TooManyLinks
from .requests import RequestRefused, read_json, require_same_origin, text_field
from .security import PageSecurity
from .sign_in_sessions import SIGNED_OUT, Sessions, SignInSession
from .static_files import PUBLIC_FILES, file_response
from .view import approval_view, read_state

if TYPE_CHECKING:
    from ...auth.authenticator import Authenticator

PATH = "/operator"
KEY_HEADER = "x-operator-key"
_MAX_CODE_LENGTH = 20
_MAX_REASON_LENGTH = 500
_MAX_LINK_TOKEN_LENGTH = 200
_MAX_ACCESS_TOKEN_LENGTH = 12_000
_NOT_SIGNED_IN = "You are not signed in."
_SHUT_DOWN = "The server has shut down."

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
SessionHandler = Callable[[Request, SignInSession], Awaitable[Response]]


def _now() -> datetime:
    return datetime.now(UTC)


class OperatorPage:
    """The page over a ledger, at one port."""

    def __init__(
        self,
        ledger: Ledger,
        port: int,
        show_link: Callable[[str], None],
        *,
        by: str = "operator page",
        hosts: Collection[str] = (),
        authenticator: "Authenticator | None" = None,
        now: Callable[[], datetime] = _now,
        interval_s: float = 1.0,
    ) -> None:
        """`hosts`: names by which a proxy reaches it too. `authenticator`: people sign in with an access token, and not
        with a link that `show_link` shows on the server's terminal. `interval_s`: between two reads of the ledger.
        """
        self._ledger = ledger
        self._by = by
        self._show_link = show_link
        self._schemes = ("http", "https") if hosts else ("http",)
        self._address = f"https://{min(hosts)}{PATH}" if hosts else f"http://127.0.0.1:{port}{PATH}"
        # Browsers keep cookies by host and not by port: two servers on this machine must not sign each other out.
        self._cookie_name = f"operator_{port}"
        self._links = LoginLinks(now)
        self._authenticator = authenticator
        self.sessions = Sessions(now, authenticator.is_valid if authenticator is not None else None)
        self.has_board = False
        """Whether the switchboard is served too."""
        self._updates = PageUpdates(self._read_state, now, interval_s)
        app = PageSecurity(Starlette(routes=self._inner_routes()), port, hosts)
        self.routes = page_routes(PATH, app)

    def link(self) -> str:
        """A new sign-in link: it works once, for ten minutes. Raises `TooManyLinks`."""
        return f"{self._address}/sign-in?token={self._links.create()}"

    @property
    def streams(self) -> int:
        """Open event streams."""
        return self._updates.streams

    def close(self) -> None:
        """Sign everyone out and end the streams."""
        self.sessions.end_all(_SHUT_DOWN)

    def _inner_routes(self) -> list[BaseRoute]:
        def get(path: str, handler: Handler) -> Route:
            return Route(f"{PATH}{path}", refusals_as_json(handler), methods=["GET"])

        def post(path: str, handler: SessionHandler) -> Route:
            return Route(f"{PATH}{path}", self.signed_in_post(handler), methods=["POST"])

        def anonymous_post(path: str, handler: Handler) -> Route:
            return Route(f"{PATH}{path}", self._same_origin(handler), methods=["POST"])

        if self._authenticator is not None:
            sign_in = [anonymous_post("/sign-in", self._sign_in_by_token)]
        else:
            sign_in = [anonymous_post("/sign-in", self._sign_in), anonymous_post("/link", self._new_link)]
        return [
            get("", self._page),
            get("/sign-in", self._sign_in_page),
            get("/events", self._events),
            *(get(f"/{name}", _static_file) for name in PUBLIC_FILES),
            *sign_in,
            post("/sign-out", self._sign_out),
            post("/present", self._present),
            post("/decide", self._decide),
            post("/revoke", self._revoke),
            post("/stop", self._stop),
            post("/resume", self._resume),
        ]

    # Pages

    async def _page(self, request: Request) -> Response:
        return file_response("page.html") if self.is_signed_in(request) else self._signed_out_page()

    async def _sign_in_page(self, request: Request) -> Response:
        # Only the button on this page uses the link up. Link previews, which open links too, do not.
        if self._links.is_valid(request.query_params.get("token", "")):
            return file_response("sign_in.html")
        return self._signed_out_page()

    def _signed_out_page(self) -> Response:
        return file_response("signed_out.html" if self._authenticator is None else "sign_in_by_token.html", 401)

    # Signing in and out

    async def _sign_in(self, request: Request) -> Response:
        if not self._links.use(text_field(await read_json(request), "token", _MAX_LINK_TOKEN_LENGTH)):
            raise RequestRefused(401, "This link was already used, or is older than ten minutes.")
        return self._start_session(request, None)

    async def _sign_in_by_token(self, request: Request) -> Response:
        assert self._authenticator is not None
        token = text_field(await read_json(request), "token", _MAX_ACCESS_TOKEN_LENGTH)
        try:
            identity = await self._authenticator.identify(token)
        except AuthUnavailable:
            raise RequestRefused(503, "Tokens cannot be checked at the moment. Try again.") from None
        if identity is None:
            raise RequestRefused(401, "The token is not valid.")
        if not identity.may(TokenScope.APPROVE):
            raise RequestRefused(403, f"The token needs the scope {TokenScope.APPROVE}.")
        return self._start_session(request, identity)

    def _start_session(self, request: Request, identity: Identity | None) -> Response:
        secrets = self.sessions.start(identity)
        response = JSONResponse({"key": secrets.key})
        response.set_cookie(
            self._cookie_name, secrets.cookie, path="/", secure=_is_https(request), httponly=True, samesite="strict"
        )
        _log.info("Signed in to the operator page: %s", identity.name if identity else "with a link")
        return response

    async def _new_link(self, request: Request) -> Response:
        await read_json(request)
        try:
            self._show_link(self.link())
        except TooManyLinks as too_many:
            raise RequestRefused(429, str(too_many)) from None
        return Response(status_code=204)

    async def _sign_out(self, request: Request, session: SignInSession) -> Response:
        await read_json(request)
        session.end(SIGNED_OUT)
        response = Response(status_code=204)
        response.delete_cookie(self._cookie_name, path="/", secure=_is_https(request), httponly=True, samesite="strict")
        return response

    async def _present(self, request: Request, session: SignInSession) -> Response:
        """The person moved the pointer, typed or scrolled."""
        await read_json(request)
        return Response(status_code=204)

    # Sessions, shared with the switchboard

    def is_signed_in(self, request: Request) -> bool:
        """Whether the cookie alone allows showing an empty page. Its content needs `session_of`."""
        session = self.sessions.by_cookie(self._cookie(request))
        if session is not None:
            self.sessions.touch(session)
        return session is not None

    async def session_of(self, request: Request) -> SignInSession:
        """The session of a request. Raises `RequestRefused`."""
        session = self.sessions.find(self._cookie(request), request.headers.get(KEY_HEADER, ""))
        if session is None or await self.sessions.why_ended(session):
            raise RequestRefused(401, _NOT_SIGNED_IN)
        return session

    def signed_in_post(self, handler: SessionHandler) -> Handler:
        """A handler for signed-in requests by this page's own script."""

        async def handle(request: Request) -> Response:
            session = await self.session_of(request)
            self.sessions.touch(session)
            return await handler(request, session)

        return self._same_origin(handle)

    def _same_origin(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            require_same_origin(request, self._schemes)
            return await handler(request)

        return refusals_as_json(handle)

    def _cookie(self, request: Request) -> str:
        return request.cookies.get(self._cookie_name, "")

    # What an operator sees and does

    async def _read_state(self) -> dict[str, Any]:
        return await read_state(self._ledger) | ({"board": True} if self.has_board else {})

    async def _events(self, request: Request) -> Response:
        session = await self.session_of(request)
        if not self._updates.has_room(session):
            raise RequestRefused(429, TOO_MANY_STREAMS)
        return self._updates.response(session, self.sessions)

    async def _decide(self, request: Request, session: SignInSession) -> Response:
        body = await read_json(request)
        code, yes = text_field(body, "code", _MAX_CODE_LENGTH), body.get("yes")
        reason = text_field(body, "reason", _MAX_REASON_LENGTH) or None
        if not isinstance(yes, bool):
            raise RequestRefused(400, "yes: must be true or false.")
        identity_name = session.identity.name if session.identity else None
        try:
            decided = await self._ledger.decide(code, Decision(yes, self._actor(session), reason, identity_name))
        except NoSuchApproval as problem:
            raise RequestRefused(409, str(problem)) from None
        return await self._changed(decided=approval_view(decided))

    async def _revoke(self, request: Request, session: SignInSession) -> Response:
        """End a grant."""
        code = text_field(await read_json(request), "code", _MAX_CODE_LENGTH)
        try:
            await self._ledger.revoke_grant(code, self._actor(session))
        except NoSuchGrant as problem:
            raise RequestRefused(409, str(problem)) from None
        return await self._changed()

    async def _stop(self, request: Request, session: SignInSession) -> Response:
        reason = text_field(await read_json(request), "reason", _MAX_REASON_LENGTH) or None
        await self._ledger.stop(self._actor(session), reason)
        return await self._changed()

    async def _resume(self, request: Request, session: SignInSession) -> Response:
        await read_json(request)
        await self._ledger.resume(self._actor(session))
        return await self._changed()

    async def _changed(self, **fields: Any) -> Response:
        return JSONResponse({**fields, "state": self._updates.payload(await self._updates.fresh_state())})

    def _actor(self, session: SignInSession) -> str:
        """How the audit names who did it."""
        return self._by if session.identity is None else f"{session.identity.name} ({self._by})"


def _is_https(request: Request) -> bool:
    """Whether the browser came by https, as far as its Origin says, which was checked: TLS ends at a proxy."""
    return request.headers.get("origin", "").startswith("https://")


async def _static_file(request: Request) -> Response:
    return file_response(request.url.path.rpartition("/")[2])


def page_routes(path: str, app: PageSecurity) -> list[BaseRoute]:
    """Routes for an app that serves a path and everything below it."""
    return [Route(path, app), Route(f"{path}/{{rest:path}}", app)]


def refusals_as_json(handler: Handler) -> Handler:
    """The handler, with its refusals and store errors answered as JSON with a sentence in `error`."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestRefused as refused:
            headers = {"connection": "close"} if refused.status in (408, 413) else None
            return JSONResponse({"error": str(refused)}, refused.status, headers)
        except StoreError as problem:
            return JSONResponse({"error": str(problem)}, 503)

    return handle
