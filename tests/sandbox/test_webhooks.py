"""Webhooks: envelopes, signatures, delivery with retries, and what is kept."""

import base64
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support.sandbox_client import Telnyx
from support.sandbox_receiver import Receiver
from telnyx_conferencing.server.sandbox import EMPTY, Fault, ManualClock, Sandbox, SystemClock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def telnyx(receiver: Receiver) -> AsyncIterator[Telnyx]:
    client = Telnyx(Sandbox(ManualClock(), webhook_url=receiver.url, scene=EMPTY))
    yield client
    await client.http.aclose()


async def test_an_event_is_posted_in_its_envelope_and_signed(telnyx: Telnyx, receiver: Receiver) -> None:
    await telnyx.arrival()
    await telnyx.sandbox.advance(0)
    [received] = receiver.received
    envelope = json.loads(received.body)
    assert envelope == telnyx.sandbox.events[0]
    assert envelope.keys() == {"data", "meta"}
    assert envelope["data"].keys() == {"record_type", "event_type", "id", "occurred_at", "payload"}
    assert envelope["meta"] == {"attempt": 1, "delivered_to": receiver.url}
    timestamp = received.headers["telnyx-timestamp"]
    assert int(timestamp) == int(telnyx.sandbox.clock.now().timestamp())
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(telnyx.sandbox.public_key))
    signature = base64.b64decode(received.headers["telnyx-signature-ed25519"])
    key.verify(signature, timestamp.encode() + b"|" + received.body)


async def test_events_wait_for_a_receiver_and_the_history_of_the_scene_is_never_posted(receiver: Receiver) -> None:
    telnyx = Telnyx(Sandbox(ManualClock()))
    history = len(telnyx.sandbox.events)
    async with telnyx.http:
        await telnyx.arrival()
        await telnyx.sandbox.advance(600)
        telnyx.sandbox.post_to(receiver.url)
        assert receiver.received == []
        await telnyx.sandbox.advance(0)
        kept = await telnyx.get("/webhook_deliveries")
    [posted] = receiver.received
    assert json.loads(posted.body)["data"]["id"] == telnyx.sandbox.events[-1]["data"]["id"]
    assert [len(delivery["attempts"]) for delivery in kept] == [1] + [0] * history


async def test_events_arrive_in_order_and_count_as_delivered(telnyx: Telnyx, receiver: Receiver) -> None:
    leg = await telnyx.arrival()
    await telnyx.post(f"/calls/{leg}/actions/answer")
    await telnyx.post(f"/calls/{leg}/actions/hangup")
    await telnyx.sandbox.advance(0)
    assert receiver.kinds() == ["call.initiated", "call.answered", "call.hangup"]
    newest, *_ = kept = await telnyx.get("/webhook_deliveries")
    assert {delivery["status"] for delivery in kept} == {"delivered"}
    assert newest["webhook"] == telnyx.sandbox.events[-1]["data"]
    [attempt] = newest["attempts"]
    assert attempt["http"]["request"]["url"] == receiver.url
    assert attempt["http"]["response"]["status"] == 200


async def test_a_failed_delivery_is_tried_again_after_1_5_15_60_and_300_seconds(
    telnyx: Telnyx, receiver: Receiver
) -> None:
    receiver.answers = [500] * 10
    await telnyx.arrival()
    started = telnyx.sandbox.clock.now()
    await telnyx.sandbox.advance(3600)
    assert [json.loads(webhook.body)["meta"]["attempt"] for webhook in receiver.received] == [1, 2, 3, 4, 5, 6]
    times = [int(webhook.headers["telnyx-timestamp"]) - int(started.timestamp()) for webhook in receiver.received]
    assert times == [0, 1, 6, 21, 81, 381]
    [delivery] = await telnyx.get("/webhook_deliveries")
    assert (delivery["status"], len(delivery["attempts"]), delivery["attempts"][0]["errors"]) == ("failed", 6, [500])


