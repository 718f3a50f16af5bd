"""The page's requests: who may make them, and what they do to the ledger."""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ...auth import AuthUnavailable, Identity, TokenScope
from ...database import StoreError
from ...guard.ledger import Decision, Ledger, NoSuchApproval
from .event_stream import TOO_MANY, PageUpdates, Stream
from .login_links import LoginLinks, TooManyLinks
from .requests import RequestRefused, body_of, from_own_page, text_of
from .security import door
from .sign_in_sessions import SIGNED_OUT, Sessions, SignInSession
from .static_files import SERVED, file
from .view import look, told

if TYPE_CHECKING:
    from ...auth.authenticator import Authenticator

PATH = "/operator"
KEY = "x-operator-key"
_LONGEST_REASON = 500
_LONGEST_SECRET = 200
_LONGEST_TOKEN = 12_000
_NOT_SIGNED_IN = "You are not signed in."
_LEAVING = "The server has ended."

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def _now() -> datetime:
    return datetime.now(UTC)


class OperatorPage:
    """A web page over a ledger, for one loopback port."""

    def __init__(
        self,
        ledger: Ledger,
        port: int,
        tell: Callable[[str], None],
        *,
        by: str = "operator page",
        names: Collection[str] = (),
        admission: "Authenticator | None" = None,
        now: Callable[[], datetime] = _now,
        every: float = 1.0,
    ) -> None:
        """`names`: hosts by which it is reached too, through a proxy. `admission`: people sign in by their token, and
        not by a link, which `tell` shows on the server's terminal. `every`: seconds between two looks at the ledger.
        """
        self._ledger = ledger
        self._by = by
        self._tell = tell
        self._schemes = ("http", "https") if names else ("http",)
        self._address = f"https://{min(names)}{PATH}" if names else f"http://127.0.0.1:{port}{PATH}"
        # Browsers keep cookies by host alone: two servers on this machine must not sign each other out.
        self._cookie = f"operator_{port}"
        self._links = LoginLinks(now)
        self._admission = admission
        self._sessions = Sessions(now, admission.holds if admission is not None else None)
        self.has_board = False
        """Whether the switchboard is served beside it."""
        self._live = PageUpdates(self._look, now, every)
        self.app: ASGIApp = door(Starlette(routes=self._routes()), port, names)

    def link(self) -> str:
        """A new sign-in link: it works once, for ten minutes. Raises `TooManyLinks`."""
        return f"{self._address}/sign-in?token={self._links.new()}"

    @property
    def watched(self) -> int:
        """How many pages are being told of changes."""
        return self._live.streams

    def close(self) -> None:
        """Sign everybody out and end what is streamed."""
        self._sessions.end_all(_LEAVING)

    def _routes(self) -> list[Route]:
        posts = {
            **self._ways_in(),
            "sign-out": self.changing(self._sign_out),
            "present": self.changing(self._present),
            "decide": self.changing(self._decide),
            "stop": self.changing(self._stop),
            "resume": self.changing(self._resume),
        }

        async def served(request: Request) -> Response:
            return file(request.url.path.rpartition("/")[2])

        return [
            Route(PATH, self._page, methods=["GET"]),
            Route(f"{PATH}/sign-in", self._before_sign_in, methods=["GET"]),
            Route(f"{PATH}/events", refusing(self._events), methods=["GET"]),
            *(Route(f"{PATH}/{name}", served, methods=["GET"]) for name in SERVED),
            *(Route(f"{PATH}/{name}", handler, methods=["POST"]) for name, handler in posts.items()),
        ]

    def _ways_in(self) -> dict[str, Handler]:
        if self._admission is not None:
            return {"sign-in": _changing(self._sign_in_by_token, self._schemes)}
        return {
            "sign-in": _changing(self._sign_in, self._schemes),
            "link": _changing(self._new_link, self._schemes),
        }

    # Pages

    def _signed_out(self) -> Response:
        return file("signed_out.html" if self._admission is None else "sign_in_by_token.html", 401)

    async def _page(self, request: Request) -> Response:
        return file("page.html") if self.is_signed_in(request) else self._signed_out()

    async def _before_sign_in(self, request: Request) -> Response:
        # Only the button on it uses the link up: whatever looks at a link beforehand, such as a preview, does not.
        if self._links.holds(request.query_params.get("token", "")):
            return file("sign_in.html")
        return self._signed_out()

    # Signing in and out

    async def _sign_in(self, request: Request) -> Response:
        if not self._links.spend(text_of(await body_of(request), "token", _LONGEST_SECRET)):
            raise RequestRefused(401, "This link was used already, or is older than ten minutes.")
        return self._let_in(None)

    async def _sign_in_by_token(self, request: Request) -> Response:
        assert self._admission is not None
        token = text_of(await body_of(request), "token", _LONGEST_TOKEN)
        try:
            identity = await self._admission.identity(token)
        except AuthUnavailable:
            raise RequestRefused(503, "Tokens cannot be checked now. Try again.") from None
        if identity is None:
            raise RequestRefused(401, "This token is not valid.")
        if not identity.may(TokenScope.APPROVE):
            raise RequestRefused(403, f"This token has not the scope {TokenScope.APPROVE}, which this page takes.")
        return self._let_in(identity)

    def _let_in(self, identity: Identity | None) -> Response:
        handed = self._sessions.begin(identity)
        answer = JSONResponse({"key": handed.key})
        answer.set_cookie(self._cookie, handed.cookie, path="/", httponly=True, samesite="strict")
        _log.info("Somebody signed in to the operator page")
        return answer

    async def _new_link(self, request: Request) -> Response:
        await body_of(request)
        try:
            self._tell(self.link())
        except TooManyLinks as too_many:
            raise RequestRefused(429, str(too_many)) from None
        return Response(status_code=204)

    async def _sign_out(self, request: Request, session: SignInSession) -> Response:
        await body_of(request)
        session.end(SIGNED_OUT)
        answer = Response(status_code=204)
        answer.delete_cookie(self._cookie, path="/", httponly=True, samesite="strict")
        return answer

    async def _present(self, request: Request, session: SignInSession) -> Response:
        """Somebody is there: they moved, typed or scrolled."""
        await body_of(request)
        return Response(status_code=204)

    # For the switchboard, which the same sign-in serves

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return self._sessions

    def is_signed_in(self, request: Request) -> bool:
        """Whether a page may be shown; what is in it needs `session_of`."""
        session = self._sessions.of_cookie(self._cookie_of(request))
        if session is not None:
            self._sessions.use(session)
        return session is not None

    async def session_of(self, request: Request) -> SignInSession:
        """Who asks. Raises `Refused`."""
        session = self._sessions.of(self._cookie_of(request), request.headers.get(KEY, ""))
        if session is None or await self._sessions.look(session):
            raise RequestRefused(401, _NOT_SIGNED_IN)
        return session

    def changing(self, handler: Callable[[Request, SignInSession], Awaitable[Response]]) -> Handler:
        """The handler of a change, for whoever is signed in and asks by a page of this very server."""

        async def handle(request: Request) -> Response:
            session = await self.session_of(request)
            self._sessions.use(session)
            return await handler(request, session)

        return _changing(handle, self._schemes)

    # What an operator sees and does

    async def _look(self) -> dict[str, Any]:
        return await look(self._ledger) | ({"board": True} if self.has_board else {})

    async def _events(self, request: Request) -> Any:
        session = await self.session_of(request)
        if not self._live.has_room(session):
            raise RequestRefused(429, TOO_MANY)
        return Stream(self._live, session, self._sessions)

    async def _decide(self, request: Request, session: SignInSession) -> Response:
        body = await body_of(request)
        code, yes = text_of(body, "code", 20), body.get("yes")
        reason = text_of(body, "reason", _LONGEST_REASON) or None
        if not isinstance(yes, bool):
            raise RequestRefused(400, "yes: must be true or false.")
        try:
            decided = await self._ledger.decide(code, self._decision(session, yes, reason))
        except NoSuchApproval as why:
            raise RequestRefused(409, str(why)) from None
        return await self._changed(decided=told(decided))

    async def _stop(self, request: Request, session: SignInSession) -> Response:
        reason = text_of(await body_of(request), "reason", _LONGEST_REASON) or None
        await self._ledger.stop(self._by_whom(session), reason)
        return await self._changed()

    async def _resume(self, request: Request, session: SignInSession) -> Response:
        await body_of(request)
        await self._ledger.resume(self._by_whom(session))
        return await self._changed()

    async def _changed(self, **said: Any) -> Response:
        return JSONResponse({**said, "state": self._live.written(await self._live.state_now())})

    # Who asks

    def _by_whom(self, session: SignInSession) -> str:
        return self._by if session.identity is None else f"{session.identity.name} ({self._by})"

    def _decision(self, session: SignInSession, yes: bool, reason: str | None) -> Decision:
        return Decision(yes, self._by_whom(session), reason, session.identity.name if session.identity else None)

    def _cookie_of(self, request: Request) -> str:
        return request.cookies.get(self._cookie, "")


def _changing(handler: Handler, schemes: Collection[str]) -> Handler:
    async def handle(request: Request) -> Response:
        from_own_page(request, schemes)
        return await handler(request)

    return refusing(handle)


def refusing(handler: Handler) -> Handler:
    """The handler, with what it refuses told as a sentence in JSON."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestRefused as refused:
            headers = {"connection": "close"} if refused.status in (408, 413) else None
            return JSONResponse({"error": str(refused)}, refused.status, headers)
        except StoreError as problem:
            return JSONResponse({"error": str(problem)}, 503)

    return handle
