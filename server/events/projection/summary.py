"""A conference from its events alone: what it came to, and what happened in it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from ..event import StoredEvent
from .projection import Projection
from .views import ConferenceSummary


def summarize(events: Iterable[StoredEvent], now: datetime, conference_id: str | None = None) -> ConferenceSummary:
    """What a conference came to by `now`, from its events in any order.

    `conference_id` is the one of the first event that has one, if not given. Events of its call legs (call.initiated,
    call.hangup) add numbers and the ends of stays. Raises `LookupError` if there is no event of a conference.
    """
    picture, found = _folded(events, conference_id)
    summary = picture.summary(found, now)
    if summary is None:
        raise LookupError("There is no event of this conference.")
    return summary


def timeline(
    events: Iterable[StoredEvent],
    now: datetime,
    names: Mapping[str, str] | None = None,
    conference_id: str | None = None,
) -> str:
    """What happened in a conference, in Markdown, times relative to its start; at most 200 lines.

    `names` are what to call legs, by call_control_id; where there is none, their number or id stands. The rest as for
    `summarize`.
    """
    picture, found = _folded(events, conference_id)
    told = picture.timeline(found, now, names)
    if told is None:
        raise LookupError("There is no event of this conference.")
    return told


def _folded(events: Iterable[StoredEvent], conference_id: str | None) -> tuple[Projection, str]:
    picture = Projection()
    first = conference_id
    for event in events:
        first = first or event.conference_id
        if conference_id is None or event.conference_id in (None, conference_id):
            picture.add(event)
    if first is None:
        raise LookupError("There is no event of a conference.")
    return picture, first
