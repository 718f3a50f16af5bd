"""Notifications waiting for one client: bounded, so that a client that does not read delays only its own."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import anyio

_MAX_PENDING = 1_200
"""More than a connection may subscribe to. Beyond it, the oldest notification is dropped."""


class Outbox:
    """The notifications that a connection has not taken yet. One of the same key replaces an earlier one."""

    def __init__(self) -> None:
        self._pending: dict[str, Callable[[], Awaitable[None]]] = {}
        self._has_pending = anyio.Event()
        self._scope: anyio.CancelScope | None = None
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, send: Callable[[], Awaitable[None]], key: str | None = None) -> None:
        """Have `run` call `send`. Without a key, no later notification replaces this one."""
        key = key or f"#{next(self._numbers)}"
        self._pending.pop(key, None)
        if len(self._pending) >= _MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))
        self._pending[key] = send
        self._has_pending.set()

    async def run(self) -> None:
        """Send what is put, one notification at a time, until closed."""
        with anyio.CancelScope() as self._scope:
            while True:
                await self._has_pending.wait()
                self._has_pending = anyio.Event()
                while self._pending:
                    send = self._pending.pop(next(iter(self._pending)))
                    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await send()

    def close(self) -> None:
        """End `run`, also in the middle of a notification."""
        self._pending.clear()
        if self._scope is not None:
            self._scope.cancel()
