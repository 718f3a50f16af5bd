"""Every documented type of event, with an example of each, from the contract."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

OCCURRED_AT = "2025-03-01T12:00:00.250000Z"
CONTRACT: dict[str, Json] = json.loads(Path(__file__).with_name("webhook_contract.json").read_text())
TYPES = sorted(CONTRACT)


def payload(event_type: str) -> Json:
    """A payload with every documented field."""
    return {name: _example(name, kind) for name, kind in CONTRACT[event_type]["payload"].items()}


def event(event_type: str) -> Json:
    """An event as documented, with its time where it is documented."""
    bare: Json = {"record_type": "event", "event_type": event_type, "id": "ev-1", "payload": payload(event_type)}
    return bare | ({"occurred_at": OCCURRED_AT} if CONTRACT[event_type]["occurred_at"] else {})


def envelope_of(bare: Json) -> Json:
    """The envelope on the wire."""
    return {"data": bare, "meta": {"attempt": 1, "delivered_to": "https://example.com/webhooks"}}


def _example(name: str, kind: Any) -> Any:
    if isinstance(kind, str):
        values = {"string": f"some {name}", "integer": 7, "number": 0.5, "boolean": True, "date-time": OCCURRED_AT}
        return values[kind]
    ((of, inner),) = kind.items()
    if of == "enum":
        return inner[-1]
    if of == "array":
        return [_example(name, inner)]
    return {key: _example(key, value) for key, value in inner.items()}
