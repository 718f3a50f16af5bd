"""Telnyx's own SDK on the sandbox: what it sends is understood, and what comes back is of its types."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar, cast

import anyio
import httpx2
import pytest
import telnyx
from pydantic import BaseModel
from telnyx import Telnyx, omit

from support.sandbox_http_server import serve_sandbox
from support.sandbox_tour import Tour
from telnyx_conferencing.server.sandbox import Sandbox, SystemClock

T = TypeVar("T", bound=BaseModel)

FILE = "https://example.com/a.mp3"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(SystemClock())


@pytest.fixture
def url(sandbox: Sandbox) -> Iterator[str]:
    with serve_sandbox(sandbox) as url:
        yield url


@pytest.fixture
def client(sandbox: Sandbox, url: str) -> Iterator[Telnyx]:
    with Telnyx(
        api_key="KEYtest", base_url=f"{url}/v2", public_key=sandbox.public_key, max_retries=0, timeout=10
    ) as client:
        yield client


def exact(answer: T | None) -> T:
    """The answer. Fails unless it has exactly the fields of its type."""
    assert answer is not None
    held = json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True))
    type(answer).model_validate_json(json.dumps(held))
    _without_extras(answer)
    return answer


def _without_extras(value: object) -> None:
    if isinstance(value, BaseModel):
        # The SDK keeps a field with an alias (`from`) among the extras too.
        known = {field.alias for field in type(value).model_fields.values()}
        unknown = (value.model_extra or {}).keys() - known
        assert not unknown, f"{type(value).__name__} has no {unknown}"
        for name in type(value).model_fields:
            _without_extras(getattr(value, name))
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _without_extras(item)  # pyright: ignore[reportUnknownArgumentType]


def ok(answer: Any) -> None:
    """A command that was carried out."""
    assert exact(answer).data.result == "ok"


def call(sandbox: Sandbox, part: str) -> str:
    return next(leg["call_control_id"] for leg in sandbox.snapshot()["legs"] if leg.get("part") == part)


@pytest.mark.slow
def test_a_conference_from_its_opening_to_its_end(client: Telnyx, sandbox: Sandbox) -> None:
    agent, boss, caller = (call(sandbox, part) for part in ("agent", "supervisor", "caller 1"))
    opened = exact(
        client.conferences.create(
            call_control_id=agent,
            name="Story",
            beep_enabled="always",
            client_state="aGk=",
            comfort_noise=True,
            command_id="c1",
            duration_minutes=30,
            hold_audio_url=FILE,
            max_participants=10,
            region="US",
            start_conference_on_create=True,
        )
    ).data
    assert opened is not None
    room = opened.id
    assert (opened.name, opened.status, opened.region) == ("Story", "in_progress", "US")
    listed = client.conferences.list(filter={"name": "Story", "status": "in_progress"}, page_size=5, region="US")
    assert [exact(conference).id for conference in listed] == [room]
    assert exact(client.conferences.retrieve(room)).data == opened

    actions = client.conferences.actions
    ok(actions.join(room, call_control_id=caller, end_conference_on_exit=False, hold=True, mute=True, command_id="c2"))
    ok(actions.join(room, call_control_id=boss, supervisor_role="monitor"))
    ok(
        actions.update(
            room, call_control_id=boss, supervisor_role="whisper", whisper_call_control_ids=[agent], command_id="c3"
        )
    )
    people = {who.call_control_id: exact(who) for who in client.conferences.list_participants(room)}
    assert people.keys() == {agent, boss, caller}
    assert (people[caller].muted, people[caller].on_hold, people[caller].status) == (True, True, "joined")
    assert people[boss].whisper_call_control_ids == [agent]
    whispering = list(client.conferences.list_participants(room, filter={"whispering": True}, page_number=1))
    assert [who.call_control_id for who in whispering] == [boss]
    changed = exact(client.conferences.update_participant("agent", id=room, end_conference_on_exit=True)).data
    assert changed is not None
    assert changed == exact(client.conferences.retrieve_participant(changed.id or "", id=room)).data
    assert (changed.end_conference_on_exit, changed.label) == (True, "agent")

    ok(actions.unhold(room, call_control_ids=[caller]))
    ok(actions.unmute(room, call_control_ids=[caller]))
    ok(actions.mute(room))
    ok(actions.hold(room, audio_url=FILE, call_control_ids=[caller], region="US"))
    ok(actions.play(room, audio_url=FILE, loop="infinity"))
    ok(actions.speak(room, payload="Hello", voice="Telnyx.KokoroTTS.af", language="en-US", command_id="c4"))
    ok(actions.stop(room))
    ok(actions.send_dtmf(room, digits="12"))
    ok(actions.gather_dtmf_audio(room, call_control_id=caller, audio_url=FILE, maximum_digits=4))
    ok(actions.record_start(room, format="wav", channels="dual", play_beep=True, command_id="c5"))
    ok(actions.record_pause(room))
    ok(actions.record_resume(room))
    ok(actions.record_stop(room, client_state="aGk="))
    ok(actions.leave(room, call_control_id=boss))
    ok(actions.end_conference(room, command_id="c6"))
    ended = exact(client.conferences.retrieve(room)).data
    assert ended is not None
    assert (ended.status, ended.end_reason) == ("completed", "ended_via_api")
    [recording] = list(client.recordings.list(filter={"conference_id": room}))
    assert exact(recording).channels == "dual"
    found = exact(client.recordings.retrieve(recording.id or "")).data
    assert found is not None
    assert (found.duration_millis, found.conference_id) == (recording.duration_millis, room)


def test_a_queue_from_its_opening_to_its_end(client: Telnyx, sandbox: Sandbox) -> None:
    agent, first, second = (call(sandbox, part) for part in ("agent", "caller 1", "caller 2"))
    opened = exact(client.queues.create(queue_name="a/b c", max_size=5)).data
    assert opened is not None
    assert exact(client.queues.retrieve("a/b c")).data == opened
    changed = exact(client.queues.update("a/b c", max_size=7)).data
    assert changed is not None
    assert (changed.id, changed.max_size) == (opened.id, 7)
    assert "a/b c" in [exact(queue).name for queue in client.queues.list(page_size=1)]
    for leg in (first, second):
        ok(client.calls.actions.enqueue(leg, queue_name="a/b c", keep_after_hangup=True, max_wait_time_secs=900))
    waiting = [exact(queued_call) for queued_call in client.queues.calls.list("a/b c")]
    assert [
        (queued_call.queue_position, queued_call.call_control_id, queued_call.is_alive) for queued_call in waiting
    ] == [
        (1, first, True),
        (2, second, True),
    ]
    queued = exact(client.queues.calls.retrieve(first, queue_name="a/b c")).data
    assert queued is not None
    assert (queued.from_, queued.queue_id) == ("+12025550111", opened.id)
    with pytest.raises(telnyx.UnprocessableEntityError, match="Call is active"):
        client.queues.calls.remove(first, queue_name="a/b c")
    ok(client.calls.actions.hangup(first))
    client.queues.calls.update(second, queue_name="a/b c", keep_after_hangup=False)
    client.queues.calls.remove(first, queue_name="a/b c")
    ok(client.calls.actions.leave_queue(second, client_state="aGk="))
    ok(client.calls.actions.bridge(agent, call_control_id_to_bridge_with=second))
    client.queues.delete("a/b c")
    with pytest.raises(telnyx.NotFoundError, match="a/b c"):
        client.queues.retrieve("a/b c")


def test_the_sdk_dials_calls_and_lists_webhook_deliveries(client: Telnyx, sandbox: Sandbox, url: str) -> None:
    dialled = exact(
        client.calls.dial(
            connection_id="sandbox",
            from_="+12025550100",
            to="+12025550150",
            client_state="aGk=",
            conference_config={"conference_name": "Dialled", "mute": True},
            answering_machine_detection="detect",
            timeout_secs=30,
        )
    ).data
    assert dialled is not None
    assert dialled.is_alive is False
    assert httpx2.post(
        f"{url}/sandbox/clock", json={"advance_seconds": 2}, headers={"authorization": "Bearer KEYtest"}
    ).is_success
    status = exact(client.calls.retrieve_status(dialled.call_control_id)).data
    assert status is not None
    assert (status.is_alive, status.client_state) == (True, "aGk=")
    assert dialled.call_control_id in {
        exact(call).call_control_id for call in client.connections.list_active_calls("sandbox")
    }
    actions = client.calls.actions
    incoming, rejected = (sandbox.state.legs.arrive("+12025550131", "+12025550100").call_control_id for _ in range(2))
    ok(actions.answer(incoming, client_state="aGk=", command_id="a1"))
    ok(actions.reject(rejected, cause="USER_BUSY"))
    ok(actions.transfer(incoming, to="+12025550151", time_limit_secs=60, target_leg_client_state="aGk="))
    nobody: Any = omit  # the SDK's type requires one even where a queue is named
    ok(actions.bridge(dialled.call_control_id, call_control_id_to_bridge_with=nobody, queue="support"))
    ok(actions.hangup(dialled.call_control_id, reason="done"))
    deliveries = list(client.webhook_deliveries.list(filter={"status": {"eq": "failed"}}, page_size=250))
    assert len(deliveries) == len(sandbox.events)
    for delivery in deliveries:
        exact(delivery)


def test_the_sdk_reads_every_page_of_a_list_once(client: Telnyx) -> None:
    waiting = list(client.queues.calls.list("support", page_size=1))
    room = client.conferences.create(call_control_id=waiting[0].call_control_id, name="Pages").data
    assert room is not None
    assert room.id is not None
    for call in waiting[1:]:
        client.conferences.actions.join(room.id, call_control_id=call.call_control_id)
    for pages, total in (
        (client.connections.list_active_calls("sandbox", page_size=2), 5),
        (client.conferences.list_participants(room.id, page_size=1), 3),
        (client.queues.list(page_size=1), 3),
        (client.conferences.list(page_size=1), 1),
    ):
        assert len(list(islice(cast("Iterator[object]", pages), 20))) == total


def test_its_errors_are_telnyx_s(client: Telnyx) -> None:
    with pytest.raises(telnyx.UnprocessableEntityError) as refused:
        client.queues.create(queue_name="support")
    body: Any = refused.value.body
    assert body["errors"][0]["source"] == {"pointer": "/queue_name"}
    with pytest.raises(telnyx.AuthenticationError):
        client.with_options(api_key="other").queues.list()
    with pytest.raises(telnyx.PermissionDeniedError):
        client.with_options(api_key="KEYreadonly").queues.create(queue_name="x")


@pytest.mark.parametrize("after", [False, True])
def test_a_dropped_connection_breaks_and_a_repeat_is_safe(
    client: Telnyx, sandbox: Sandbox, url: str, after: bool
) -> None:
    headers = {"authorization": "Bearer KEYtest"}
    rule = {"kind": "drop", "after": after, "path": "enqueue", "times": 1}
    httpx2.post(f"{url}/sandbox/faults", json=rule, headers=headers)
    agent = call(sandbox, "agent")
    with pytest.raises(telnyx.APIConnectionError):
        client.calls.actions.enqueue(agent, queue_name="support", command_id="c1")
    ok(client.calls.actions.enqueue(agent, queue_name="support", command_id="c1"))
    assert [request.applied for request in sandbox.requests if request.command == "enqueue_call"] == [after, not after]


@pytest.mark.slow
def test_the_sdk_accepts_the_sandbox_signature_and_knows_every_event(client: Telnyx, sandbox: Sandbox) -> None:
    sent = list(anyio.run(Tour.whole).telnyx.sandbox.events)
    assert len({_bare(envelope)["event_type"] for envelope in sent}) == 34
    for envelope in sent:
        body, headers = sandbox.signed(envelope)
        event: Any = client.webhooks.unwrap(body.decode(), headers=headers)
        bare = event if "data" not in envelope else event.data
        # The SDK knows one time of an event; Telnyx sends it in both places.
        extras: dict[str, Any] = bare.model_extra or {}
        extras.pop("occurred_at", None)
        assert bare.event_type == _bare(envelope)["event_type"]
        for name in OBSERVED.get(bare.event_type, ()):
            bare.payload.model_extra.pop(name, None)
        _without_extras(bare)
        tampered = body.replace(b"sandbox", b"sandb0x").decode()
        with pytest.raises(ValueError, match="signature"):
            client.webhooks.unwrap(tampered, headers=headers)


OBSERVED = {
    "call.gather.ended": ("gather_id",),
    "call.recording.saved": ("call_control_id", "format", "from", "recording_id", "to"),
}
"""Fields of payloads that Telnyx sends and neither its document nor the SDK has."""


def _bare(envelope: dict[str, Any]) -> dict[str, Any]:
    return envelope.get("data", envelope)
