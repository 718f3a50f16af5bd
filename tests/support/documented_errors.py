"""Every error code that Telnyx documents for these endpoints, and the request that causes it on the sandbox."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.scene import Scene

Json = dict[str, Any]
Cause = Callable[[Telnyx], Awaitable[tuple[int, Json]]]

DIAL = {"connection_id": "sandbox", "from": "+12025550100", "to": "+12025550150"}
FILE = "https://example.com/a.mp3"


@dataclass(frozen=True)
class DocumentedError:
    code: str
    status: int
    title: str
    request: str
    """What to send, in words."""
    cause: Cause
    pointer: str | None = None


async def _dial(telnyx: Telnyx, **changed: Any) -> tuple[int, Json]:
    return await telnyx.refusal("POST", "/calls", {**DIAL, **changed})


async def _on_call(telnyx: Telnyx, leg: str, action: str, **body: Any) -> tuple[int, Json]:
    return await telnyx.refusal("POST", f"/calls/{leg}/actions/{action}", body)


async def _no_outbound_profile(telnyx: Telnyx) -> tuple[int, Json]:
    without_profile = Telnyx(Sandbox(ManualClock(), scene=Scene(outbound_profile=False)))
    without_profile.http.event_hooks = telnyx.http.event_hooks
    return await _dial(without_profile)


async def _missing(telnyx: Telnyx) -> tuple[int, Json]:
    return await telnyx.refusal("POST", "/calls", {"connection_id": "sandbox", "from": "+12025550100"})


async def _bad_encoding(telnyx: Telnyx) -> tuple[int, Json]:
    answer = await telnyx.http.post("/v2/queues", content=b'{"queue_name": "\xff"}')
    return answer.status_code, answer.json()["errors"][0]


async def _no_key(telnyx: Telnyx) -> tuple[int, Json]:
    answer = await telnyx.http.get("/v2/queues", headers={"authorization": ""})
    return answer.status_code, answer.json()["errors"][0]


async def _ended_call(telnyx: Telnyx) -> tuple[int, Json]:
    leg = await telnyx.arrival()
    await telnyx.post(f"/calls/{leg}/actions/hangup")
    return await _on_call(telnyx, leg, "hangup")


async def _ended_conference(telnyx: Telnyx) -> tuple[int, Json]:
    room = await telnyx.conference("agent")
    await telnyx.act(room, "end")
    return await telnyx.refuses(room, "mute")


async def _early_recording(telnyx: Telnyx) -> tuple[int, Json]:
    return await _on_call(telnyx, await telnyx.arrival(), "record_start", format="wav", channels="single")


async def _full_conference(telnyx: Telnyx) -> tuple[int, Json]:
    room = await telnyx.conference("agent", "supervisor", max_participants=2)
    return await telnyx.refuses(room, "join", call_control_id=telnyx.part("caller 1"))


async def _name_in_use(telnyx: Telnyx) -> tuple[int, Json]:
    await telnyx.conference("agent")
    body = {"call_control_id": telnyx.part("supervisor"), "name": "Room"}
    return await telnyx.refusal("POST", "/conferences", body)


async def _still_ringing(telnyx: Telnyx) -> tuple[int, Json]:
    leg = (await telnyx.post("/calls", DIAL))["call_control_id"]
    return await _on_call(telnyx, leg, "speak", payload="Hi", voice="male")


async def _full_queue(telnyx: Telnyx) -> tuple[int, Json]:
    await telnyx.post("/queues", {"queue_name": "small", "max_size": 1})
    await telnyx.post(f"/calls/{telnyx.part('agent')}/actions/enqueue", {"queue_name": "small"})
    return await _on_call(telnyx, telnyx.part("supervisor"), "enqueue", queue_name="small")


async def _transcribed_twice(telnyx: Telnyx) -> tuple[int, Json]:
    leg = telnyx.part("agent")
    await telnyx.post(f"/calls/{leg}/actions/transcription_start")
    return await _on_call(telnyx, leg, "transcription_start")


async def _no_download(telnyx: Telnyx) -> tuple[int, Json]:
    room = await telnyx.conference("agent")
    return await telnyx.refuses(room, "play", audio_url="https://files.invalid/a.mp3")


async def _no_recording(telnyx: Telnyx) -> tuple[int, Json]:
    room = await telnyx.conference("agent")
    return await telnyx.refuses(room, "record_stop", recording_id="unknown")


ERRORS = (
    DocumentedError("10004", 422, "Missing required parameter", "dial without `to`", _missing, "/to"),
    DocumentedError("10005", 404, "Recording not found", "stop an unknown recording", _no_recording, "/recording_id"),
    DocumentedError(
        "10007", 404, "Resource not found", "see an unknown queue", lambda telnyx: telnyx.refusal("GET", "/queues/none")
    ),
    DocumentedError("10009", 401, "Authentication failed", "any request without an API key", _no_key),
    DocumentedError(
        "10010",
        403,
        "Authorization failed",
        "dial from a number that is not the account's (D51)",
        lambda telnyx: _dial(telnyx, **{"from": "+12025550177"}),
        "/from",
    ),
    DocumentedError(
        "10010",
        403,
        "Authorization failed",
        "dial in a scene with `outbound_profile: false` (D38)",
        _no_outbound_profile,
    ),
    DocumentedError(
        "10011",
        422,
        "Media encryption not supported for PSTN calls",
        "dial a phone number with `media_encryption` SRTP",
        lambda telnyx: _dial(telnyx, media_encryption="SRTP"),
        "/media_encryption",
    ),
    DocumentedError(
        "10015",
        422,
        "Invalid value for connection_id (Call Control App ID)",
        "dial with an unknown `connection_id`",
        lambda telnyx: _dial(telnyx, connection_id="none"),
        "/connection_id",
    ),
    DocumentedError(
        "10016",
        422,
        "Phone number must be in +E164 format",
        "dial a number without `+`",
        lambda telnyx: _dial(telnyx, to="2025550150"),
        "/to",
    ),
    DocumentedError("10028", 400, "Character encoding error", "a body that is not UTF-8", _bad_encoding),
    DocumentedError(
        "10032",
        422,
        "Invalid enumerated value",
        "dial with `record_channels` mono",
        lambda telnyx: _dial(telnyx, record_channels="mono"),
        "/record_channels",
    ),
    DocumentedError(
        "10033",
        422,
        "Value outside of range",
        "dial with `timeout_secs` 4",
        lambda telnyx: _dial(telnyx, timeout_secs=4),
        "/timeout_secs",
    ),
    DocumentedError(
        "90015",
        422,
        "Invalid Call Control ID",
        "hang up an unknown call",
        lambda telnyx: _on_call(telnyx, "v3:none", "hangup"),
        "/call_control_id",
    ),
    DocumentedError("90018", 422, "Call has already ended", "hang up a call twice", _ended_call),
    DocumentedError(
        "90019", 422, "Conference has already ended", "mute in a conference that has ended", _ended_conference
    ),
    DocumentedError(
        "90020",
        422,
        "Call recording triggered before audio started",
        "record a call that still rings",
        _early_recording,
    ),
    DocumentedError(
        "90032",
        422,
        "Maximum number of participants reached",
        "join a full conference",
        _full_conference,
    ),
    DocumentedError("90033", 422, "Unable to execute command", "open a conference under a name in use", _name_in_use),
    DocumentedError("90034", 422, "Call not answered yet", "speak to a call that still rings", _still_ringing),
    DocumentedError("90036", 422, "Queue full", "enqueue into a full queue", _full_queue),
    DocumentedError(
        "90038",
        422,
        "Call already in queue",
        "enqueue a call into the queue it is in",
        lambda telnyx: _on_call(telnyx, telnyx.part("caller 1"), "enqueue", queue_name="support"),
    ),
    DocumentedError(
        "90040",
        400,
        "Downloading audio file failed",
        "play a file from a host that ends with `.invalid`",
        _no_download,
        "/audio_url",
    ),
    DocumentedError(
        "90050",
        400,
        "Unable to delete queue",
        "delete a queue in which calls wait",
        lambda telnyx: telnyx.refusal("DELETE", "/queues/support"),
    ),
    DocumentedError(
        "90054",
        422,
        "Call transcription is already in progress",
        "start transcription twice",
        _transcribed_twice,
    ),
    DocumentedError(
        "90058",
        404,
        "Invalid conference_id",
        "mute in an unknown conference",
        lambda telnyx: telnyx.refuses("none", "mute"),
    ),
)

NOT_CAUSED = {
    "401": "Recordings are refused with 10009, as everything else.",
    "403": "Recordings are refused with 10010, as everything else.",
    "404": "An unknown recording is refused with 10005.",
    "500": "Only a fault rule causes it.",
    "90031": "The sandbox has no media forking.",
    "90045": "The sandbox has no media streaming.",
    "90061": "The sandbox has no AI assistants.",
}
"""Documented codes that no request causes on the sandbox, and why."""
