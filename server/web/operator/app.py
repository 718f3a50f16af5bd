"""The operator page: sign-in, what happens now, approvals, history, the audit and the stop switch."""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ....tools.text import clean
from ...auth import AuthUnavailable, Identity, TokenScope
from ...database import StoreError
from ...events.times import iso
from ...guard.ledger import Decision, Ledger, NoSuchApproval, NoSuchGrant
from .audit import AuditApi
from .event_stream import TOO_MANY_STREAMS, PageUpdates
from .history import HistoryApi
from .live import LiveCalls
from .report import ReportApi
from .requests import RequestRefused, read_json, require_same_origin, text_field
from .security import PageSecurity
from .sign_in import ENDED_ELSEWHERE, SIGNED_OUT, Session, Sessions, use_code
from .static_files import PUBLIC_FILES, file_response
from .view import approval_view, read_state

if TYPE_CHECKING:
    from ...auth.authenticator import Authenticator

PATH = "/operator"
VIEWS = ("", "/approvals", "/history", "/history/{id}", "/report", "/audit", "/sessions")
"""Addresses of the page's views below `PATH`: the same page answers all of them."""
KEY_HEADER = "x-operator-key"
_NAME = "operator page"
_MAX_CODE_LENGTH = 20
_MAX_ID_LENGTH = 40
_MAX_REASON_LENGTH = 500
_MAX_ACCESS_TOKEN_LENGTH = 12_000
_NOT_SIGNED_IN = "You are not signed in."

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Any]]
SessionHandler = Callable[[Request, Session], Awaitable[Any]]


def _now() -> datetime:
    return datetime.now(UTC)