async def test_a_call_can_say_when_its_webhooks_are_tried_again(telnyx: Telnyx, receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    delays: dict[str, list[int]] = {"call.initiated": [1000, 4000], "call.answered": []}
    policies = {event_type: {"retries_ms": retries_ms} for event_type, retries_ms in delays.items()}
    body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}
    await telnyx.post("/calls", body | {"webhook_retries_policies": policies})
    started = telnyx.sandbox.clock.now()
    await telnyx.sandbox.advance(3600)
    times = [int(webhook.headers["telnyx-timestamp"]) - int(started.timestamp()) for webhook in receiver.received]
    assert times == [0, 1, 2, 5]
    assert receiver.kinds() == ["call.initiated", "call.initiated", "call.answered", "call.initiated"]
    too_long = {"call.hangup": {"retries_ms": [60_000, 1]}}
    _, error = await telnyx.refusal("POST", "/calls", body | {"webhook_retries_policies": too_long})
    assert error["source"] == {"pointer": "/webhook_retries_policies"}


async def test_a_delivery_that_succeeds_later_is_not_tried_again(telnyx: Telnyx, receiver: Receiver) -> None:
    receiver.answers = [500, 302]
    await telnyx.arrival()
    await telnyx.sandbox.advance(3600)
    assert len(receiver.received) == 3
    assert len({json.loads(webhook.body)["data"]["id"] for webhook in receiver.received}) == 1
    [delivery] = await telnyx.get("/webhook_deliveries")
    assert [attempt["status"] for attempt in delivery["attempts"]] == ["failed", "failed", "delivered"]
    assert delivery["status"] == "delivered"


async def test_a_refused_connection_is_a_failed_attempt() -> None:
    for url in ("http://127.0.0.1:9/", "not a url"):
        telnyx = Telnyx(Sandbox(ManualClock(), webhook_url=url, scene=EMPTY))
        await telnyx.arrival()
        await telnyx.sandbox.advance(0)
        [delivery] = await telnyx.get("/webhook_deliveries")
        assert (delivery["status"], len(delivery["attempts"])) == ("failed", 1)
        assert "response" not in delivery["attempts"][0]["http"]


async def test_without_a_url_every_event_is_kept_for_a_backfill() -> None:
    telnyx = Telnyx(Sandbox(ManualClock()))
    kept = await telnyx.page("/webhook_deliveries", page_size=250)
    assert len(kept["data"]) == len(telnyx.sandbox.events) == kept["meta"]["total_results"]
    assert {(delivery["status"], len(delivery["attempts"])) for delivery in kept["data"]} == {("failed", 0)}
    assert telnyx.sandbox.events[0]["meta"] == {"attempt": 1}


async def test_deliveries_are_found_by_filter(telnyx: Telnyx, receiver: Receiver) -> None:
    receiver.answers = [200, 500]
    leg = await telnyx.arrival()
    await telnyx.post(f"/calls/{leg}/actions/hangup")
    await telnyx.sandbox.advance(0)
    cases: dict[str, tuple[str, list[str]]] = {
        "filter_status__eq": ("failed", ["call.hangup"]),
        "filter_event_type": ("call.initiated", ["call.initiated"]),
        "filter_webhook__contains": ("originator_cancel", []),
        "filter_attempts__contains": ('"status": 500', ["call.hangup"]),
        "filter_started_at__gte": ("2020-01-01", ["call.hangup", "call.initiated"]),
        "filter_finished_at__lte": ("2020-01-01", []),
    }
    for name, (value, found) in cases.items():
        kept = await telnyx.get("/webhook_deliveries", **{name: value})
        assert [delivery["webhook"]["event_type"] for delivery in kept] == found, name


async def test_webhooks_can_come_twice_late_or_never(telnyx: Telnyx, receiver: Receiver) -> None:
    observed: list[str] = []
    telnyx.sandbox.on_event(lambda envelope: observed.append(envelope["data"]["event_type"]))
    telnyx.sandbox.faults.add(Fault("duplicate", event_type="answered", times=1))
    telnyx.sandbox.faults.add(Fault("reorder", event_type=r"^call\.initiated$", times=1))
    telnyx.sandbox.faults.add(Fault("lose", event_type="hangup", times=1))
    leg = await telnyx.arrival()
    await telnyx.post(f"/calls/{leg}/actions/answer")
    await telnyx.post(f"/calls/{leg}/actions/hangup")
    await telnyx.sandbox.advance(0)
    assert receiver.kinds() == observed == ["call.answered", "call.answered", "call.initiated"]
    assert telnyx.kinds() == ["call.initiated", "call.answered", "call.hangup"], "what happened is known all the same"
    [lost] = await telnyx.get("/webhook_deliveries", filter_status__eq="failed")
    assert lost["webhook"]["event_type"] == "call.hangup"


