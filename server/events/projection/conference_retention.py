"""Which conferences the projection forgets, so that its memory stays bounded."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from ...newest import Newest
from .conference import MAX_CONFERENCE_DURATION, Conference
from .log import Log

_MAX_LATENESS = timedelta(minutes=10)
_MAX_FORGOTTEN = 10_000
_MAX_PINNED = 20
"""Conferences that are kept although they were forgotten."""
_MIN_OPEN_LIMIT = 64


class ConferenceRetention:
    """The ids of the conferences that have ended, that were forgotten, and that are pinned: kept nevertheless.

    `ended_kept`: how many ended conferences are kept.
    """

    def __init__(self, ended_kept: int) -> None:
        self._ended_kept = ended_kept
        self._ended: dict[str, datetime] = {}
        self._forgotten = Newest[str, None](_MAX_FORGOTTEN)
        self._pinned: dict[str, None] = {}
        self._forgotten_before = datetime(1970, 1, 1, tzinfo=UTC)
        """Conferences that ended earlier are forgotten."""
        self._open_limit = _MIN_OPEN_LIMIT

    def is_forgotten(self, id_: str, at: datetime) -> bool:
        """Whether a moment belongs to a forgotten conference, or to one so old that it would be forgotten."""
        if id_ in self._pinned:
            return False
        is_old = bool(self._forgotten) and at < self._forgotten_before - MAX_CONFERENCE_DURATION
        return is_old or id_ in self._forgotten

    def pin(self, id_: str) -> str | None:
        """Keep a conference from now on. Returns the id of the one that is forgotten in its place, if there is one."""
        self._forgotten.pop(id_, None)
        self._pinned[id_] = None
        if len(self._pinned) <= _MAX_PINNED:
            return None
        oldest = next(iter(self._pinned))
        del self._pinned[oldest]
        self._forgotten[oldest] = None
        return oldest

    def forget(self, id_: str) -> None:
        """Note that a conference is forgotten."""
        self._ended.pop(id_, None)
        self._forgotten[id_] = None

    def set_end(self, id_: str, ended_at: datetime | None) -> bool:
        """Note when a conference ended; None: it is open. Returns whether this changes."""
        before = self._ended.pop(id_, None)
        if ended_at is not None and id_ not in self._pinned:
            self._ended[id_] = ended_at
        return before != ended_at

    def forget_oldest(self, conferences: Mapping[str, Log[Conference]], latest: datetime) -> Iterator[str]:
        """Forget the oldest conferences that have ended, or have lasted longer than any can. Yields their ids.

        `conferences`: all that are kept. `latest`: the time of the newest event.
        """
        if len(conferences) - len(self._ended) > self._open_limit:
            for id_, log in conferences.items():
                ended_at = log.state.ended_by(latest - _MAX_LATENESS)
                if ended_at is not None and id_ not in self._pinned:
                    self._ended[id_] = ended_at
            self._open_limit = max(_MIN_OPEN_LIMIT, 2 * (len(conferences) - len(self._ended)))
        for _ in range(len(self._ended) - self._ended_kept):
            oldest = min(self._ended, key=lambda id_: (self._ended[id_], id_))
            self._forgotten_before = max(self._forgotten_before, self._ended[oldest])
            self.forget(oldest)
            yield oldest
