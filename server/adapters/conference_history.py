"""What the store knows of past conferences: their events, and the commands in the audit, as projections."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from ..database import moment_of
from ..events.event import EventFilter, StoredEvent
from ..events.history import load_conference_history
from ..events.projection.projection import Projection
from ..events.projection.views import ConferenceSummary
from ..events.store import Store
from ..guard.ledger import AuditRecord, ChainLink, Ledger
from ..reports.fold import is_conference_command

_SEARCH_BATCH = 50
_MAX_SEARCHED = 500
"""Conferences that one search looks at."""
_NOT_DIGITS, _LETTERS = re.compile(r"[^0-9]"), re.compile(r"[^\W\d_]")
_MIN_DIGITS = 3
MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""Between a conference's creation and its audit record: the clocks of Telnyx and of this machine differ."""
_MAX_RECORDS = 200_000
CREATED = "conference.created"


async def read_commands(ledger: Ledger, since: datetime | None = None) -> AsyncGenerator[AuditRecord]:
    """Audit records of commands to conferences, newest first, back to this time and somewhat beyond.

    At most the newest 200,000 records are searched.
    """
    searched = 0
    async for record in ledger.back_to(since):
        searched += 1
        if searched > _MAX_RECORDS:
            return
        if is_conference_command(record):
            yield record


def project(conference_id: str, events: Sequence[StoredEvent], commands: Sequence[AuditRecord]) -> Projection:
    projection = Projection()
    for event in events:
        projection.add(event)
    for record in reversed(commands):
        if record.arguments.get("conference_id") == conference_id:
            projection.record_command(record.tool, record.arguments, record.telnyx_time)
    for event in events:
        if event.type == CREATED and event.conference_id == conference_id:
            fields = {"id": conference_id, "name": _name(event, commands)}
            projection.merge_conference(fields, None, event.occurred_at)
    return projection


def _name(created: StoredEvent, commands: Sequence[AuditRecord]) -> Any:
    """The name under which this server created a conference; None: another program created it."""
    names = {
        abs(record.telnyx_time - created.occurred_at): record.arguments.get("name")
        for record in commands
        if record.tool == "create_conference" and record.arguments.get("call_control_id") == created.call_control_id
    }
    nearest = min(names, default=MAX_CLOCK_DIFFERENCE)
    return names[nearest] if nearest < MAX_CLOCK_DIFFERENCE else None


def render_timeline(
    conference_id: str, events: Sequence[StoredEvent], links: Sequence[ChainLink], now: datetime
) -> str:
    """What happened in a conference, in Markdown, from its events and its audit records alone."""
    records = (AuditRecord(link.number, moment_of(link.at), _entry(link.text), link.hash) for link in reversed(links))
    projection = project(conference_id, events, [record for record in records if is_conference_command(record)])
    return projection.timeline(conference_id, now) or ""


def _entry(text: str) -> dict[str, Any]:
    entry: Any = json.loads(text)
    return cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}


class ConferenceHistory:
    """The conferences in a store, with what the audit says about them."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        now: Callable[[], datetime],
        known_name: Callable[[str], str | None] = lambda conference_id: None,
    ) -> None:
        """`known_name`: the name of a conference by its id, where it is known from elsewhere, as from Telnyx."""
        self._store = store
        self._ledger = ledger
        self._now = now
        self._known_name = known_name

    async def find(
        self,
        text: str = "",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 20,
    ) -> "FoundConferences":
        """Conferences by name, id, or a participant's number or name, the newest first.

        `since`, `until`: when they began. `before`: the `next` of an earlier answer. Raises `StoreError`.
        """
        matching: list[ConferenceSummary] = []
        searched = 0
        created = EventFilter(types=frozenset({CREATED}), since=since, until=until)
        async with aclosing(self._conferences(created, before)) as conferences:
            async for number, summary in conferences:
                searched += 1
                if summary is not None and _matches(summary, text):
                    matching.append(summary)
                if len(matching) == limit or searched == _MAX_SEARCHED:
                    return FoundConferences(matching, number)
        return FoundConferences(matching, None)

    async def _conferences(
        self, created: EventFilter, before: int | None
    ) -> AsyncGenerator[tuple[int, ConferenceSummary | None]]:
        """Conferences by the events of their creation, newest first: the number of the event, and the summary."""
        while batch := await self._store.newest(created, limit=_SEARCH_BATCH, before=before):
            commands = [record async for record in read_commands(self._ledger, batch[-1].occurred_at)]
            for event in batch:
                yield event.number, await self._summary(event.conference_id or "", commands)
            before = batch[-1].number

    async def _summary(self, conference_id: str, commands: Sequence[AuditRecord]) -> ConferenceSummary | None:
        events = await load_conference_history(conference_id, self._store)
        return self._project(conference_id, events, commands).summary(conference_id, self._now()) if events else None

    def _project(
        self, conference_id: str, events: Sequence[StoredEvent], commands: Sequence[AuditRecord]
    ) -> Projection:
        projection = project(conference_id, events, commands)
        if name := self._known_name(conference_id):
            projection.merge_conference({"id": conference_id, "name": name}, None, events[-1].occurred_at)
        return projection

    async def load(self, conference_id: str) -> Projection | None:
        """Everything about one conference; None when no event is stored. Raises `StoreError`."""
        events = await load_conference_history(conference_id, self._store)
        if not events:
            return None
        since = min(event.occurred_at for event in events)
        return self._project(conference_id, events, [record async for record in read_commands(self._ledger, since)])

    async def name_of(self, conference_id: str) -> str | None:
        """The name under which a server on this store created a conference; None if none did. Raises `StoreError`."""
        created_filter = EventFilter(types=frozenset({CREATED}), conference_id=conference_id)
        for event in await self._store.find(created_filter, limit=1):
            moment = min(event.occurred_at, event.received_at)  # the clock of a sandbox can be moved
            number = await self._ledger.number_before(moment - MAX_CLOCK_DIFFERENCE)
            commands: list[AuditRecord] = []
            while records := await self._ledger.after(number):
                commands += filter(is_conference_command, records)
                number = records[-1].number
                if records[-1].at > moment + MAX_CLOCK_DIFFERENCE:
                    break
            name = _name(event, commands)
            return name if isinstance(name, str) else None
        return None


class FoundConferences(NamedTuple):
    """A page of conferences."""

    conferences: list[ConferenceSummary]
    next: int | None
    """To search further back; None: the search reached the oldest conference."""


def _matches(summary: ConferenceSummary, text: str) -> bool:
    """Whether a name, an id or a number contains this text. Of numbers, only the digits count."""
    needle = text.strip().casefold()
    digits = _NOT_DIGITS.sub("", needle)
    texts = [summary.id, summary.name]
    numbers: list[str | None] = []
    for person in summary.participants:
        texts += [person.label, person.caller_name, person.number]
        numbers.append(person.number)
    return any(needle in text.casefold() for text in texts if text) or (
        len(digits) >= _MIN_DIGITS
        and not _LETTERS.search(needle)
        and any(digits in _NOT_DIGITS.sub("", number) for number in numbers if number)
    )
