"""What GET /call_events lists: the commands and webhooks of calls, newest first."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...tools.base import Command
from ...tools.conferences import ConferenceFilter
from .commands import ListCallEvents
from .context import MAX_HISTORY
from .legs import APPLICATION_NAME, Leg, Legs
from .responses import Answer, Json, iso, page, time_filter


@dataclass(frozen=True, slots=True)
class CallEvent:
    name: str
    kind: str
    """command or webhook."""
    moment: datetime
    leg: Leg
    metadata: dict[str, Any]

    def view(self) -> Json:
        return {
            "record_type": "call_event",
            "name": self.name,
            "type": self.kind,
            "event_timestamp": iso(self.moment),
            "call_leg_id": self.leg.call_leg_id,
            "call_session_id": self.leg.call_session_id,
            "metadata": self.metadata,
        }


class CallEvents:
    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self._events: deque[CallEvent] = deque(maxlen=MAX_HISTORY)

    def note_webhook(self, event: Json, moment: datetime) -> None:
        """Keep a webhook that concerns a call."""
        self._note(event["event_type"], "webhook", moment, event["payload"])

    def note_command(self, command: Command, moment: datetime) -> None:
        """Keep a command that concerns a call."""
        fields = command.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._note(command.route.path.rpartition("/")[2], "command", moment, fields)

    def _note(self, name: str, kind: str, moment: datetime, metadata: dict[str, Any]) -> None:
        leg = self._legs.by_id.get(str(metadata.get("call_control_id")))
        if leg is not None:
            self._events.append(CallEvent(name, kind, moment, leg, metadata))

    def list(self, command: ListCallEvents) -> Answer:
        matches = _filter(command.filter or ConferenceFilter())
        return page([event for event in reversed(self._events) if matches(event)], CallEvent.view, command)


def _filter(criteria: ConferenceFilter) -> Callable[[CallEvent], bool]:
    """A test of events. `status` says nothing about an event and is ignored."""
    occurred = time_filter(criteria.occurred_at, "filter[occurred_at]")
    contains = criteria.application_name.contains if criteria.application_name else None

    def matches(event: CallEvent) -> bool:
        leg = event.leg
        return (
            criteria.type in (None, event.kind)
            and criteria.name in (None, event.name)
            and criteria.leg_id in (None, leg.call_leg_id)
            and criteria.application_session_id in (None, leg.call_session_id)
            and criteria.connection_id in (None, leg.connection_id)
            and criteria.from_ in (None, leg.from_)
            and criteria.to in (None, leg.to)
            and (contains is None or contains.lower() in APPLICATION_NAME.lower())
            and criteria.outbound_voice_profile_id is None
            and criteria.product in (None, "call_control")
            and criteria.failed is not True
            and occurred(event.moment)
        )

    return matches
