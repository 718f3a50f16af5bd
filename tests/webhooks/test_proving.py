"""Signatures that are checked together: each answered for itself, in the order in which they came."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.receiver_client import NOW, Key, Posting
from support.stored_events import groups_of, url
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.webhooks import proving
from telnyx_conferencing.server.webhooks.proving import SignatureChecker
from telnyx_conferencing.server.webhooks.receiver import Receiver
from telnyx_conferencing.server.webhooks.signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    BadSignature,
    SignatureVerifier,
)

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024
KEY, OTHER = Key(), Key()


def _verifier() -> SignatureVerifier:
    return SignatureVerifier([KEY.public], now=lambda: NOW)


def _no_thread(*_: Any) -> "Future[None]":
    raise RuntimeError("can't start new thread")


def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "_processors", lambda: 2)


def _one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "_processors", lambda: 1)


def _no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    _two_processors(monkeypatch)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", _no_thread)


@pytest.fixture(params=[_two_processors, _one_processor, _no_more_threads])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is to check with."""
    request.param(monkeypatch)


async def _prove(prover: SignatureChecker, body: bytes, key: Key = KEY) -> str:
    """What is said of a body that this key has signed."""
    headers = key.sign(body)
    with anyio.fail_after(10):
        try:
            await prover.prove(body, headers[SIGNATURE_HEADER.decode()], headers[TIMESTAMP_HEADER.decode()])
        except BadSignature as bad:
            return bad.reason
        return "proved"


async def _all_at_once(prover: SignatureChecker, keys: list[Key]) -> tuple[list[str], list[int]]:
    """What is said of bodies that come at the same time, and the order in which it is said."""
    order: list[int] = []

    async def prove(place: int, key: Key) -> str:
        said = await _prove(prover, b"%d" % place, key)
        order.append(place)
        return said

    said = await asyncio.gather(*(prove(place, key) for place, key in enumerate(keys)))
    return said, order


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("count", [1, 3, 4, 40, 513])
async def test_each_is_answered_for_itself_and_in_the_order_in_which_it_came(count: int) -> None:
    keys = [OTHER if place % 3 == 1 else KEY for place in range(count)]
    said, order = await _all_at_once(SignatureChecker(_verifier()), keys)
    assert said == ["mismatch" if key is OTHER else "proved" for key in keys]
    assert order == list(range(count))


@given(st.lists(st.sampled_from([KEY, OTHER]), max_size=12))
def test_a_forged_one_among_others_is_the_only_one_refused(keys: list[Key]) -> None:
    said, _ = anyio.run(_all_at_once, SignatureChecker(_verifier()), keys)
    assert said == ["mismatch" if key is OTHER else "proved" for key in keys]


async def test_where_nobody_is_asked_everything_is_taken_for_proved() -> None:
    said, order = await _all_at_once(SignatureChecker(None), [KEY, OTHER, KEY])
    assert (said, order) == (["proved"] * 3, [0, 1, 2])


async def test_two_threads_share_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    _two_processors(monkeypatch)
    both = threading.Barrier(2, timeout=10)

    class Together(SignatureVerifier):
        def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
            both.wait()  # breaks unless a second thread comes here too
            super().verify(body, signature, timestamp)

    said, _ = await _all_at_once(SignatureChecker(Together([KEY.public], now=lambda: NOW)), [KEY, OTHER, KEY, KEY])
    assert said == ["proved", "mismatch", "proved", "proved"]


async def test_what_goes_wrong_in_checking_is_told_to_who_waits_and_to_nobody_else() -> None:
    class Failing(SignatureVerifier):
        def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
            if body == b"2":
                raise MemoryError("no room")
            super().verify(body, signature, timestamp)

    prover = SignatureChecker(Failing([KEY.public], now=lambda: NOW))
    said = await asyncio.gather(*(_prove(prover, b"%d" % place) for place in range(6)), return_exceptions=True)
    assert [str(one) for one in said] == ["proved", "proved", "no room", "proved", "proved", "proved"]


async def test_who_no_longer_waits_keeps_nobody_from_an_answer() -> None:
    prover = SignatureChecker(_verifier())
    waiting = [asyncio.create_task(_prove(prover, b"%d" % place)) for place in range(6)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[3].cancel()
    said = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in said] == [True, False, False, True, False, False]
    assert await _prove(prover, b"later") == "proved"


async def test_large_bodies_leave_the_event_loop_to_others_in_between() -> None:
    turns = 0
    checked: list[int] = []

    class Noting(SignatureVerifier):
        def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
            checked.append(turns)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    prover = SignatureChecker(Noting([KEY.public]))
    other = asyncio.create_task(others())
    await asyncio.gather(*(prover.prove(b"x" * MEBIBYTE, "", "") for _ in range(6)))
    other.cancel()
    assert len(set(checked)) == 6


async def test_what_comes_in_turns_close_together_is_stored_by_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "_GATHER_SECONDS", 60)
    async with Store.open(url(tmp_path / "events.db")) as store:
        posting = Posting()
        posting.receiver = Receiver(
            store.add_unread, store.set_aside, SignatureVerifier([posting.key.public], now=lambda: NOW)
        )
        groups = groups_of(store, monkeypatch)

        async def post(place: int) -> int:
            for _ in range(3 * place):
                await asyncio.sleep(0)
            return await posting.post(b'{"data": {"id": "%d", "event_type": "call.hangup"}}' % place)

        assert await asyncio.gather(*map(post, range(16))) == [200] * 16
        assert groups == [16]
