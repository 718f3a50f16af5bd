"""The state of a page, sent as server-sent events whenever it changes."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent

from ...database import StoreError
from .sign_in_sessions import Sessions, SignInSession

_PING_INTERVAL_S = 15
_SEND_TIMEOUT_S = 30
"""A browser that reads nothing for this long is disconnected."""
_TOKEN_CHECK_INTERVAL_S = 1.0
_MAX_STREAMS = 16
_MAX_STREAMS_PER_SESSION = 4
"""Browsers open six connections to a host. The others must stay free for the stop switch."""

TOO_MANY_STREAMS = f"This page is already open {_MAX_STREAMS_PER_SESSION} times or more. Close one of the others."


@dataclass(frozen=True, slots=True)
class State:
    """What the page shows at one moment."""

    number: int
    """Grows with every change."""
    content: dict[str, Any]


class PageUpdates:
    """The state, read at most once in `interval_s` seconds however many pages are open, and its streams."""

    def __init__(
        self, read: Callable[[], Awaitable[dict[str, Any]]], now: Callable[[], datetime], interval_s: float = 1.0
    ) -> None:
        """`read` returns the content. When it raises `StoreError`, the page shows the error's message."""
        self._interval_s = interval_s
        self._read = read
        self._now = now
        self._lock = anyio.Lock()
        self._state = State(0, {})
        self._read_at = float("-inf")
        self.streams = 0
        """Open streams."""

    async def state(self) -> State:
        """The state, at most `interval_s` seconds old."""
        async with self._lock:
            if anyio.current_time() >= self._read_at + self._interval_s:
                await self._refresh()
            return self._state

    async def fresh_state(self) -> State:
        """The state, read now."""
        async with self._lock:
            await self._refresh()
            return self._state

    async def _refresh(self) -> None:
        try:
            content = await self._read()
        except StoreError as problem:
            content = {"trouble": str(problem)}
        self._read_at = anyio.current_time()
        if content != self._state.content:
            self._state = State(self._state.number + 1, content)

    def payload(self, state: State) -> dict[str, Any]:
        """A state as the page's script reads it. `now` is the server's clock, for countdowns."""
        return {"number": state.number, "now": self._now().isoformat(), **state.content}

    def has_room(self, session: SignInSession) -> bool:
        """Whether one more stream may open."""
        return self.streams < _MAX_STREAMS and session.streams < _MAX_STREAMS_PER_SESSION

    def response(self, session: SignInSession, sessions: Sessions) -> EventSourceResponse:
        """A stream of the state: once now and again at every change, until the session ends or the page closes."""
        return EventSourceResponse(
            self._events(session, sessions), ping=_PING_INTERVAL_S, sep="\n", send_timeout=_SEND_TIMEOUT_S
        )

    async def _events(self, session: SignInSession, sessions: Sessions) -> AsyncGenerator[ServerSentEvent]:
        self.streams += 1
        session.streams += 1
        try:
            sent_number = 0
            while not (reason := await sessions.why_ended(session, _TOKEN_CHECK_INTERVAL_S)):
                state = await self.state()
                if state.number != sent_number:
                    sent_number = state.number
                    yield _event("state", self.payload(state))
                with anyio.move_on_after(self._interval_s):
                    await session.has_ended.wait()
            yield _event("ended", {"why": reason})
        finally:
            self.streams -= 1
            session.streams -= 1


def _event(name: str, content: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(content, separators=(",", ":")), event=name, sep="\n")
