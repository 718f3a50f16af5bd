"""Loads the stored history of one conference."""

from datetime import timedelta

from ..json_text import text_at
from .event import EventFilter, StoredEvent
from .store import Store

LOOK_BACK = timedelta(hours=5)
"""How long ago an open conference can have begun. No conference lasts longer than four hours."""
OF_CALLS = frozenset({"call.*", "recording.consent.*"})
"""The types of the events of a leg alone, such as its hang-up and what it heard before it joined."""
_MAX_EVENTS = 20_000
"""As many as the projection keeps of a conference."""
_MAX_CALLS = 300
_MAX_CALL_EVENTS = 20
_STARTED = frozenset({"call.initiated"})


async def load_conference_history(conference_id: str, store: Store) -> list[StoredEvent]:
    """The newest 20,000 events of a conference, oldest first, then events of its call legs. Empty: none are stored.

    Events of a leg alone, such as its start and its hang-up, belong to the history too. Raises `StoreError`.
    """
    events = (await store.find(EventFilter(conference_id=conference_id), limit=_MAX_EVENTS))[::-1]
    calls = list(dict.fromkeys(event.call_control_id for event in events if event.call_control_id))
    history = list(events)
    for call in calls[:_MAX_CALLS]:
        since = events[0].occurred_at - LOOK_BACK
        call_filter = EventFilter(call_control_id=call, types=OF_CALLS, since=since)
        history += await store.find(call_filter, limit=_MAX_CALL_EVENTS, newest_first=False)
    return history


async def load_number(call_control_id: str, store: Store) -> str | None:
    """The number at the far end of a call leg, from the event of its start. Raises `StoreError`."""
    for event in await store.find(EventFilter(types=_STARTED, call_control_id=call_control_id), limit=1):
        return text_at(event.payload, "to" if event.payload.get("direction") == "outgoing" else "from")
    return None
