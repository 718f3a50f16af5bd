"""The state of the page as it changes: looked at while somebody looks, and told as server-sent events."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from starlette.types import Receive, Scope, Send

from ...database import StoreError
from .sign_in_sessions import Sessions, SignInSession

_QUIET = 15.0
"""Seconds after which a word is sent that says nothing, by which the page knows that the connection holds."""
_LOOK_WITHIN = 1.0
"""Seconds between two looks whether the token of who watches still holds."""
_MOST_STREAMS = 16
_MOST_STREAMS_OF_ONE = 4
"""A browser holds six connections to a host: the others are for pressing the stop switch."""

TOO_MANY = f"This page is open {_MOST_STREAMS_OF_ONE} times or more already. Close one of the others."
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]


@dataclass(frozen=True, slots=True)
class State:
    """What the page showed at a moment."""

    number: int
    """Grows with every change."""
    content: dict[str, Any]


class PageUpdates:
    """The state, looked at no more often than once in `every` seconds, however many pages are open."""

    def __init__(
        self, look: Callable[[], Awaitable[dict[str, Any]]], now: Callable[[], datetime], every: float = 1.0
    ) -> None:
        """`look` gives the content; it may raise `StoreError`, which the page then shows."""
        self.every = every
        self._look = look
        self._now = now
        self._lock = anyio.Lock()
        self._state = State(0, {})
        self._looked = float("-inf")
        self.streams = 0
        """Pages that watch."""

    async def state(self) -> State:
        """The state, at most `every` seconds old."""
        async with self._lock:
            if anyio.current_time() >= self._looked + self.every:
                await self._look_now()
            return self._state

    async def state_now(self) -> State:
        """The state after what was just changed."""
        async with self._lock:
            await self._look_now()
            return self._state

    async def _look_now(self) -> None:
        try:
            content = await self._look()
        except StoreError as problem:
            content = {"trouble": str(problem)}
        self._looked = anyio.current_time()
        if content != self._state.content:
            self._state = State(self._state.number + 1, content)

    def written(self, state: State) -> dict[str, Any]:
        """A state as the page takes it. `now` is this machine's clock, from which times left are counted."""
        return {"number": state.number, "now": self._now().isoformat(), **state.content}

    def has_room(self, session: SignInSession) -> bool:
        """Whether one more page may watch."""
        return self.streams < _MOST_STREAMS and session.streams < _MOST_STREAMS_OF_ONE

    async def stream(self, session: SignInSession, sessions: Sessions, receive: Receive, send: Send) -> None:
        """Answer a request with the state, and again at every change, until the session ends or the page leaves."""
        self.streams += 1
        session.streams += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
                async for event in self._events(session, sessions):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                tasks.cancel_scope.cancel()
        finally:
            self.streams -= 1
            session.streams -= 1

    async def _events(self, session: SignInSession, sessions: Sessions) -> AsyncGenerator[bytes]:
        told, spoken = 0, anyio.current_time()
        while not (why := await sessions.look(session, _LOOK_WITHIN)):
            state = await self.state()
            if state.number != told:
                told, spoken = state.number, anyio.current_time()
                yield _event("state", self.written(state))
            elif anyio.current_time() >= spoken + _QUIET:
                spoken = anyio.current_time()
                yield b": still here\n\n"
            with anyio.move_on_after(self.every):
                await session.over.wait()
        yield _event("ended", {"why": why})


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _event(name: str, content: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Stream:
    """A response that is a stream."""

    live: PageUpdates
    session: SignInSession
    sessions: Sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.live.stream(self.session, self.sessions, receive, send)
