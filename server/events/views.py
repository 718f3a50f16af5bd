"""Events as JSON for the model: without empty fields and without secrets."""

import json
from collections.abc import Mapping
from typing import Any

from ...tools.client_state import client_state_text
from ...tools.text import count
from .event import StoredEvent
from .times import iso

_REPEATED_FIELDS = ("conference_id", "call_control_id", "queue", "occurred_at")
DIGIT_FIELDS = ("digits", "digit")
_SECRETS = ("recording_urls", "public_recording_urls", "recording_url")
_HIDDEN = "hidden: get_recording with include_download_urls returns them, if a person approves"
_MAX_PAYLOAD_LENGTH = 20_000
"""Characters of a payload. Hosts refuse long results."""


def event_view(event: StoredEvent, *, urls: bool = False) -> dict[str, Any]:
    """An event as JSON. The payload has no fields that are repeated beside it, and no recording links unless `urls`.

    `client_state` is decoded.
    """
    fields: dict[str, Any] = {"id": event.id, "type": event.type, "occurred_at": iso(event.occurred_at)}
    ids = {"conference_id": event.conference_id, "call_control_id": event.call_control_id, "queue": event.queue}
    fields |= {name: value for name, value in ids.items() if value is not None}
    fields["via"] = str(event.via)
    if not event.verified:
        fields["verified"] = False
    return fields | {"payload": _cut_long_fields(_payload(event.payload, ids, urls=urls))}


def _payload(payload: Mapping[str, Any], ids: Mapping[str, Any], *, urls: bool) -> dict[str, Any]:
    fields = {name: value for name, value in payload.items() if value is not None}
    for name in _REPEATED_FIELDS:
        if ids.get(name, fields.get(name)) == fields.get(name):
            fields.pop(name, None)
    if isinstance(state := fields.get("client_state"), str):
        fields["client_state"] = client_state_text(state)
    # Keyed digits may be a card number or a PIN: only their count is shown.
    fields |= {name: f"({count(len(str(fields[name])), 'digit')})" for name in DIGIT_FIELDS if name in fields}
    if not urls:
        fields |= {name: _HIDDEN for name in _SECRETS if fields.get(name)}
    return fields


def _cut_long_fields(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload. If it is too long, its longest fields are cut."""
    if len(json.dumps(payload, ensure_ascii=False)) <= _MAX_PAYLOAD_LENGTH:
        return payload
    share = _MAX_PAYLOAD_LENGTH // max(1, len(payload))
    return {name[:200]: _cut(value, share) for name, value in list(payload.items())[:200]}


def _cut(value: Any, share: int) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= share else f"{text[:share]}… ({len(text)} characters)"
