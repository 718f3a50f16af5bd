"""What the receiver answers, and what it keeps."""

import json
import socket
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import anyio
import httpx2
import pytest

from support.documented_webhooks import TYPES, envelope_of, event
from support.http import serve_app
from support.receiver_client import NOW, Kept, Key, Posting
from telnyx_conferencing.server.events.envelope import NotAnEvent
from telnyx_conferencing.server.events.event import Via
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.webhooks.receiver import Receiver, store_marker
from telnyx_conferencing.server.webhooks.signature import SignatureVerifier

pytestmark = pytest.mark.anyio

BODY = b'{"data": {"id": "1", "event_type": "call.hangup", "payload": {"call_control_id": "v3:a"}}}'
LARGEST = 1024 * 1024


@pytest.fixture
def posting() -> Posting:
    return Posting()


@pytest.mark.parametrize("event_type", TYPES)
async def test_every_documented_event_is_kept_with_its_raw_body(posting: Posting, event_type: str) -> None:
    body = json.dumps(envelope_of(event(event_type))).encode()
    assert await posting.post(body) == 200
    [kept] = posting.kept.events.values()
    assert (kept.type, kept.via, kept.verified) == (event_type, Via.WEBHOOK, True)
    assert posting.kept.bodies == [body]
    assert (posting.counts.accepted, posting.counts.duplicates) == (1, 0)


async def test_the_answer_to_a_webhook_is_empty(posting: Posting) -> None:
    for headers in (posting.key.sign(BODY), {}):
        _, answered, body = await posting.send([BODY], headers)
        assert (answered, body) == ({b"content-length": b"0"}, b"")


async def test_the_answer_is_sent_only_after_the_event_is_stored(posting: Posting) -> None:
    reached, durable = anyio.Event(), anyio.Event()
    answers: list[int] = []

    async def add(*_: object) -> int:
        reached.set()
        await durable.wait()
        return 1

    posting.receiver = Receiver(add, posting.kept.set_aside, SignatureVerifier([posting.key.public], now=lambda: NOW))

    async def post() -> None:
        answers.append(await posting.post(BODY))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        await reached.wait()
        assert answers == []
        durable.set()
    assert answers == [200]


async def test_a_duplicate_is_answered_200_and_counted(posting: Posting) -> None:
    assert [await posting.post(BODY) for _ in range(3)] == [200, 200, 200]
    assert (posting.counts.accepted, posting.counts.duplicates, len(posting.kept.events)) == (1, 2, 1)


async def test_any_result_of_the_store_except_none_counts_as_accepted(posting: Posting) -> None:
    async def add(*_: object) -> int:
        return 0

    receiver = posting.receiver = Receiver(add, posting.kept.set_aside, None)
    assert await posting.post(BODY) == 200
    assert (receiver.counts.accepted, receiver.counts.duplicates) == (1, 0)


async def test_an_event_that_cannot_be_stored_now_is_answered_503(posting: Posting) -> None:
    posting.kept.failure = OSError("the disk is full")
    assert await posting.post(BODY) == 503
    assert (posting.counts.failed, posting.counts.accepted) == (1, 0)
    posting.kept.failure = None
    assert await posting.post(BODY) == 200


async def test_an_event_that_can_never_be_stored_is_set_aside_and_answered_400(posting: Posting) -> None:
    async def add(*_: object) -> None:
        raise NotAnEvent("nested too deeply")

    receiver = posting.receiver = Receiver(add, posting.kept.set_aside, None)
    assert await posting.post(BODY) == 400
    assert (receiver.counts.not_events, receiver.counts.failed) == (1, 0)
    assert posting.kept.aside == [(BODY, "nested too deeply")]


async def test_a_body_that_telnyx_did_not_sign_is_refused_without_a_reason_and_counted(posting: Posting) -> None:
    good = posting.key.sign(BODY)
    old = posting.key.sign(BODY, str(int(NOW) - 301))
    refused = [
        {},
        {"telnyx-timestamp": good["telnyx-timestamp"]},
        {**good, "telnyx-signature-ed25519": "é"},
        {**good, "telnyx-timestamp": "noon"},
        {**good, "telnyx-timestamp": "²"},
        old,
        Key().sign(BODY),
    ]
    for headers in refused:
        assert await posting.send([BODY], headers) == (401, {b"content-length": b"0"}, b"")
    assert posting.counts.refused == Counter(missing=2, malformed=3, stale=1, mismatch=1)
    assert (posting.kept.events, posting.kept.aside) == ({}, [])


