"""All that is stored of one conference."""

from datetime import timedelta

from .event import EventFilter, StoredEvent
from .store import Store

LOOK_BACK = timedelta(hours=5)
"""How far back it may have begun: no conference lasts longer than four hours."""
_MAX_EVENTS = 20_000
"""As many as the picture holds of one conference."""
_MAX_CALLS = 300


async def load_conference_history(conference_id: str, store: Store) -> list[StoredEvent]:
    """The events of a conference, the newest 20,000, oldest first; then those of its call legs. Empty: there is none.

    What is said of a leg alone, such as its number and its hang-up, belongs to the story too. Raises `StoreError`.
    """
    told = (await store.find(EventFilter(conference_id=conference_id), limit=_MAX_EVENTS))[::-1]
    legs = list(dict.fromkeys(event.call_control_id for event in told if event.call_control_id))
    about = list(told)
    for leg in legs[:_MAX_CALLS]:
        since = told[0].occurred_at - LOOK_BACK
        wanted = EventFilter(call_control_id=leg, types=frozenset({"call.*"}), since=since)
        about += await store.find(wanted, limit=20, newest_first=False)
    return about
