"""A day on the sandbox, on which every operation succeeds and every webhook is sent."""

import base64
from typing import Any

import httpx2

from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox

FILE = "https://example.com/a.mp3"
STATE = base64.b64encode(b"hi").decode()
NUMBER = "+12025550100"
CALLEE = "+12025550150"


class Tour:
    """Every operation succeeds once, and every webhook that the sandbox sends comes once."""

    def __init__(self) -> None:
        self.telnyx = Telnyx(Sandbox(ManualClock()))
        self.exchanges: list[httpx2.Response] = []
        self.telnyx.http.event_hooks = {"response": [self._note]}

    async def _note(self, response: httpx2.Response) -> None:
        await response.aread()
        self.exchanges.append(response)

    async def on_call(self, leg: str, action: str, **body: Any) -> Any:
        method = "PUT" if action == "client_state_update" else "POST"
        return await self.telnyx.post(f"/calls/{leg}/actions/{action}", body, method)

    async def dial(self, to: str = CALLEE, **body: Any) -> str:
        fields = {"connection_id": "sandbox", "from": NUMBER, "to": to, **body}
        return (await self.telnyx.post("/calls", fields))["call_control_id"]

    async def conferences(self) -> None:
        telnyx = self.telnyx
        room = await telnyx.conference("agent", "caller 1", "caller 2")
        agent, caller = telnyx.part("agent"), telnyx.part("caller 1")
        for path in ("/conferences", f"/conferences/{room}", f"/conferences/{room}/participants"):
            await telnyx.get(path)
        await telnyx.get(f"/conferences/{room}/participants/{caller}")
        await telnyx.post(f"/conferences/{room}/participants/{caller}", {"end_conference_on_exit": False}, "PATCH")
        for action in ("hold", "unhold", "mute", "unmute"):
            await telnyx.act("Room", action, call_control_ids=[caller])
        await telnyx.act("Room", "update", call_control_id=agent, supervisor_role="barge")
        for to in ({}, {"call_control_ids": [agent]}):
            await telnyx.act(room, "play", audio_url=FILE, **to)
            await telnyx.act(room, "speak", payload="Hi", voice="male", **to)
        await telnyx.act(room, "stop")
        await telnyx.act(room, "send_dtmf", digits="12")
        await telnyx.act(room, "gather_using_audio", call_control_id=caller, audio_url=FILE)
        await telnyx.post(f"/sandbox/calls/{caller}/press", {"digits": "1#"})
        await telnyx.post(f"/sandbox/calls/{caller}/speak")
        await telnyx.act(room, "record_start", format="mp3")
        await telnyx.act(room, "record_pause")
        await telnyx.act(room, "record_resume")
        await telnyx.sandbox.advance(5)
        await telnyx.act(room, "record_stop")
        await telnyx.act(room, "leave", call_control_id=caller)
        await telnyx.act(room, "end")

    async def calls(self) -> None:
        telnyx = self.telnyx
        leg = await telnyx.arrival()
        await self.on_call(leg, "answer", record="record-from-answer")
        await telnyx.get(f"/calls/{leg}")
        await self.on_call(leg, "speak", payload="Welcome", voice="female", client_state=STATE)
        await self.on_call(leg, "playback_start", audio_url=FILE)
        await self.on_call(leg, "playback_stop")
        await self.on_call(leg, "gather", maximum_digits=1)
        await telnyx.post(f"/sandbox/calls/{leg}/press", {"digits": "5"})
        await self.on_call(leg, "gather_using_speak", payload="Your number", voice="male")
        await self.on_call(leg, "gather_using_audio", audio_url=FILE)
        await self.on_call(leg, "gather_stop")
        await self.on_call(leg, "record_start", format="wav", channels="single")
        await self.on_call(leg, "record_pause")
        await self.on_call(leg, "record_resume")
        await self.on_call(leg, "record_stop")
        await self.on_call(leg, "send_dtmf", digits="1w2")
        await self.on_call(leg, "client_state_update", client_state=STATE)
        await self.on_call(leg, "transcription_start")
        await telnyx.post(f"/sandbox/calls/{leg}/speak", {"text": "I need help"})
        await self.on_call(leg, "transcription_stop")
        supervisor = await self.dial(supervise_call_control_id=leg, supervisor_role="monitor")
        await telnyx.sandbox.advance(2)
        await self.on_call(supervisor, "switch_supervisor_role", role="whisper")
        await self.on_call(leg, "enqueue", queue_name="support")
        await self.on_call(leg, "leave_queue")
        await self.on_call(leg, "bridge", call_control_id=telnyx.part("supervisor"), hold_after_unbridge=True)
        await self.on_call(telnyx.part("supervisor"), "hangup")
        await self.on_call(leg, "transfer", to=CALLEE)
        await telnyx.sandbox.advance(3)
        await self.on_call(leg, "hangup")
        await self.on_call(await telnyx.arrival(), "reject", cause="USER_BUSY")
        for detection in ("premium", "greeting_end"):
            await self.dial("+12025550196", answering_machine_detection=detection)
        await telnyx.sandbox.advance(15)
        await telnyx.get("/connections/sandbox/active_calls")

    async def queues(self) -> None:
        telnyx = self.telnyx
        caller = telnyx.part("caller 3")
        await telnyx.post("/queues", {"queue_name": "vip"})
        await telnyx.post("/queues/vip", {"max_size": 5})
        for path in ("/queues", "/queues/support", "/queues/support/calls", f"/queues/support/calls/{caller}"):
            await telnyx.get(path)
        await telnyx.post(f"/queues/support/calls/{caller}", {"keep_after_hangup": True}, "PATCH")
        await telnyx.post(f"/sandbox/calls/{caller}/hangup")
        await telnyx.post(f"/queues/support/calls/{caller}", method="DELETE")
        await telnyx.post("/queues/vip", method="DELETE")

    async def history(self) -> None:
        telnyx = self.telnyx
        first, *rest = [recording["id"] for recording in await telnyx.get("/recordings")]
        await telnyx.get(f"/recordings/{first}")
        await telnyx.post(f"/recordings/{first}", method="DELETE")
        answer = await telnyx.send("POST", "/recordings/actions/delete", {"ids": rest})
        assert answer.json() == {"status": "ok"}
        deliveries = await telnyx.get("/webhook_deliveries")
        await telnyx.get(f"/webhook_deliveries/{deliveries[0]['id']}")
        await telnyx.get("/call_events")

    @classmethod
    async def whole(cls) -> "Tour":
        tour = cls()
        await tour.conferences()
        await tour.calls()
        await tour.queues()
        await tour.history()
        return tour
