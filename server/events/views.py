"""Events as a model reads them: lean, and with what is a secret left out."""

import json
from collections.abc import Mapping
from typing import Any

from .event import StoredEvent
from .times import iso

_REPEATED_FIELDS = ("conference_id", "call_control_id", "queue", "occurred_at")
_SECRETS = ("recording_urls", "public_recording_urls")
_HIDDEN = "hidden: get_event with include_recording_urls shows them"
_MAX_PAYLOAD_LENGTH = 20_000
"""Characters of one payload: hosts refuse long results."""


def event_view(event: StoredEvent, *, urls: bool = False) -> dict[str, Any]:
    """One event as JSON. Its payload leaves out what is said beside it, and links to recordings unless asked for."""
    shown: dict[str, Any] = {"id": event.id, "type": event.type, "occurred_at": iso(event.occurred_at)}
    about = {"conference_id": event.conference_id, "call_control_id": event.call_control_id, "queue": event.queue}
    shown |= {name: value for name, value in about.items() if value is not None}
    shown["via"] = str(event.via)
    if not event.verified:
        shown["verified"] = False
    return shown | {"payload": _bounded(_payload(event.payload, about, urls=urls))}


def _payload(payload: Mapping[str, Any], about: Mapping[str, Any], *, urls: bool) -> dict[str, Any]:
    kept = {name: value for name, value in payload.items() if value is not None}
    for name in _REPEATED_FIELDS:
        if about.get(name, kept.get(name)) == kept.get(name):
            kept.pop(name, None)
    if not urls:
        kept |= {name: _HIDDEN for name in _SECRETS if kept.get(name)}
    return kept


def _bounded(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload, with its longest parts cut when it is longer than a result may be."""
    if len(json.dumps(payload, ensure_ascii=False)) <= _MAX_PAYLOAD_LENGTH:
        return payload
    share = _MAX_PAYLOAD_LENGTH // max(1, len(payload))
    return {name[:200]: _cut(value, share) for name, value in list(payload.items())[:200]}


def _cut(value: Any, share: int) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= share else f"{text[:share]}… ({len(text)} characters)"
