"""The moments of one conference or queue in order, and the state that they lead to."""

import bisect
import copy
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from .moments import Moment


class State(Protocol):
    """The result of the moments that were applied so far."""

    def apply(self, moment: Moment) -> None: ...


S = TypeVar("S", bound=State)


class Log(Generic[S]):
    """Moments in order, and their state.

    A moment that is newer than all others is applied at once. A late one is inserted at its time, and the state is
    computed again when it is next read. At most `2 * kept` moments are kept: then the older half is folded into the
    initial state, and moments that are older than that are ignored from then on.
    """

    def __init__(self, new: Callable[[], S], kept: int) -> None:
        self.moments: list[Moment] = []
        self.is_cut = False
        """Whether the oldest moments have been dropped."""
        self._ids: set[str] = set()
        self._kept = kept
        self._base = new()
        self._state = copy.deepcopy(self._base)
        self.is_stale = False
        """Whether the state must be computed again."""
        self._horizon: Moment | None = None

    @property
    def state(self) -> S:
        if self.is_stale:
            self._state = self.initial_state()
            for moment in self.moments:
                self._state.apply(moment)
            self.is_stale = False
        return self._state

    def initial_state(self) -> S:
        """A copy of the state before the first moment."""
        return copy.deepcopy(self._base)

    @property
    def last_at(self) -> datetime | None:
        return self.moments[-1].at if self.moments else None

    def is_newest(self, moment: Moment) -> bool:
        """Whether no other moment is later."""
        return not self.moments or moment.key > self.moments[-1].key

    def add(self, moment: Moment) -> bool:
        """Add a moment. Returns False if it was added before or is too old."""
        if moment.id in self._ids or (self._horizon is not None and moment.key <= self._horizon.key):
            return False
        self._ids.add(moment.id)
        if self.is_newest(moment):
            self.moments.append(moment)
            if not self.is_stale:
                self._state.apply(moment)
        else:
            bisect.insort(self.moments, moment, key=lambda other: other.key)
            self.is_stale = True
        if len(self.moments) > 2 * self._kept:
            self._cut()
        return True

    def remove(self, moment: Moment) -> None:
        """Drop a moment that no longer matters."""
        self.moments.remove(moment)
        self._ids.discard(moment.id)
        self.is_stale = True

    def _cut(self) -> None:
        older, self.moments = self.moments[: self._kept], self.moments[self._kept :]
        for moment in older:
            self._base.apply(moment)
            self._ids.discard(moment.id)
        self._horizon = older[-1]
        self.is_cut = True