async def test_nothing_unsigned_is_parsed_or_set_aside(posting: Posting) -> None:
    assert await posting.post(b"not JSON", {}) == 401
    assert posting.kept.aside == []


async def test_signed_junk_is_set_aside_with_the_reason(posting: Posting) -> None:
    assert await posting.post(b"not JSON") == 400
    assert await posting.post(b'{"data": {"id": "1"}}') == 400
    assert [body for body, _ in posting.kept.aside] == [b"not JSON", b'{"data": {"id": "1"}}']
    assert [why.split(":")[0] for _, why in posting.kept.aside] == ["it is not JSON", "it has no event_type"]
    assert posting.counts.not_events == 2


async def test_junk_that_cannot_be_set_aside_is_answered_400_too(posting: Posting) -> None:
    posting.kept.failure = OSError("the disk is full")
    assert await posting.post(b"not JSON") == 400


async def test_an_insecure_receiver_accepts_everything_and_marks_it_as_unverified() -> None:
    posting = Posting(insecure=True)
    assert await posting.post(BODY, {}) == 200
    assert [kept.verified for kept in posting.kept.events.values()] == [False]


async def test_events_of_the_sandbox_are_marked_as_such() -> None:
    posting = Posting(via=Via.SANDBOX)
    await posting.post(BODY)
    assert [(kept.via, kept.verified) for kept in posting.kept.events.values()] == [(Via.SANDBOX, True)]


