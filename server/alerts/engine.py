"""Raises and clears alerts: evaluates the policy's conditions on its own timer, and stores the changes as events.

Every process on a store does this from what it knows. The id of an alert event follows from the alert, its subject and
how often it was raised, so of two processes that see the same, one stores the event.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import unquote

import anyio

from ...tools.text import duration_text
from ..database import StoreError
from ..errors import CallFailed
from ..events.envelope import server_event
from ..events.event import ALERT_CLEARED, ALERT_RAISED, OWN_TYPES, EventFilter, StoredEvent
from ..events.projection.moments import CALL_SOUNDS
from ..events.projection.sanitize import resource_uri, seconds
from ..events.service import EventService
from ..events.store import Store
from ..guard import Ledger
from ..guard.policy import AlertCondition, AlertRule
from .book import Alert, AlertBook, Key
from .conditions import Condition, Room, is_unknown, queue_conditions, room_conditions

INTERVAL_S = 0.5
"""Between two evaluations."""
_MAX_LOADED_EVENTS = 5_000
"""The newest alert events, read at the start."""
_MAX_QUESTIONS = 2
"""Conferences that Telnyx is asked about in one evaluation, so that its limits are left to calls."""
_MAX_AGE = timedelta(hours=5)
"""An alert of another server, whose policy this one does not have, is cleared after this time."""

Place = tuple[str, str]
"""`conferences` or `queues`, and the id or name."""
_PREFIXES = {f"{resource_uri(kind)}/": kind for kind in ("conferences", "queues")}


class AlertEngine:
    """Evaluates the alerts of one server's policy."""

    def __init__(
        self, events: EventService, ledger: Ledger, rules: Callable[[], Sequence[AlertRule]], book: AlertBook
    ) -> None:
        self._events = events
        self._ledger = ledger
        self._current_rules = rules
        self._book = book
        self._rules: tuple[AlertRule, ...] = ()
        self._dropped: set[str] = set()
        """Names of alerts that this server's policy had and has no more."""
        self._dirty: set[Place] = set()
        self._conditions: dict[Place, list[Condition]] = {}
        self._busy: dict[Place, datetime] = {}
        """Open conferences and queues in which calls wait, and since when."""
        self._asked: dict[str, datetime] = {}
        """When Telnyx was asked about a conference."""
        self._over: dict[Key, datetime] = {}
        """Since when the condition of a raised alert is over."""
        events.on_change(self._note)

    def _note(self, changed: set[str], events: list[StoredEvent]) -> None:
        if not self._rules:
            return
        for uri in changed:
            for prefix, kind in _PREFIXES.items():
                if uri.startswith(prefix):
                    self._dirty.add((kind, unquote(uri[len(prefix) :])))
        for event in events:  # no view shows what a leg has heard
            if event.type in CALL_SOUNDS and event.call_control_id is not None:
                conference_id = self._events.projection.conference_of(event.call_control_id)
                self._dirty |= {("conferences", conference_id)} if conference_id else set()

    async def run(self) -> None:
        """Evaluate regularly until cancelled. Raises what `evaluate` raises."""
        store = await self._events.store()
        self._rules = ()  # so that everything is evaluated, also after a failure
        loaded = EventFilter(types=OWN_TYPES)
        for event in reversed(await store.find(loaded, limit=_MAX_LOADED_EVENTS)):
            self._book.add(event)
        while True:
            await self.evaluate()
            await anyio.sleep(INTERVAL_S)

    async def evaluate(self) -> None:
        """Raise and clear what is due now. Raises `StoreError`, or `CallRefused` while the store is not open."""
        self._take_rules()
        if not self._rules and not self._dropped:
            return
        now, store = self._events.now(), await self._events.store()
        self._evaluate_places(now)
        conditions = list(chain.from_iterable(self._conditions.values()))
        conditions += self._gaps(now)
        conditions += await self._expiring_approvals()
        held = {condition.key: condition for condition in conditions if condition.holds_at(now)}
        due = [condition for key, condition in held.items() if condition.due <= now and self._is_new(key, condition)]
        for condition in await self._confirm(due, now):
            await self._raise(store, condition, now)
        for alert in list(self._book.raised.values()):
            if self._is_over(alert, held, now):
                await self._clear(store, alert, now)

    def _take_rules(self) -> None:
        """Take over an edited policy."""
        rules = tuple(self._current_rules())
        if rules == self._rules:
            return
        names = {rule.name: rule.when for rule in rules}
        self._dropped |= {rule.name for rule in self._rules if names.get(rule.name) != rule.when}
        self._dropped -= set(names)
        self._rules = rules
        self._conditions.clear()
        self._busy.clear()
        conferences, queues = self._events.projection.places()
        self._dirty = {("conferences", id_) for id_ in conferences} | {("queues", name) for name in queues}

    def _evaluate_places(self, now: datetime) -> None:
        dirty, self._dirty = self._dirty, set()
        for place in dirty:
            kind, name = place
            alerts, since = self._room(name, now) if kind == "conferences" else self._queue(name)
            _set(self._conditions, place, alerts or None)
            _set(self._busy, place, since)
            if since is None:
                self._asked.pop(name, None)

    def _room(self, id_: str, now: datetime) -> tuple[list[Condition], datetime | None]:
        projection = self._events.projection
        state = projection.conference_state(id_)
        if state is None or state.ended_by(now) is not None:
            return [], None
        conditions = list(room_conditions(self._rules, Room(id_, state, projection)))
        return conditions, state.started_at or state.api_read_at

    def _queue(self, name: str) -> tuple[list[Condition], datetime | None]:
        projection = self._events.projection
        state = projection.queue_state(name)
        if state is None or not state.waiting:
            return [], None
        since = min(queued.since for queued in state.waiting.values())
        return list(queue_conditions(self._rules, name, state, projection)), since

    def _gaps(self, now: datetime) -> Iterable[Condition]:
        rules = self._of(AlertCondition.WEBHOOK_GAP)
        if not rules or not self._busy:
            return
        latest, first = self._events.projection.latest_webhook, min(self._busy.values())
        since = first if latest is None else max(latest, first)
        for rule in rules:
            if now < since + rule.delay:
                continue
            text = (
                f"No webhook has arrived for more than {duration_text(rule.delay)}, although a conference is open or a "
                "call waits."
            )
            yield Condition(rule, "webhooks", since, lambda text=text: text, since + rule.delay)

    async def _expiring_approvals(self) -> list[Condition]:
        rules = self._of(AlertCondition.APPROVAL_EXPIRING)
        if not rules:
            return []
        now, ledger_now = self._events.now(), self._ledger.now()
        conditions: list[Condition] = []
        for approval in await self._ledger.pending():
            for rule in rules:
                assert rule.before is not None
                # The code is for a person: no event contains it.
                subject = f"{approval.tool} asked at {approval.asked_at.isoformat()}"
                text = f"An approval request for {approval.tool} expires in less than {duration_text(rule.before)}."
                due = now + (approval.expires_at - rule.before - ledger_now)
                since = now + (approval.asked_at - ledger_now)
                conditions.append(Condition(rule, subject, since, lambda text=text: text, due))
        return conditions

    def _of(self, when: AlertCondition) -> list[AlertRule]:
        return [rule for rule in self._rules if rule.when is when]

    def _is_new(self, key: Key, condition: Condition) -> bool:
        return key not in self._book.raised and self._book.is_new(key, condition.since)

    async def _confirm(self, due: Sequence[Condition], now: datetime) -> list[Condition]:
        """The conditions that Telnyx need not be asked about. It is asked about the others, whose turn comes later.

        Who is a host is known only from Telnyx or from this server's own commands, not from events, and the name of a
        conference only from Telnyx.
        """
        confirmed = [condition for condition in due if not self._needs_answer(condition)]
        questions = {str(condition.conference_id) for condition in due if self._needs_answer(condition)}
        questions |= self._unnamed()
        async with anyio.create_task_group() as tasks:
            for id_ in sorted(questions, key=lambda id_: (id_ in self._asked, id_))[:_MAX_QUESTIONS]:
                self._asked[id_] = now
                tasks.start_soon(self._ask, id_)
        return confirmed

    def _needs_answer(self, condition: Condition) -> bool:
        if condition.conference_id is None:
            return False
        asked_at = self._asked.get(condition.conference_id)
        if condition.rule.when is AlertCondition.NO_HOST:
            return asked_at is None or asked_at < condition.due
        state = self._events.projection.conference_state(condition.conference_id)
        return asked_at is None and state is not None and "name" not in state.api_fields

    def _unnamed(self) -> set[str]:
        """Open conferences whose name decides which alerts are about them, and is not known."""
        if all(rule.conferences is None for rule in self._rules):
            return set()
        ids = (name for kind, name in self._busy if kind == "conferences" and name not in self._asked)
        states = ((id_, self._events.projection.conference_state(id_)) for id_ in ids)
        return {id_ for id_, state in states if state is not None and "name" not in state.api_fields}

    async def _ask(self, conference_id: str) -> None:
        """Ask Telnyx about a conference. If it does not answer, what is known decides."""
        try:
            await self._events.conference_now(conference_id)
        except (CallFailed, StoreError):
            return
        self._dirty.add(("conferences", conference_id))

    def _is_over(self, alert: Alert, held: Mapping[Key, Condition], now: datetime) -> bool:
        rule = next((rule for rule in self._rules if (rule.name, rule.when) == (alert.name, alert.when)), None)
        if rule is None:
            return alert.name in self._dropped or now - alert.raised_at > _MAX_AGE
        if alert.key in held or is_unknown(alert, self._events.projection):
            self._over.pop(alert.key, None)
            return False
        return now - self._over.setdefault(alert.key, now) >= rule.clear_delay

    async def _raise(self, store: Store, condition: Condition, now: datetime) -> None:
        sequence = self._book.next_sequence(condition.key)
        fields = {
            "alert": condition.rule.name,
            "when": str(condition.rule.when),
            "subject": condition.subject,
            "message": condition.say(),
            "since": condition.since.isoformat(),
            "raised_at": now.isoformat(),
            "sequence": sequence,
            "conference_id": condition.conference_id,
            "call_control_id": condition.call_control_id,
            "queue": condition.queue,
        }
        self._over.pop(condition.key, None)
        await self._store(store, ALERT_RAISED, fields, now)

    async def _clear(self, store: Store, alert: Alert, now: datetime) -> None:
        fields = {
            "alert": alert.name,
            "when": alert.when,
            "subject": alert.subject,
            "message": alert.message,
            "since": alert.since.isoformat(),
            "raised_at": alert.raised_at.isoformat(),
            "raised_by": alert.event_id,
            "seconds": seconds(now - alert.raised_at),
            "sequence": alert.sequence,
            "conference_id": alert.conference_id,
            "call_control_id": alert.call_control_id,
            "queue": alert.queue,
        }
        self._over.pop(alert.key, None)
        await self._store(store, ALERT_CLEARED, fields, now)

    async def _store(self, store: Store, event_type: str, fields: Mapping[str, Any], now: datetime) -> None:
        """Store an alert event, unless another process has stored it: then that one counts."""
        if await store.add(*server_event(event_type, _event_id(fields, event_type), fields, now)) is None:
            for stored_type in (ALERT_RAISED, ALERT_CLEARED):
                stored = await store.get(_event_id(fields, stored_type))
                if stored is not None:
                    self._book.add(stored)


def _event_id(fields: Mapping[str, Any], event_type: str) -> str:
    identity = [fields[name] for name in ("alert", "subject", "sequence")]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return f"{event_type}-{digest[:32]}"


def _set(values: dict[Place, Any], place: Place, value: Any) -> None:
    """Set a value, or delete it if it is None."""
    if value is None:
        values.pop(place, None)
    else:
        values[place] = value
