"""What became known of one conference or queue, in order, and what follows from it."""

import bisect
import copy
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from .moments import Moment


class State(Protocol):
    """What follows from the moments applied so far, in order."""

    def apply(self, moment: Moment) -> None: ...


S = TypeVar("S", bound=State)


class Log(Generic[S]):
    """Moments in order, and their state.

    What is newest is applied at once; what comes late is put in its place, and the state is worked out anew when it
    is next looked at. At most `2 * kept` moments are held: then the older half becomes a state that moments are
    applied to, and what comes later still but is older than that is ignored.
    """

    def __init__(self, new: Callable[[], S], kept: int) -> None:
        self.moments: list[Moment] = []
        self.is_cut = False
        """Whether the oldest moments are gone."""
        self._ids: set[str] = set()
        self._kept = kept
        self._base = new()
        self._state = copy.deepcopy(self._base)
        self.is_stale = False
        """Whether the state must be worked out anew."""
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
        """A state of its own, to which the first of the moments can be applied."""
        return copy.deepcopy(self._base)

    @property
    def last_at(self) -> datetime | None:
        return self.moments[-1].at if self.moments else None

    def is_newest(self, moment: Moment) -> bool:
        """Whether nothing that is held comes after it."""
        return not self.moments or moment.key > self.moments[-1].key

    def add(self, moment: Moment) -> bool:
        """Whether it is new: not there already, and not older than what is held."""
        if moment.id in self._ids or (self._horizon is not None and moment.key <= self._horizon.key):
            return False
        self._ids.add(moment.id)
        if self.is_newest(moment):
            self.moments.append(moment)
            if not self.is_stale:
                self._state.apply(moment)
        else:
            bisect.insort(self.moments, moment, key=lambda one: one.key)
            self.is_stale = True
        if len(self.moments) > 2 * self._kept:
            self._cut()
        return True

    def remove(self, moment: Moment) -> None:
        """Forget one that no longer matters."""
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
