"""Raw bodies and what is read from them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.documented_webhooks import OCCURRED_AT, TYPES, Json, envelope_of, event
from support.rows import each_row
from telnyx_conferencing.server.events.envelope import MAX_BODY_BYTES, NotAnEvent, parse_event, parse_event_data
from telnyx_conferencing.server.events.event import Event, Via
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox

RECEIVED_AT = datetime(2025, 3, 1, 13, tzinfo=UTC)


def read(body: bytes | Json) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_event(raw, via=Via.WEBHOOK, verified=True, received_at=RECEIVED_AT)


def refusal(body: Any) -> str:
    with pytest.raises(NotAnEvent) as refused:
        read(body if isinstance(body, bytes) else json.dumps(body).encode())
    return str(refused.value)


@each_row("event_type", TYPES)
def test_every_documented_event_is_the_same_in_both_forms(event_type: str) -> None:
    bare = event(event_type)
    found = read(bare)
    assert found == read(envelope_of(bare))
    assert (found.id, found.type, found.payload) == ("ev-1", event_type, bare["payload"])
    for name in ("conference_id", "call_control_id", "call_session_id", "queue"):
        assert getattr(found, name) == bare["payload"].get(name)


@each_row("event_type", TYPES)
def test_the_time_of_an_event_is_read_from_the_event_or_its_payload(event_type: str) -> None:
    time = datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert read(event(event_type)).occurred_at == (RECEIVED_AT if event_type == "conference.recording.saved" else time)


def test_every_event_that_the_sandbox_sends_is_read() -> None:
    sandbox = Sandbox(ManualClock())
    sent = [envelope.get("data", envelope) for envelope in sandbox.events]
    found = [read(sandbox.signed(envelope)[0]) for envelope in sandbox.events]
    assert found
    assert [(event.id, event.type, event.payload) for event in found] == [
        (bare["id"], bare["event_type"], bare["payload"]) for bare in sent
    ]
    assert [event.occurred_at for event in found] == [datetime.fromisoformat(bare["occurred_at"]) for bare in sent]


@each_row(
    ("occurred_at", "expected"),
    [
        ("2025-03-01T12:00:00Z", datetime(2025, 3, 1, 12, tzinfo=UTC)),
        ("2025-03-01T12:00:00", datetime(2025, 3, 1, 12, tzinfo=UTC)),
        ("2025-03-01T14:00:00+02:00", datetime(2025, 3, 1, 12, tzinfo=UTC)),
        ("2025-03-01T12:00:00.123456789Z", datetime(2025, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("soon", RECEIVED_AT),
        ("0001-01-01T00:00:00+14:00", RECEIVED_AT),
        (1_740_830_400, RECEIVED_AT),
        ({"at": "noon"}, RECEIVED_AT),
        (None, RECEIVED_AT),
    ],
)
def test_times_are_utc_and_an_invalid_one_is_replaced_by_the_time_of_receipt(
    occurred_at: Any, expected: datetime
) -> None:
    forms: list[Json] = [{"occurred_at": occurred_at, "payload": {}}, {"payload": {"occurred_at": occurred_at}}]
    for body in [{"id": "1", "event_type": "x", **form} for form in forms]:
        found = read(body).occurred_at
        assert found == expected
        assert found.utcoffset() == timedelta()


def test_an_invalid_time_is_replaced_by_the_one_in_the_payload() -> None:
    body: Json = {"id": "1", "event_type": "x", "occurred_at": "soon", "payload": {"occurred_at": OCCURRED_AT}}
    assert read(body).occurred_at == datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_unknown_fields_are_kept() -> None:
    payload = {"novel": {"deep": [1, 2.5, None, True, "ü"]}, "reason": "a new one", "queue": {"id": 3}}
    found = read(envelope_of({"id": "1", "event_type": "conference.levitated", "payload": payload, "novel": 1}))
    assert (found.type, found.payload, found.queue) == ("conference.levitated", payload, None)


@each_row(("payload", "kept"), [(None, {}), ("text", "text"), ([1], [1]), (0, 0)])
def test_a_payload_that_is_no_object_is_kept_as_unexpected(payload: Any, kept: Any) -> None:
    expected: Json = {} if payload is None else {"unexpected": kept}
    assert read({"id": "1", "event_type": "x", "payload": payload}).payload == expected
    assert read({"id": "1", "event_type": "x"}).payload == {}


def test_a_bare_event_may_have_a_field_called_data() -> None:
    bare: Json = {"id": "1", "event_type": "x", "payload": {}, "data": {"id": "2"}}
    assert read(bare).id == "1"
    assert read({**bare, "data": "text"}).id == "1"


@each_row(
    ("body", "why"),
    [
        (b"", "it is not JSON"),
        (b"hello", "it is not JSON"),
        (b'{"id": "1", "event_type": "x", "payload": {"a": NaN}}', "NaN is not JSON"),
        (b'{"id": "1", "event_type": "x", "payload": {"a": 1e999}}', "a number is out of range"),
        (b'{"id": "1", "event_type": "x", "payload": {"a": [{"b": -1e999}]}}', "a number is out of range"),
        (b'{"id": "1", "event_type": "x", "payload": {"a": %b}}' % (b"9" * 5000), "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b'\xef\xbb\xbf{"id": "1", "event_type": "x"}', "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        ({}, "it has no id"),
        ({"data": {}, "meta": {}}, "it has no id"),
        ({"data": None}, "it has no id"),
        ({"id": "1"}, "it has no event_type"),
        ({"event_type": "x"}, "it has no id"),
        ({"id": 1, "event_type": "x"}, "it has an invalid id"),
        ({"id": "", "event_type": "x"}, "it has an invalid id"),
        ({"id": "a\0b", "event_type": "x"}, "it has an invalid id"),
        ({"id": "i" * 513, "event_type": "x"}, "it has an invalid id"),
        ({"id": "1", "event_type": ["x"]}, "it has an invalid event_type"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "it is nested more than 64 deep"),
        (b'{"id": "1", "event_type": "x", "payload": %b}' % (b"[" * 64 + b"]" * 64), "it is nested more than 64 deep"),
        (b"[" * 500_000, "it is nested more than 64 deep"),
        (b'{"a":' * 200_000, "it is nested more than 64 deep"),
        (b"[" * 500_000 + b"]" * 500_000, "it is nested more than 64 deep"),
        (b" " * (MAX_BODY_BYTES + 1), f"it is larger than {MAX_BODY_BYTES} bytes"),
    ],
)
def test_a_body_that_is_not_an_event_is_refused_with_the_reason(body: Any, why: str) -> None:
    assert why in refusal(body)


def test_the_deepest_the_largest_and_the_widest_event_are_accepted() -> None:
    deepest = b'{"id": "1", "event_type": "x", "payload": %b}' % (b"[" * 63 + b"]" * 63)
    assert read(deepest).id == "1"
    wide = b'{"id": "1", "event_type": "x", "payload": {"a": [%b{}]}}' % (b"{}," * 300_000)
    assert len(read(wide).payload["a"]) == 300_001
    head = b'{"id": "1", "event_type": "x", "payload": {"a": "'
    largest = head + b"a" * (MAX_BODY_BYTES - len(head) - 3) + b'"}}'
    assert len(largest) == MAX_BODY_BYTES
    assert read(largest).id == "1"


def test_half_surrogates_are_replaced() -> None:
    body = rb'{"id": "1\ud83d", "event_type": "x", "payload": {"a\udc00": ["\ud83d\ude00", "\ud800 "]}}'
    for spelled in (body, body.replace(b"ud", b"uD")):
        found = read(spelled)
        assert (found.id, found.payload) == ("1?", {"a?": ["😀", "? "]})


def test_ids_that_no_index_can_hold_are_only_in_the_payload() -> None:
    payload = {"conference_id": 7, "call_control_id": "", "call_session_id": "a\0", "queue": "q" * 513}
    found = read({"id": "1", "event_type": "x", "payload": payload})
    assert found.payload == payload
    assert {found.conference_id, found.call_control_id, found.call_session_id, found.queue} == {None}


@each_row("event_type", TYPES)
def test_a_fetched_event_equals_the_received_one(event_type: str) -> None:
    for data in (event(event_type), envelope_of(event(event_type))):
        fetched = parse_event_data(data, via=Via.CATCH_UP, verified=True, received_at=RECEIVED_AT)
        assert fetched.via is Via.CATCH_UP
        assert fetched == parse_event(
            json.dumps(data).encode(), via=Via.CATCH_UP, verified=True, received_at=RECEIVED_AT
        )


def test_fetched_junk_is_refused_too() -> None:
    deep: Json = {}
    for _ in range(100_000):
        deep = {"a": deep}
    junk: list[Json] = [
        {},
        {"id": 1},
        {"id": "1", "event_type": "x", "payload": {"a": float("nan")}},
        {"id": "1", "event_type": "x", "payload": {"a": object()}},
        {"id": "1", "event_type": "x", "payload": deep},
    ]
    for data in junk:
        with pytest.raises(NotAnEvent):
            parse_event_data(data, via=Via.CATCH_UP, verified=True, received_at=RECEIVED_AT)
    while deep:
        deep = deep["a"]  # one level at a time: freeing all of it at once is deep too


def test_a_received_time_in_another_zone_is_the_same_moment() -> None:
    received_at = RECEIVED_AT.astimezone(timezone(timedelta(hours=5)))
    found = parse_event(b'{"id": "1", "event_type": "x"}', via=Via.SANDBOX, verified=False, received_at=received_at)
    assert (found.occurred_at, found.via, found.verified) == (RECEIVED_AT, Via.SANDBOX, False)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_ODD_EVENT = st.dictionaries(st.sampled_from(["id", "event_type", "occurred_at", "payload", "data", "meta"]), _JSON)


_READABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _READABLE), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_is_parsed_as_the_standard_library_parses_it(
    payload: Json, ascii_only: bool, indent: int | str | None
) -> None:
    body = {"data": {"id": "1", "event_type": "x", "payload": payload}}
    found = read(json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode())
    assert repr(found.payload) == repr(payload)  # 0 and 0.0, 1 and true are not the same here


@given(st.binary() | (_JSON | _ODD_EVENT).map(lambda value: json.dumps(value).encode()))
def test_every_body_is_an_event_or_refused(body: bytes) -> None:
    try:
        found = read(body)
    except NotAnEvent:
        return
    assert found.occurred_at.utcoffset() == timedelta()
    json.dumps(dict(found.payload), ensure_ascii=False, allow_nan=False).encode()
