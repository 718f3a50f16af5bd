"""Who is about to be connected with a call or to join a conference, because a server on this store calls or moves them.

The audit has a command before it is sent, so neither another process nor a restart misses one.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from ...tools.calls import BridgeCalls, Dial, TransferCall
from ...tools.participants import JoinConference
from ...tools.recordings import ResumeRecording, StartRecording
from ..events.event import EventFilter
from ..events.service import EventService
from ..guard.consent import Coming
from ..guard.ledger import AuditRecord, Ledger
from ..json_text import object_at, text_at
from ..newest import Newest
from .audit_follower import AuditFollower

_RING_LIMIT = timedelta(minutes=10)
_COMMAND_HOLDS = timedelta(seconds=10)
"""After this time Telnyx and its webhooks say what a command has done; until then the command is what is known."""
_NOT_SENT = frozenset({"refused", "refused by Telnyx"})
_CONNECTS = frozenset(command.tool_name() for command in (Dial, TransferCall, BridgeCalls, JoinConference))
_RECORDS = frozenset(command.tool_name() for command in (StartRecording, ResumeRecording))
_MAX_REMEMBERED = 10_000
_MAX_STARTED = 500


@dataclass(slots=True)
class _Sent:
    """One command of the audit."""

    tool: str
    at: datetime
    """By the clock of the audit."""
    newest_event: int
    """The number of the newest event before it."""
    towards: frozenset[str]
    """The call legs that it connects, the ids and names of its conference, the name of its queue."""
    joins: bool
    """Whether it brings people into a conference."""
    numbers: tuple[str, ...] = ()
    """Those that it calls."""
    legs: tuple[str, ...] = ()
    """The call legs that it moves."""
    supervised: str | None = None
    """The call leg that it calls a supervisor for."""
    leg: str | None = None
    """The call leg to the first number, once it is known."""


class Connections:
    """Follows the audit. Every method may raise `StoreError` and `CallFailed`."""

    def __init__(self, events: EventService, ledger: Ledger, flush: Callable[[], Awaitable[None]]) -> None:
        """`flush` writes the audit records that are still queued."""
        self._events = events
        self._ledger = ledger
        self._flush = flush
        self._audit = AuditFollower(ledger, self._note)
        self._sent = Newest[str, _Sent](_MAX_REMEMBERED)
        """By the id of the tool call."""

    async def coming(self, places: Collection[str], people: Collection[str] = ()) -> Coming:
        """Who is about to be connected with these, or supervises these people.

        `places`: call legs, ids and names of conferences, queues. `people`: call legs.
        """
        numbers: dict[str, None] = {}
        legs: dict[str, None] = {}
        for sent in await self._towards(places, _CONNECTS, people):
            is_ringing = self._is_recent(sent, _RING_LIMIT)
            if sent.tool == TransferCall.tool_name() and not is_ringing:
                continue  # where the call is says with whom it is connected
            if self._is_recent(sent, _COMMAND_HOLDS):
                legs |= dict.fromkeys(sent.legs)
            for place, number in enumerate(sent.numbers):
                known = [sent.leg] if sent.leg is not None and place == 0 else await self._legs_to(number, sent)
                up = [leg for leg in known if not self._has_left(leg, sent)]
                if (sent.joins and up) or (not known and is_ringing):
                    numbers[number] = None
                elif not sent.joins:
                    legs |= dict.fromkeys(up)
        return Coming(tuple(numbers), tuple(leg for leg in legs if leg not in places))

    async def are_about_to_be_recorded(self, places: Collection[str]) -> bool:
        """Whether a recording of this conference starts or resumes now. `places`: its id and name."""
        return any(self._is_recent(sent, _COMMAND_HOLDS) for sent in await self._towards(places, _RECORDS))

    async def peer(self, call_control_id: str) -> str | None:
        """The call leg with which a server on this store last connected a leg, if it is known."""
        await self._update()
        for sent in reversed(self._sent.values()):
            pair = {*sent.legs} if sent.tool == BridgeCalls.tool_name() else {*sent.towards, sent.leg}
            if call_control_id in pair and sent.tool in (BridgeCalls.tool_name(), TransferCall.tool_name()):
                return next((leg for leg in pair if leg != call_control_id), None)
        return None

    async def supervised_by(self, call_control_id: str) -> str | None:
        """The call leg for which a server on this store called this supervisor; None: the leg supervises no call."""
        await self._update()
        return next((sent.supervised for sent in self._sent.values() if sent.leg == call_control_id), None)

    async def _update(self) -> None:
        await self._flush()
        await self._audit.update()

    async def _towards(
        self, places: Collection[str], tools: Collection[str], people: Collection[str] = ()
    ) -> list[_Sent]:
        await self._update()
        return [
            sent
            for sent in self._sent.values()
            if sent.tool in tools and (not sent.towards.isdisjoint(places) or sent.supervised in people)
        ]

    def _has_left(self, leg: str, sent: _Sent) -> bool:
        """Whether a call leg has hung up, or has joined the conference for which it was called."""
        state = self._events.projection.legs.find(leg)
        return state is not None and bool(state.hangups or (sent.joins and state.conferences))

    def _is_recent(self, sent: _Sent, limit: timedelta) -> bool:
        return self._ledger.now() - sent.at < limit

    async def _legs_to(self, number: str, sent: _Sent) -> list[str]:
        """The call legs to a number that started after a command, without those of other commands."""
        others = {other.leg for other in self._sent.values()}
        store = await self._events.store()
        started = EventFilter(types=frozenset({"call.initiated"}), after_number=sent.newest_event)
        events = await store.find(started, limit=_MAX_STARTED, newest_first=False)
        legs = [event.call_control_id for event in events if event.payload.get("to") == number]
        return [leg for leg in legs if leg is not None and leg not in others]

    def _note(self, record: AuditRecord) -> None:
        call, outcome = text_at(record.entry, "call"), record.entry.get("outcome")
        if call is None or record.tool not in _CONNECTS | _RECORDS:
            return
        if outcome in _NOT_SENT:
            self._sent.pop(call, None)
        elif outcome == "sends" and call not in self._sent:
            self._sent[call] = _read(record)
        elif call in self._sent and (leg := text_at(object_at(record.entry, "telnyx"), "leg")) is not None:
            self._sent[call].leg = leg


def _read(record: AuditRecord) -> _Sent:
    """A command that is being sent. The audit has its arguments as the client gave them."""
    given = record.arguments
    config = object_at(given, "conference_config")
    conferences = [text_at(config, name) for name in ("id", "conference_id", "conference_name")]
    conferences += [text_at(given, "conference_id")]
    leg, other = text_at(given, "call_control_id"), text_at(given, "other_call_control_id")
    called = given.get("to")
    numbers = cast("list[Any]", called) if isinstance(called, list) else [called]
    joins = any(conferences)
    moved = [] if record.tool == TransferCall.tool_name() else [leg, other]
    towards = [*conferences, text_at(given, "queue_name"), *([] if joins else [leg, other])]
    newest_event = record.entry.get("newest_event")
    return _Sent(
        record.tool,
        record.at,
        newest_event=newest_event if isinstance(newest_event, int) else 0,
        towards=frozenset(filter(None, towards)),
        joins=joins,
        numbers=tuple(number for number in numbers if isinstance(number, str)),
        legs=tuple(filter(None, moved)),
        supervised=text_at(given, "supervise_call_control_id"),
    )
