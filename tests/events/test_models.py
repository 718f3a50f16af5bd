"""Typed payloads: every documented field, and nothing lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from support.documented_webhooks import CONTRACT, TYPES, Json, envelope_of, event, payload
from support.rows import each_row
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Event, Via
from telnyx_conferencing.server.events.models import PAYLOADS, Payload, typed

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def of(event_type: str, payload: Any) -> Payload:
    return typed(Event(id="1", type=event_type, occurred_at=NOON, payload=payload))


def as_json(model: BaseModel) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def models_in(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from models_in(getattr(value, name))
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from models_in(item)


def test_there_is_a_model_for_every_documented_type() -> None:
    assert sorted(PAYLOADS) == TYPES


@each_row("event_type", TYPES)
def test_every_documented_field_is_typed_and_no_other(event_type: str) -> None:
    fields = {field.alias or name for name, field in PAYLOADS[event_type].model_fields.items()}
    assert fields - {"record_type"} == CONTRACT[event_type]["payload"].keys()


@each_row("event_type", TYPES)
@each_row("form", [dict, envelope_of])
def test_every_documented_event_parses_with_its_fields(event_type: str, form: Any) -> None:
    body = json.dumps(form(event(event_type))).encode()
    found = typed(parse_event(body, via=Via.WEBHOOK, verified=True, received_at=NOON))
    assert as_json(found) == payload(event_type)
    for model in models_in(found):
        known = {field.alias for field in type(model).model_fields.values()}
        assert not (model.model_extra or {}).keys() - known


@each_row("event_type", [*TYPES, "conference.levitated"])
def test_no_field_is_required(event_type: str) -> None:
    assert as_json(of(event_type, {})) == {}


@each_row("event_type", [*TYPES, "conference.levitated"])
def test_unknown_fields_are_kept(event_type: str) -> None:
    payload = {"record_type": "novel", "reason": "a new one", "novel": [{"a": 1}], "from": "+12025550101"}
    assert as_json(of(event_type, payload)) == payload


def test_times_are_in_utc() -> None:
    for time in ("2025-03-01T12:00:00", "2025-03-01T13:00:00+01:00"):
        found: Any = of("conference.created", {"occurred_at": time})
        assert (found.occurred_at, found.occurred_at.utcoffset()) == (NOON, timedelta())


def test_a_field_of_an_unexpected_type_is_kept_aside() -> None:
    payload = {
        "conference_id": 7,
        "call_control_id": "v3:a",
        "occurred_at": "0001-01-01T00:00:00+14:00",
        "reason": ["left"],
    }
    found: Any = of("conference.ended", payload)
    odd = {"conference_id": 7, "occurred_at": "0001-01-01T00:00:00+14:00", "reason": ["left"]}
    assert (found.call_control_id, found.conference_id, found.unexpected) == ("v3:a", None, odd)


def test_a_part_of_an_unexpected_shape_is_left_out_and_the_others_are_kept() -> None:
    payload = {"sip_headers": [{"name": 1, "value": "a"}, "text"], "tags": "one"}
    found: Any = of("call.hangup", payload)
    assert [header.value for header in found.sip_headers] == ["a", None]
    assert [header.unexpected for header in found.sip_headers] == [{"name": 1}, "text"]
    assert found.unexpected == {"tags": "one"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = sorted({name for payload in CONTRACT.values() for name in payload["payload"]} | {"record_type"})


@given(st.sampled_from([*TYPES, "conference.levitated"]), st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_no_field_of_any_type_is_ever_refused_or_lost(event_type: str, payload: Json) -> None:
    found = of(event_type, payload)
    held = found.model_dump(by_alias=True, exclude_unset=True)
    assert payload.keys() <= held.keys() | held.get("unexpected", {}).keys()
