"""Raised alerts as JSON, for the resource and for the board."""

from typing import Any

from ...tools.text import clean
from ..events.times import iso
from .book import Alert, AlertBook

MAX_ALERTS = 50
_MAX_TEXT_LENGTH = 400


def alert_views(book: AlertBook) -> list[dict[str, Any]]:
    """The alerts that were raised last, newest first; at most 50."""
    raised = sorted(book.raised.values(), key=lambda alert: alert.raised_at, reverse=True)
    return [_view(alert) for alert in raised[:MAX_ALERTS]]


def _view(alert: Alert) -> dict[str, Any]:
    fields = {
        "id": alert.event_id,
        "alert": alert.name,
        "when": alert.when,
        "text": clean(alert.message, _MAX_TEXT_LENGTH),
        "since": iso(alert.since),
        "raised_at": iso(alert.raised_at),
        "conference_id": alert.conference_id,
        "call_control_id": alert.call_control_id,
        "queue": None if alert.queue is None else clean(alert.queue, _MAX_TEXT_LENGTH),
    }
    return {name: value for name, value in fields.items() if value is not None}