class OperatorPage:
    """The page over a ledger, at one port."""

    def __init__(
        self,
        ledger: Ledger,
        live: LiveCalls,
        port: int,
        *,
        hosts: Collection[str] = (),
        authenticator: "Authenticator | None" = None,
        now: Callable[[], datetime] = _now,
        interval_s: float = 1.0,
    ) -> None:
        """`hosts`: names by which a proxy reaches it too. `authenticator`: people sign in with an access token, and not
        with a code that the `operator` command prints. `interval_s`: between two reads of the ledger.
        """
        self._ledger = ledger
        self._live = live
        self._now = now
        self._schemes = ("http", "https") if hosts else ("http",)
        # Browsers keep cookies by host and not by port: two servers on this machine must not sign each other out.
        self._cookie_name = f"operator_{port}"
        self._authenticator = authenticator
        self._updates = PageUpdates(self._read_state, now, live.events.now, interval_s)
        is_valid = authenticator.is_valid if authenticator is not None else None
        self._sessions = Sessions(ledger, now, is_valid, self._updates.wake)
        self._history = HistoryApi(live.events, ledger, has_links=live.has_calls)
        self._report = ReportApi(live.events, ledger)
        self._audit = AuditApi(ledger, live.events)
        live.events.on_change(lambda changed, events: self._updates.wake())
        ledger.on_pending(self._updates.wake)
        app = PageSecurity(Starlette(routes=self._inner_routes()), port, hosts)
        self.routes: list[BaseRoute] = [Route(PATH, app), Route(f"{PATH}/{{rest:path}}", app)]

    @property
    def streams(self) -> int:
        """Open event streams."""
        return self._updates.streams

    def close(self) -> None:
        """End the streams. Sign-ins stay."""
        self._updates.close()

    def _inner_routes(self) -> list[BaseRoute]:
        def route(method: str, name: str, handler: Handler) -> Route:
            return Route(f"{PATH}/api/{name}", _refusals_as_json(handler), methods=[method])

        def get(name: str, handler: SessionHandler, *, reads_calls: bool = False) -> Route:
            return route("GET", name, self._signed_in(handler, reads_calls=reads_calls))

        def post(name: str, handler: SessionHandler, *, reads_calls: bool = False) -> Route:
            return route("POST", name, self._same_origin(self._signed_in(handler, reads_calls=reads_calls)))

        sign_in = self._sign_in_by_code if self._authenticator is None else self._sign_in_by_token
        return [
            *(Route(f"{PATH}{view}", _page, methods=["GET"]) for view in VIEWS),
            *(Route(f"{PATH}/{name}", _static_file, methods=["GET"]) for name in PUBLIC_FILES),
            route("GET", "session", self._session),
            route("POST", "sign-in", self._same_origin(sign_in)),
            post("sign-out", self._sign_out),
            get("sessions", self._list_sessions),
            post("end-session", self._end_session),
            get("events", self._events),
            post("decide", self._decide),
            post("revoke", self._revoke),
            post("stop", self._stop),
            post("resume", self._resume),
            post("press", self._press, reads_calls=True),
            get("conferences", lambda request, _: self._history.list(request), reads_calls=True),
            get("conferences/{id}", lambda request, _: self._history.detail(request), reads_calls=True),
            get("conferences/{id}/timeline.svg", lambda request, _: self._history.picture(request), reads_calls=True),
            get("conferences/{id}/archive", lambda request, _: self._history.archive(request), reads_calls=True),
            post("recording-links", self._recording_links, reads_calls=True),
            get("report", lambda request, _: self._report.read(request), reads_calls=True),
            get("report.csv", lambda request, _: self._report.csv(request), reads_calls=True),
            get("audit", lambda request, _: self._audit.list(request)),
            get("audit/export", lambda request, _: self._audit.export(request)),
            post("audit/verify", self._audit.verify),
        ]

    # Signing in and out

    async def _session(self, request: Request) -> Response:
        """Whether this browser is signed in, and how one signs in here."""
        session = await self._find_session(request)
        is_open = session is not None and await self._sessions.why_ended(session) is None
        content: dict[str, Any] = {"signed_in": is_open, "way": "token" if self._authenticator else "code"}
        if session is not None and is_open:
            content |= {"person": session.stored.person, "may_read": session.may_read}
        return JSONResponse(content)

    async def _sign_in_by_code(self, request: Request) -> Response:
        code = text_field(await read_json(request), "code", _MAX_CODE_LENGTH)
        person = await use_code(self._ledger, code)
        if person is None:
            raise RequestRefused(401, "This code is wrong, was used already, or is older than ten minutes.")
        return await self._start_session(request, person, None)

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
        return await self._start_session(request, identity.name, identity)

    async def _start_session(self, request: Request, person: str, identity: Identity | None) -> Response:
        secrets = await self._sessions.start(person, identity, request.headers.get("user-agent", ""))
        response = JSONResponse({"key": secrets.key})
        response.set_cookie(
            self._cookie_name,
            secrets.cookie,
            max_age=_COOKIE_MAX_AGE_S,
            path=PATH,
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )
        _log.info("Signed in to the operator page: %s", clean(person, 200))
        return response

    async def _sign_out(self, request: Request, session: Session) -> Response:
        await read_json(request)
        await self._sessions.end(session.stored.id, SIGNED_OUT)
        response = Response(status_code=204)
        response.delete_cookie(
            self._cookie_name, path=PATH, secure=_is_https(request), httponly=True, samesite="strict"
        )
        return response

    async def _list_sessions(self, request: Request, session: Session) -> Response:
        sign_ins = await self._sessions.visible_to(session)
        rows = [
            {
                "id": sign_in.id,
                "person": sign_in.person,
                "browser": sign_in.browser,
                "started_at": iso(sign_in.started_at),
                "used_at": iso(sign_in.used_at),
                "current": sign_in.id == session.stored.id,
            }
            for sign_in in sign_ins
        ]
        return JSONResponse({"sessions": rows})

    async def _end_session(self, request: Request, session: Session) -> Response:
        id_ = text_field(await read_json(request), "id", _MAX_ID_LENGTH)
        if id_ not in [sign_in.id for sign_in in await self._sessions.visible_to(session)]:
            raise RequestRefused(404, "This sign-in has ended already.")
        await self._sessions.end(id_, ENDED_ELSEWHERE)
        return Response(status_code=204)

    async def _find_session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(self._cookie_name, "")
        return await self._sessions.find(cookie, request.headers.get(KEY_HEADER, ""))

    def _signed_in(self, handler: SessionHandler, *, reads_calls: bool) -> Handler:
        """A handler for people who are signed in. `reads_calls`: it shows more than approval requests and the audit."""

        async def handle(request: Request) -> Any:
            session = await self._find_session(request)
            if session is None or await self._sessions.why_ended(session):
                raise RequestRefused(401, _NOT_SIGNED_IN)
            if reads_calls and not session.may_read:
                raise RequestRefused(403, f"This needs a token with the scope {TokenScope.READ}.")
            await self._sessions.touch(session)
            return await handler(request, session)

        return handle

    def _same_origin(self, handler: Handler) -> Handler:
        """A handler for requests by this page's own script."""

        async def handle(request: Request) -> Any:
            require_same_origin(request, self._schemes)
            return await handler(request)

        return handle

    # What an operator sees and does

    async def _read_state(self) -> dict[str, Any]:
        live = self._live
        return await read_state(self._ledger, self._now(), live.changed_since, live.name_of) | await live.read()

    async def _events(self, request: Request, session: Session) -> Any:
        if not self._updates.has_room(session):
            raise RequestRefused(429, TOO_MANY_STREAMS)
        response = self._updates.response(session, self._sessions)
        if not session.may_read:
            return response

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            async with self._live.refreshing():
                await response(scope, receive, send)

        return respond

    async def _press(self, request: Request, session: Session) -> Response:
        outcome = await self._live.press(request, session)
        self._updates.wake()
        return JSONResponse(outcome)

    async def _recording_links(self, request: Request, session: Session) -> Response:
        return JSONResponse({"links": await self._live.recording_links(request, session, _actor(session))})

    async def _decide(self, request: Request, session: Session) -> Response:
        body = await read_json(request)
        code, yes = text_field(body, "code", _MAX_CODE_LENGTH), body.get("yes")
        reason = text_field(body, "reason", _MAX_REASON_LENGTH) or None
        if not isinstance(yes, bool):
            raise RequestRefused(400, "yes: must be true or false.")
        identity_name = session.identity.name if session.identity else None
        try:
            decided = await self._ledger.decide(code, Decision(yes, _actor(session), reason, identity_name))
        except NoSuchApproval as problem:
            raise RequestRefused(409, await self._why_not_decided(code, str(problem))) from None
        return await self._changed_state(session, decided=approval_view(decided))

    async def _revoke(self, request: Request, session: Session) -> Response:
        """End a grant."""
        code = text_field(await read_json(request), "code", _MAX_CODE_LENGTH)
        try:
            await self._ledger.revoke_grant(code, _actor(session))
        except NoSuchGrant as problem:
            raise RequestRefused(409, str(problem)) from None
        return await self._changed_state(session)

    async def _why_not_decided(self, code: str, problem: str) -> str:
        """For a person who answers a request that another person has answered before: who it was, and when."""
        approval = await self._ledger.approval(code)
        if approval is None or approval.answer is None or approval.decided_by is None or approval.decided_at is None:
            return problem
        reason = f" “{clean(approval.reason, _MAX_REASON_LENGTH)}”" if approval.reason else ""
        by = clean(approval.decided_by, _MAX_REASON_LENGTH)
        return f"{by} {approval.answer} this before you, at {approval.decided_at:%H:%M:%S} UTC.{reason}"

    async def _stop(self, request: Request, session: Session) -> Response:
        reason = text_field(await read_json(request), "reason", _MAX_REASON_LENGTH) or None
        await self._ledger.stop(_actor(session), reason)
        return await self._changed_state(session)

    async def _resume(self, request: Request, session: Session) -> Response:
        await read_json(request)
        await self._ledger.resume(_actor(session))
        return await self._changed_state(session)

    async def _changed_state(self, session: Session, **fields: Any) -> Response:
        state = await self._updates.fresh_state()
        self._updates.wake()  # the other pages
        return JSONResponse({**fields, "state": self._updates.payload(state, session)})


def _actor(session: Session) -> str:
    """How the audit names who did it."""
    return f"{session.stored.person} ({_NAME})"


_COOKIE_MAX_AGE_S = 400 * 24 * 3600
"""The longest that browsers keep a cookie. The server decides when a sign-in ends."""


def _is_https(request: Request) -> bool:
    """Whether the browser came by https, as far as its Origin says, which was checked: TLS ends at a proxy."""
    return request.headers.get("origin", "").startswith("https://")


async def _page(request: Request) -> Response:
    return file_response("page.html")


async def _static_file(request: Request) -> Response:
    return file_response(request.url.path.rpartition("/")[2])


def _refusals_as_json(handler: Handler) -> Handler:
    """The handler, with its refusals and store errors answered as JSON with a sentence in `error`."""

    async def handle(request: Request) -> Any:
        try:
            return await handler(request)
        except RequestRefused as refused:
            headers = {"connection": "close"} if refused.status in (408, 413) else None
            return JSONResponse({"error": str(refused)}, refused.status, headers)
        except StoreError as problem:
            return JSONResponse({"error": str(problem)}, 503)

    return handle
