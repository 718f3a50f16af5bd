"""Which alerts are raised, folded from the alert events in the store: the same in every process."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..events.event import ALERT_RAISED, OWN_TYPES, StoredEvent, Via
from ..events.projection.sanitize import time_or_none

Key = tuple[str, str]
"""The name of an alert, and its subject."""

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How much Telnyx's clock, by which conditions begin, may differ from this machine's, by which alerts are cleared."""
_MAX_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, raised or cleared."""

    name: str
    """The name in the policy."""
    when: str
    """The kind of its condition."""
    subject: str
    """What it is about, such as a call leg, a conference or a queue."""
    message: str
    since: datetime
    """Since when the condition holds, by Telnyx's clock."""
    raised_at: datetime
    sequence: int
    """How often this alert has been raised for this subject."""
    event_id: str
    """The event that raised it."""
    conference_id: str | None = None
    call_control_id: str | None = None
    queue: str | None = None
    cleared_at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.name, self.subject


class AlertBook:
    """The newest alert of each name and subject."""

    def __init__(self) -> None:
        self.raised: dict[Key, Alert] = {}
        """The alerts that are raised now, in the order in which they were raised."""
        self._last: dict[Key, Alert] = {}

    def note(self, changed: object, events: list[StoredEvent]) -> None:
        """Add the alert events among new events, as a listener of the event service."""
        for event in events:
            self.add(event)

    def add(self, event: StoredEvent) -> None:
        """Add an alert event. Other events change nothing, also those that only have the type of an alert."""
        alert = _alert_of(event)
        if alert is None:
            return
        last = self._last.get(alert.key)
        if last is not None and (last.sequence, last.cleared_at is not None) >= (
            alert.sequence,
            alert.cleared_at is not None,
        ):
            return
        self._last.pop(alert.key, None)
        self._last[alert.key] = alert
        self.raised.pop(alert.key, None)
        if alert.cleared_at is None:
            self.raised[alert.key] = alert
        if len(self._last) > _MAX_KEYS:
            self._forget()

    def _forget(self) -> None:
        """Forget the older half, without the alerts that are raised."""
        for key in list(self._last)[: _MAX_KEYS // 2]:
            if key not in self.raised:
                del self._last[key]

    def next_sequence(self, key: Key) -> int:
        last = self._last.get(key)
        return 1 if last is None else last.sequence + 1

    def is_new(self, key: Key, since: datetime) -> bool:
        """Whether a condition that began at this time is a new one: the alert was not raised for it before.

        Two processes may learn of the beginning or the end of a condition at different times.
        """
        last = self._last.get(key)
        if last is None:
            return True
        return last.cleared_at is not None and since > max(last.since, last.cleared_at - CLOCK_TOLERANCE)


def _alert_of(event: StoredEvent) -> Alert | None:
    payload: Any = event.payload
    if event.via is not Via.SERVER or event.type not in OWN_TYPES:
        return None
    since, raised_at = time_or_none(payload.get("since")), time_or_none(payload.get("raised_at"))
    sequence = payload.get("sequence")
    if since is None or raised_at is None or not isinstance(sequence, int):
        return None
    return Alert(
        name=str(payload.get("alert")),
        when=str(payload.get("when")),
        subject=str(payload.get("subject")),
        message=str(payload.get("message")),
        since=since,
        raised_at=raised_at,
        sequence=sequence,
        event_id=event.id if event.type == ALERT_RAISED else str(payload.get("raised_by")),
        conference_id=event.conference_id,
        call_control_id=event.call_control_id,
        queue=event.queue,
        cleared_at=None if event.type == ALERT_RAISED else event.occurred_at,
    )
