"""Any request gets an answer below 500 and raises nothing."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.documented_webhooks import TYPES, envelope_of, event
from support.receiver_client import Headers, Posting

ANSWERS = {200, 400, 401, 404, 405, 413}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)
_NAMES = ["id", "event_type", "occurred_at", "payload", "data", "meta", "conference_id", "call_control_id", "queue"]
_LIKE_AN_EVENT = st.recursive(_JSON, lambda inner: st.dictionaries(st.sampled_from(_NAMES), inner), max_leaves=10)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def _spoilt_events(draw: st.DrawFn) -> bytes:
    """A documented event, in which a field somewhere is anything, or with bytes of it changed."""
    whole = envelope_of(event(draw(st.sampled_from(TYPES))))
    level: Any = draw(st.sampled_from([whole, whole["data"], whole["data"]["payload"]]))
    level[draw(st.sampled_from([*level, "novel"]))] = draw(_JSON)
    body = bytearray(_encoded(whole))
    for place in draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = draw(st.integers(0, 255))
    return bytes(body)


BODIES = st.binary(max_size=2000) | _JSON.map(_encoded) | _LIKE_AN_EVENT.map(_encoded) | _spoilt_events()
_TOKENS = st.sampled_from(
    [b"telnyx-signature-ed25519", b"telnyx-timestamp", b"content-length", b"transfer-encoding", b"content-type"]
)
HEADERS = st.lists(st.tuples(_TOKENS | st.binary(), st.binary() | st.integers().map(lambda n: str(n).encode())))


def _run(check: Callable[[Posting], Awaitable[None]]) -> Posting:
    posting = Posting()
    anyio.run(check, posting)
    return posting


@given(BODIES)
def test_signed_junk_is_an_event_or_set_aside(body: bytes) -> None:
    async def check(posting: Posting) -> None:
        status = await posting.post(body)
        assert status in (200, 400)
        assert len(posting.kept.events) == (status == 200)
        assert posting.kept.aside == [] if status == 200 else posting.kept.aside[0][0] == body

    _run(check)


@given(st.lists(BODIES, max_size=4), HEADERS, st.sampled_from(["POST", "GET", "PUT"]), st.text(max_size=5))
def test_every_request_is_answered(
    pieces: list[bytes], headers: list[tuple[bytes, bytes]], method: str, path: str
) -> None:
    async def check(posting: Posting) -> None:
        for where in ("/webhooks/telnyx", "/healthz", path):
            status, _, _ = await posting.ask(pieces, headers, method, where)
            assert status in ANSWERS
        assert posting.kept.events == {}

    _run(check)


@given(
    BODIES, st.sampled_from(["telnyx-signature-ed25519", "telnyx-timestamp"]), st.text(st.characters(max_codepoint=255))
)
def test_a_changed_header_is_refused(body: bytes, name: str, value: str) -> None:
    async def check(posting: Posting) -> None:
        headers: Headers = {**posting.key.sign(body), name: value}
        assert (await posting.send([body], headers))[0] == 401
        assert sum(posting.counts.refused.values()) == 1

    _run(check)


@pytest.mark.parametrize("event_type", TYPES)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_body_with_one_changed_bit_is_refused(event_type: str, place: int, bit: int) -> None:
    body = _encoded(envelope_of(event(event_type)))
    changed = bytearray(body)
    changed[place % len(body)] ^= 1 << bit

    async def check(posting: Posting) -> None:
        assert await posting.post(bytes(changed), posting.key.sign(body)) == 401

    _run(check)
