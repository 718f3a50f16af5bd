"""The state of the page, sent as server-sent events as soon as it changes."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent

from ...database import StoreError
from .sign_in import Session, Sessions

_PING_INTERVAL_S = 15
_SEND_TIMEOUT_S = 30
"""A browser that reads nothing for this long is disconnected."""
_SESSION_CHECK_INTERVAL_S = 1.0
_MIN_INTERVAL_S = 0.02
"""Between two states: changes that come together are sent together."""
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
    """The state, read once for all open pages, and its streams."""

    def __init__(
        self,
        read: Callable[[], Awaitable[dict[str, Any]]],
        now: Callable[[], datetime],
        calls_now: Callable[[], datetime],
        interval_s: float = 1.0,
    ) -> None:
        """`read` returns the content; when it raises `StoreError`, the page shows the message beside the last content.

        `now`, `calls_now`: the clocks by which the page counts the time that is left for a decision, and the durations
        of calls. `interval_s`: between two reads, unless `wake` is called.
        """
        self._interval_s = interval_s
        self._read = read
        self._now = now
        self._calls_now = calls_now
        self._lock = anyio.Lock()
        self._state = State(0, {})
        self._read_at = float("-inf")
        self._changed = anyio.Event()
        self._is_closed = False
        self.streams = 0
        """Open streams."""

    def wake(self) -> None:
        """Read the state again now, and send it where it has changed."""
        self._read_at = float("-inf")
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def close(self) -> None:
        """End every stream. The pages wait for the server to come back."""
        self._is_closed = True
        self.wake()

    async def state(self) -> State:
        """The state, at most `interval_s` seconds old and not older than the last `wake`."""
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
        self._read_at = anyio.current_time()  # first: a change during the read makes the state stale again
        try:
            content = await self._read()
        except StoreError as problem:
            content = {**self._state.content, "trouble": str(problem)}
        if content != self._state.content:
            self._state = State(self._state.number + 1, content)

    def payload(self, state: State, session: Session) -> dict[str, Any]:
        """A state as the page's script reads it.

        Who may not read calls sees approval requests and the stop switch alone.
        """
        content = state.content
        if not session.may_read:
            content = {name: value for name, value in content.items() if name not in _CALLS}
        times = {"now": self._now().isoformat(), "calls_now": self._calls_now().isoformat()}
        return {"number": state.number, **times, **content}

    def has_room(self, session: Session) -> bool:
        """Whether one more stream may open."""
        return self.streams < _MAX_STREAMS and session.streams < _MAX_STREAMS_PER_SESSION

    def response(self, session: Session, sessions: Sessions) -> EventSourceResponse:
        """A stream of the state: once now and again at every change, until the sign-in ends or the page closes."""
        return EventSourceResponse(
            self._events(session, sessions), ping=_PING_INTERVAL_S, sep="\n", send_timeout=_SEND_TIMEOUT_S
        )

    async def _events(self, session: Session, sessions: Sessions) -> AsyncGenerator[ServerSentEvent]:
        self.streams += 1
        session.streams += 1
        try:
            sent_number = 0
            while not (reason := await self._why_ended(session, sessions)) and not self._is_closed:
                changed = self._changed  # first: no change is missed while the state is read
                state = await self.state()
                if state.number != sent_number:
                    sent_number = state.number
                    yield _event("state", self.payload(state, session))
                with anyio.move_on_after(self._interval_s):
                    await changed.wait()
                if not self._is_closed:
                    await anyio.sleep(_MIN_INTERVAL_S)
            yield _event("ended", {"why": reason}) if reason else _event("closed", {})
        finally:
            self.streams -= 1
            session.streams -= 1

    async def _why_ended(self, session: Session, sessions: Sessions) -> str | None:
        try:
            reason = await sessions.why_ended(session, _SESSION_CHECK_INTERVAL_S)
            if reason is None:
                await sessions.touch(session)  # an open page keeps its sign-in
        except StoreError:
            return None  # the page says so, and shows nothing new
        return reason


_CALLS = frozenset(
    {"rooms", "queues", "alerts", "events", "actions", "alert_trouble", "more_rooms", "more_queues", "more_alerts"}
)


def _event(name: str, content: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(content, separators=(",", ":")), event=name, sep="\n")
