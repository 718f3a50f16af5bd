"""How many of those that wait are taken in hand at once."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol, TypeVar

_BYTES = 1024 * 1024
"""Of bodies, the largest of which has as many: more at once would keep the event loop from others too long."""


class _Waiting(Protocol):
    @property
    def body(self) -> bytes | None: ...


W = TypeVar("W", bound=_Waiting)


def taken(waiting: deque[W], at_most: int) -> Iterator[W]:
    """The first so many of those that wait, but none after a mebibyte of bodies. They wait no longer."""
    size = 0
    for _ in range(min(at_most, len(waiting))):
        one = waiting.popleft()
        yield one
        size += len(one.body or b"")
        if size >= _BYTES:
            return