async def test_an_observer_that_fails_does_not_disturb_telnyx(telnyx: Telnyx) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError

    telnyx.sandbox.on_event(fail)
    assert await telnyx.arrival()


async def test_while_it_runs_time_passes_and_webhooks_go_out_by_themselves(receiver: Receiver) -> None:
    sandbox = Sandbox(SystemClock(), webhook_url=receiver.url, scene=EMPTY)
    telnyx = Telnyx(sandbox)
    with anyio.fail_after(10):
        async with sandbox.running():
            leg = await telnyx.arrival()
            await receiver.until(1)
            room = await telnyx.post("/conferences", {"call_control_id": leg, "name": "Room"})
            await telnyx.act(room["id"], "gather_using_audio", call_control_id=leg, timeout_millis=20)
            await receiver.until(5)
    assert "call.gather.ended" in receiver.kinds(), "the order is not certain"


async def test_an_error_while_the_sandbox_runs_is_raised_unchanged() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Sandbox(ManualClock()).running():
            raise KeyError("mine")


async def test_a_receiver_that_answers_too_late_is_a_failed_attempt(
    telnyx: Telnyx, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telnyx_conferencing.server.sandbox.webhooks.DELIVERY_TIMEOUT_S", 0.05)
    receiver.hangs = True
    await telnyx.arrival()
    await telnyx.sandbox.advance(0)
    receiver.hangs = False
    await telnyx.sandbox.advance(1)
    [delivery] = await telnyx.get("/webhook_deliveries")
    assert [attempt["status"] for attempt in delivery["attempts"]] == ["failed", "delivered"]


async def test_a_webhook_has_telnyx_s_user_agent_and_says_that_there_is_no_client_state(
    telnyx: Telnyx, receiver: Receiver
) -> None:
    await telnyx.arrival()
    await telnyx.sandbox.advance(0)
    [received] = receiver.received
    assert received.headers["user-agent"] == "telnyx-webhooks"
    assert json.loads(received.body)["data"]["payload"]["client_state"] is None
    [delivery] = await telnyx.get("/webhook_deliveries")
    assert uuid.UUID(delivery["user_id"])
    assert await telnyx.get(f"/webhook_deliveries/{delivery['id']}") == delivery
    assert (await telnyx.refusal("GET", "/webhook_deliveries/none"))[0] == 404


async def test_a_slow_receiver_delays_no_other(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telnyx_conferencing.server.sandbox.webhooks.DELIVERY_TIMEOUT_S", 3600)
    async with Receiver() as slow:
        slow.hangs = True
        sandbox = Sandbox(SystemClock(), webhook_url=receiver.url, scene=EMPTY)
        telnyx = Telnyx(sandbox)
        body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550199", "webhook_url": slow.url}
        with anyio.fail_after(30):
            async with sandbox.running():
                await telnyx.post("/calls", body)
                await slow.until(1)
                await telnyx.arrival()
                await receiver.until(1)


async def test_after_three_failed_attempts_the_failover_url_gets_the_webhook(receiver: Receiver) -> None:
    receiver.answers = [500, 302, 500]
    async with Receiver() as failover:
        telnyx = Telnyx(Sandbox(ManualClock(), receiver.url, EMPTY, failover_url=failover.url))
        await telnyx.arrival()
        await telnyx.sandbox.advance(3600)
        assert (len(receiver.received), len(failover.received)) == (3, 1)
        assert json.loads(failover.received[0].body)["meta"] == {"attempt": 4, "delivered_to": failover.url}
    [delivery] = await telnyx.get("/webhook_deliveries")
    assert delivery["status"] == "delivered"


async def test_a_call_can_have_urls_of_its_own(telnyx: Telnyx, receiver: Receiver) -> None:
    async with Receiver() as own, Receiver() as for_answers:
        body = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150", "webhook_url": own.url}
        leg = (await telnyx.post("/calls", body | {"webhook_urls": {"call.answered": for_answers.url}}))[
            "call_control_id"
        ]
        await telnyx.sandbox.advance(2)
        await telnyx.post(f"/calls/{leg}/actions/hangup")
        await telnyx.sandbox.advance(0)
        assert own.kinds() == ["call.initiated", "call.hangup"]
        assert for_answers.kinds() == ["call.answered"]
    assert receiver.received == []