async def test_a_webhook_of_version_1_is_stored_and_reported_once(
    posting: Posting, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        assert await posting.post(b'{"id": "%d", "event_type": "call_initiated", "payload": {}}' % number) == 200
    [warning] = [record.getMessage() for record in caplog.records]
    assert 'set webhook_api_version to "2"' in warning
    assert [event.type for event in posting.kept.events.values()] == ["call_initiated"] * 3


async def test_a_body_may_come_in_pieces(posting: Posting) -> None:
    status, _, _ = await posting.send([BODY[:10], b"", BODY[10:]], posting.key.sign(BODY))
    assert status == 200


async def test_a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not(posting: Posting) -> None:
    body = BODY + b" " * (LARGEST - len(BODY))
    assert await posting.post(body) == 200
    assert await posting.post(body + b" ") == 413
    for unannounced in ([body, b" "], [body + b" "]):
        assert (await posting.send(unannounced, posting.key.sign(body + b" ")))[0] == 413
    assert posting.counts.too_large == 3


async def test_a_body_that_is_announced_as_too_large_is_not_read(posting: Posting) -> None:
    for length in (LARGEST + 1, 10**15, 10**5000):
        announced = "9" * 5001 if length > 10**20 else str(length)
        status, headers, _ = await posting.send(repeat(b"a"), {"content-length": announced})
        assert (status, headers[b"connection"], posting.pulled) == (413, b"close", 0)


@pytest.mark.parametrize("headers", [{"transfer-encoding": "chunked"}, {"content-length": "10"}, {}])
async def test_a_body_without_end_is_read_no_further_than_the_limit(posting: Posting, headers: dict[str, str]) -> None:
    piece = b"a" * 65_536
    tracemalloc.start()
    status, answered, _ = await posting.send(repeat(piece), headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (status, answered[b"connection"]) == (413, b"close")
    assert posting.pulled == LARGEST // len(piece) + 1
    assert peak < 2 * LARGEST


@pytest.mark.parametrize("length", ["-1", "1.5", "ten", "", "+5", "0x5", "1 2"])
async def test_an_invalid_content_length_is_a_bad_request(posting: Posting, length: str) -> None:
    assert (await posting.send([BODY], {**posting.key.sign(BODY), "content-length": length}))[0] == 400


async def test_a_body_that_takes_too_long_is_answered_408() -> None:
    posting = Posting(body_timeout_s=0)

    async def stalls() -> dict[str, object]:
        if posting.pulled:
            await anyio.sleep_forever()
        posting.pulled += 1
        return {"type": "http.request", "body": b"{", "more_body": True}

    assert await _asked(posting, stalls) == [408]


async def test_nothing_is_stored_of_a_sender_that_disconnects(posting: Posting) -> None:
    async def leaves() -> dict[str, object]:
        posting.pulled += 1
        return {"type": "http.request", "body": b"{", "more_body": True} if posting.pulled == 1 else _GONE

    async def is_gone() -> dict[str, object]:
        return _GONE

    for receive in (leaves, is_gone):
        await _asked(posting, receive)
    assert (posting.kept.events, posting.kept.aside) == ({}, [])


_GONE: dict[str, object] = {"type": "http.disconnect"}


async def _asked(posting: Posting, receive: object) -> list[int]:
    """The statuses answered to a POST whose body comes so."""
    statuses: list[int] = []

    async def send(message: dict[str, int]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/webhooks/telnyx", "headers": []}
    with anyio.fail_after(10):
        await posting.receiver.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
    return statuses


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"])
async def test_only_post_is_allowed_for_webhooks(posting: Posting, method: str) -> None:
    status, headers, _ = await posting.send([], {}, method)
    assert (status, headers[b"allow"]) == (405, b"POST")


@pytest.mark.parametrize("path", ["/", "", "/webhooks", "/webhooks/telnyx/", "/webhooks/Telnyx", "/healthz/", "/é"])
async def test_other_paths_are_not_found(posting: Posting, path: str) -> None:
    assert (await posting.send([BODY], posting.key.sign(BODY), path=path))[0] == 404


async def test_health_identifies_the_store_without_revealing_its_address() -> None:
    posting = Posting(health=lambda: {"stored": 3, "server": "other"}, store="postgresql://me:secret@db/events")
    status, headers, body = await posting.send([], {"host": "127.0.0.1:8080"}, "GET", "/healthz")
    assert (status, headers[b"content-type"], headers[b"content-length"]) == (
        200,
        b"application/json",
        str(len(body)).encode(),
    )
    assert json.loads(body) == {"stored": 3, **store_marker("postgresql://me:secret@db/events")}
    assert b"secret" not in body
    _, _, seen_through_a_tunnel = await posting.send([], {"host": "tunnel.example"}, "GET", "/healthz")
    assert "store" not in json.loads(seen_through_a_tunnel)
    assert store_marker("a") == store_marker("a") != store_marker("b")
    assert (await posting.send([], {}, "POST", "/healthz"))[0] == 405


@pytest.mark.slow
async def test_a_deeply_nested_body_takes_bounded_memory(posting: Posting) -> None:
    head, tail = b'{"data": {"id": "1", "event_type": "x", "payload": {"a": [', b"]}}}"
    room = LARGEST - len(head) - len(tail) - 2
    bombs = [
        b"[" * LARGEST,
        head + b"[]," * (room // 3) + b"[]" + tail,
        head + rb'"\ud800",' * (room // 9) + b"[]" + tail,
    ]
    for bomb in bombs:
        tracemalloc.start()
        await posting.post(bomb)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 64 * LARGEST


@pytest.fixture
def url() -> Iterator[str]:
    key = Key()
    kept = Kept()
    with serve_app(Receiver(kept.add, kept.set_aside, SignatureVerifier([key.public])).app) as url:
        yield url


def _status(url: str, *pieces: bytes) -> tuple[int, bytes]:
    """Send pieces over a connection; the status, and what comes until the receiver closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split()[1]), answer


async def test_over_http_a_large_body_is_refused_before_it_is_sent(url: str) -> None:
    head = b"POST /webhooks/telnyx HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    assert _status(url, head)[0] == 413


async def test_over_http_chunks_without_end_are_refused_at_the_limit(url: str) -> None:
    head = b"POST /webhooks/telnyx HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    assert _status(url, head, *[chunk] * 16, b"1\r\na")[0] == 413


async def test_over_http_a_body_longer_than_announced_is_no_second_webhook(url: str) -> None:
    head = b"POST /webhooks/telnyx HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
    status, answer = _status(url, head + b"{}" + b"a" * 100 + b"\r\n\r\n")
    assert status == 401
    assert answer.count(b"HTTP/1.1 200") == 0


async def test_over_http_events_of_the_sandbox_are_stored() -> None:
    kept = Kept()
    clock = ManualClock()
    telnyx = Sandbox(clock)
    verifier = SignatureVerifier([telnyx.public_key], now=lambda: clock.now().timestamp())
    with serve_app(Receiver(kept.add, kept.set_aside, verifier, via=Via.SANDBOX).app) as url:
        async with httpx2.AsyncClient() as client:
            for envelope in telnyx.events:
                body, headers = telnyx.signed(envelope)
                response = await client.post(f"{url}/webhooks/telnyx", content=body, headers=headers)
                assert (response.status_code, response.content) == (200, b"")
    assert [kept.id for kept in kept.events.values()] == [
        envelope.get("data", envelope)["id"] for envelope in telnyx.events
    ]
