"""Calls around conferences and queues: dial, answer, reject, hang up, bridge, transfer, supervise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...tools.call_state import SwitchSupervisorRole, UpdateClientState
from ...tools.calls import ConferenceConfig, GetCall, HangupCall, RejectCall
from ...tools.transcription import StopTranscription
from .audio import check_audio
from .call_audio import CallAudio
from .callees import DETECTIONS, callee_at
from .commands import (
    AnswerCall,
    BridgeCalls,
    Dial,
    ListActiveCalls,
    Recorded,
    SendCallDtmf,
    StartTranscription,
    TransferCall,
    Webhooked,
)
from .conference import Conference, JoinOptions
from .conferences import Conferences
from .context import SandboxContext
from .errors import (
    impossible,
    invalid,
    missing,
    no_outbound_profile,
    srtp_not_supported,
    transcription_active,
    unknown_connection,
    unverified_number,
)
from .legs import ANSWER_DELAY_S, CONNECTION_ID, RING_TIMEOUT_S, Leg, Legs
from .queues import QueuedCall, Queues
from .recordings import Recordings
from .responses import Answer, Json, active_calls_page, data, ok

TIME_LIMIT_S = 14_400
"""How long a dialled call lasts, if the request does not say."""
_DETECTION_DELAY_S = 2.0
"""From the answer until it is known whether a machine has answered."""
_GREETING_DURATION_S = 5.0
"""How long a machine's greeting goes on then."""

_REJECTED = {
    "CALL_REJECTED": "call_rejected",
    "NOT_FOUND": "not_found",
    "TEMPORARILY_UNAVAILABLE": "unspecified",
    "USER_BUSY": "user_busy",
}

AfterBridge = Literal["hang_up", "park", "hold"]


@dataclass(eq=False, slots=True)
class BridgeEnd:
    """One leg's side of a bridge. When that leg hangs up or goes elsewhere, the other leg follows `peer_after`."""

    legs: Legs
    peer: Leg
    peer_after: AfterBridge

    def vacated(self) -> None:
        self.hung_up()

    def hung_up(self) -> None:
        self.peer.location = None
        if self.peer_after == "hang_up":
            self.legs.hang_up(self.peer)
        elif self.peer_after == "hold":
            self.legs.hold(self.peer)


@dataclass(eq=False, slots=True)
class Supervision:
    """A supervisor's place beside the leg it supervises. It is hung up when that leg ends."""

    legs: Legs
    supervised: Leg
    supervisor: Leg
    role: str

    def vacated(self) -> None:
        self.supervised.activities = [activity for activity in self.supervised.activities if activity is not self]

    def hung_up(self) -> None:
        self.vacated()

    def call_ended(self) -> None:
        """The supervised leg has ended."""
        self.legs.hang_up(self.supervisor)


@dataclass(eq=False, slots=True)
class LiveTranscription:
    """A live transcription of a leg. Nobody speaks on the sandbox, so no `call.transcription` comes by itself."""

    def call_ended(self) -> None:
        pass


class Calls:
    def __init__(
        self,
        context: SandboxContext,
        legs: Legs,
        *,
        conferences: Conferences,
        queues: Queues,
        recordings: Recordings,
        call_audio: CallAudio,
        set_webhooks: Callable[[str, Webhooked], None],
    ) -> None:
        """`set_webhooks` directs the webhooks of a call_control_id to where a request asks."""
        self._context = context
        self._legs = legs
        self._conferences = conferences
        self._queues = queues
        self._recordings = recordings
        self._call_audio = call_audio
        self._set_webhooks = set_webhooks

    def dial(self, command: Dial) -> Answer:
        if command.connection_id != CONNECTION_ID:
            raise unknown_connection(command.connection_id or "")
        linked = self._linked(command)
        from_ = linked.from_ if linked and command.bridge_intent else command.from_ or ""
        self._check_account(None if linked and command.bridge_intent else from_)
        self._check_media(command, command.numbers())
        config = command.conference_config
        if config is not None and config.conference_id is not None:
            self._conferences.active_by_id(config.conference_id)
        supervised = None
        if command.supervise_call_control_id is not None:
            supervised = self._legs.live(command.supervise_call_control_id, "supervise_call_control_id")
        session = linked.call_session_id if linked else self._legs.new_session()
        recording_id = self._context.ids.uuid() if command.record else None
        legs = [
            self._dial_leg(
                command,
                number,
                from_=from_,
                session=session,
                linked=linked,
                supervised=supervised,
                recording_id=recording_id,
            )
            for number in command.numbers()
        ]
        # Telnyx says false here, always: it has only begun to dial.
        view = self._legs.view(legs[0]) | {"is_alive": False}
        return data(view if recording_id is None else view | {"recording_id": recording_id})

    def _linked(self, command: Dial) -> Leg | None:
        """The leg in `link_to`. Raises `ApiError`."""
        if command.link_to is not None:
            return self._legs.live(command.link_to, "link_to")
        if command.bridge_on_answer or command.bridge_intent or command.park_after_unbridge:
            raise missing(["link_to"])
        return None

    def _check_account(self, from_: str | None, *also_allowed: str) -> None:
        """Raises `ApiError` (403) if the account may not call out, or for a caller number that is not its own.

        `from_`: None for a number that need not be checked.
        """
        account = self._context.account
        if not account.outbound_profile:
            raise no_outbound_profile()
        if not (
            from_ is None or account.any_from or from_.startswith("sip") or from_ in (*account.numbers, *also_allowed)
        ):
            raise unverified_number(from_)

    def _check_media(self, command: Dial | TransferCall, numbers: tuple[str, ...]) -> None:
        check_audio(audio_url=command.audio_url)
        if command.audio_url is not None and command.media_name is not None:
            raise invalid("audio_url", "media_name and audio_url cannot be used together in one request.")
        if command.media_encryption == "SRTP" and any(number.startswith("+") for number in numbers):
            raise srtp_not_supported()

    def _dial_leg(
        self,
        command: Dial,
        number: str,
        *,
        from_: str,
        session: str,
        linked: Leg | None,
        supervised: Leg | None,
        recording_id: str | None,
    ) -> Leg:
        to, _, digits = number.partition(",")
        leg = self._legs.dial(
            from_, to, session, command.client_state, lambda new: self._set_webhooks(new.call_control_id, command)
        )

        def on_answer() -> None:
            self._greet(leg, command, digits, recording_id)
            if command.conference_config is not None:
                self._join(leg, command.conference_config)
            elif supervised is not None:
                self._supervise(leg, supervised, command.supervisor_role or "barge")
            elif linked is not None and command.bridge_on_answer:
                self._bridge_on_answer(leg, linked, command)

        self._ring(leg, command, on_answer)
        return leg

    def _greet(self, leg: Leg, command: Dial | TransferCall, digits: str, recording_id: str | None) -> None:
        """Detect a machine, start recording, play audio and send digits to a leg that has just been answered."""
        self._detect(leg, command.answering_machine_detection)
        if recording_id is not None:
            self._record(leg, command, recording_id)
        if command.audio_url is not None or command.media_name is not None:
            self._call_audio.play_file(leg, command.audio_url, command.media_name)
        sent = command.send_digits_on_answer or digits
        leg.digits_sent += sum(digit not in "wW" for digit in sent)

    def _record(self, leg: Leg, command: Recorded, recording_id: str) -> None:
        self._recordings.record_leg(
            leg,
            recording_id,
            file_format=command.record_format or "mp3",
            channels=command.record_channels or "dual",
            file_name=command.record_custom_file_name,
            max_seconds=command.record_max_length,
            initiated_by="StartCallRecordingAPI",
        )

    def _supervise(self, supervisor: Leg, supervised: Leg, role: str) -> None:
        if not supervised.is_alive:
            self._legs.hang_up(supervisor)
            return
        supervision = Supervision(self._legs, supervised, supervisor, role)
        supervised.activities.append(supervision)
        self._legs.move(supervisor, supervision)

    def _bridge_on_answer(self, leg: Leg, linked: Leg, command: Dial) -> None:
        is_bridged = isinstance(linked.location, BridgeEnd)
        if not linked.is_alive or (command.prevent_double_bridge and is_bridged):
            self._legs.hang_up(leg)
            return
        self._legs.answer(linked)
        self._free(linked)
        self._connect(leg, linked, leg_after="park" if command.park_after_unbridge else "hang_up")

    def transfer(self, command: TransferCall) -> Answer:
        leg = self._legs.live(command.call_control_id)
        self._legs.check_can_talk(leg)
        self._check_account(command.from_, leg.from_, leg.to)
        self._check_media(command, command.numbers())
        leg.remember(command.client_state)
        self._legs.answer(leg)
        to, _, digits = command.to.partition(",")
        recording_id = self._context.ids.uuid() if command.record else None
        target = self._legs.dial(
            command.from_ or leg.to,
            to,
            leg.call_session_id,
            command.target_leg_client_state,
            lambda new: self._set_webhooks(new.call_control_id, command),
        )

        def on_answer() -> None:
            self._greet(target, command, digits, recording_id)
            self._hand_over(leg, target, "park" if command.park_after_unbridge else "hang_up")

        self._ring(target, command, on_answer)
        return ok()

    def _hand_over(self, leg: Leg, target: Leg, leg_after: AfterBridge) -> None:
        """Connect a transferred call with the leg that has been answered."""
        if leg.is_alive:
            self._free(leg)
        if leg.is_alive:
            self._connect(leg, target, leg_after)
        else:
            self._legs.hang_up(target)

    def _ring(self, leg: Leg, command: Dial | TransferCall, on_answer: Callable[[], None]) -> None:
        """Ring a telephone, and do what the person there does. The sandbox's own numbers get an incoming call."""

        def answered() -> None:
            self._legs.answer(leg)

        def started() -> None:
            limit = command.time_limit_secs or TIME_LIMIT_S
            self._when(leg, limit, lambda: self._legs.hang_up(leg, "time_limit", "unknown"))
            on_answer()

        leg.on_answered = started
        self._when(leg, command.timeout_secs or RING_TIMEOUT_S, lambda: self._ring_out(leg))
        if leg.to in self._context.account.numbers:
            leg.far_leg = self._legs.arrive(leg.from_, leg.to)
            leg.far_leg.far_leg = leg
            return
        callee = callee_at(leg.to)
        if callee.stays is not None:
            stays = callee.stays
            self._when(leg, ANSWER_DELAY_S + stays, lambda: self._legs.person_hangs_up(leg))
        if callee.ends_with is not None:
            cause = callee.ends_with
            self._when(leg, ANSWER_DELAY_S, lambda: self._legs.hang_up(leg, cause, "callee"))
        elif not callee.never_answers:
            self._when(leg, ANSWER_DELAY_S, answered)

    def _when(self, leg: Leg, seconds: float, run: Callable[[], None]) -> None:
        leg.timers.append(self._context.after(seconds, run))

    def _ring_out(self, leg: Leg) -> None:
        if leg.answered_at is None:
            self._legs.hang_up(leg, "timeout", "unknown")

    def _detect(self, leg: Leg, mode: str | None) -> None:
        """Announce whether a person or a machine has answered, where the command asks for it."""
        detection = DETECTIONS.get(mode or "")
        if detection is None:
            return
        is_machine = callee_at(leg.to).is_machine

        def announce(phase: str, result: str) -> Callable[[], None]:
            event_type = f"{detection.event_prefix}.{phase}.ended"
            return lambda: self._context.emit(event_type, {**leg.parties(), "result": result})

        self._when(leg, _DETECTION_DELAY_S, announce("detection", "machine" if is_machine else detection.human))
        if is_machine and detection.greeting is not None:
            self._when(leg, _DETECTION_DELAY_S + _GREETING_DURATION_S, announce("greeting", detection.greeting))

    def _join(self, leg: Leg, config: ConferenceConfig) -> None:
        """Join a dialled leg to its conference. It stays parked where that is no longer possible."""
        options = JoinOptions.of(config)
        conference = self._conference_of(config)
        if conference is not None and conference.status != "completed":
            if conference.can_admit(leg, options):
                conference.admit(leg, options)
        elif conference is None and config.conference_name:
            started = config.start_conference_on_create is not False
            self._conferences.start(leg, config.conference_name, options.alone(), started=started)

    def _conference_of(self, config: ConferenceConfig) -> Conference | None:
        if config.conference_id is not None:
            return self._conferences.by_id.get(config.conference_id)
        return self._conferences.active_by_name(config.conference_name) if config.conference_name else None

    def get(self, command: GetCall) -> Answer:
        return data(self._legs.view(self._legs.get(command.call_control_id)))

    def answer(self, command: AnswerCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "answered")
        leg.remember(command.client_state)
        self._set_webhooks(leg.call_control_id, command)
        self._legs.answer(leg)
        if command.record is None:
            return ok()
        recording_id = self._context.ids.uuid()
        self._record(leg, command, recording_id)
        return data({"result": "ok", "recording_id": recording_id})

    def reject(self, command: RejectCall) -> Answer:
        leg = self._ringing_in(command.call_control_id, "rejected")
        leg.remember(command.client_state)
        self._legs.hang_up(leg, _REJECTED[command.cause], "callee")
        return ok()

    def _ringing_in(self, call_control_id: str, action: str) -> Leg:
        """An incoming leg that is not answered. Raises `ApiError` (422)."""
        leg = self._legs.live(call_control_id)
        if leg.direction != "incoming" or leg.answered_at is not None:
            detail = f"Call {call_control_id} cannot be {action}: only an incoming call that is not answered can."
            raise impossible("Invalid state for this command", detail)
        return leg

    def hang_up(self, command: HangupCall) -> Answer:
        leg = self._legs.live(command.call_control_id)
        leg.remember(command.client_state)
        self._legs.application_hangs_up(leg)
        return ok()

    def bridge(self, command: BridgeCalls) -> Answer:
        leg = self._legs.live(command.call_control_id)
        other = self._bridge_target(command)
        if other is leg:
            raise impossible("Invalid bridge", f"Call {leg.call_control_id} cannot be bridged with itself.")
        for end, peer in ((leg, other), (other, leg)):
            self._legs.check_can_talk(end)
            self._check_not_bridged(end, peer, bool(command.prevent_double_bridge))
        leg.remember(command.client_state)
        for end in (leg, other):
            self._legs.answer(end)
            self._free(end)
        if leg.is_alive and other.is_alive:
            after: AfterBridge = "hang_up"
            if command.hold_after_unbridge:
                after = "hold"
            elif command.park_after_unbridge == "self":
                after = "park"
            self._connect(leg, other, after)
            if command.record is not None:
                self._record(leg, command, self._context.ids.uuid())
        return ok()

    def _connect(self, leg: Leg, other: Leg, leg_after: AfterBridge) -> None:
        """Bridge two legs. `leg_after`: what happens to the first when the bridge ends; the other is hung up."""
        for end in (leg, other):
            if end.on_hold:
                self._legs.unhold(end)
        leg.location = BridgeEnd(self._legs, other, peer_after="hang_up")
        other.location = BridgeEnd(self._legs, leg, peer_after=leg_after)
        for end in (leg, other):
            self._context.emit("call.bridged", end.parties())

    def _bridge_target(self, command: BridgeCalls) -> Leg:
        """The other leg of a bridge. Raises `ApiError` (404, 422)."""
        if command.queue_name is None:
            return self._legs.live(command.other_call_control_id or "")
        call = self._queues.get_queue(command.queue_name).first_alive()
        if call is None:
            raise impossible("Queue is empty", f"No live call waits in queue '{command.queue_name}'.", "queue")
        return call.leg

    def _check_not_bridged(self, leg: Leg, other: Leg, with_anyone: bool) -> None:
        """Raises `ApiError` when a leg is bridged with the other already, or with anyone."""
        if isinstance(leg.location, BridgeEnd) and (with_anyone or leg.location.peer is other):
            raise impossible("Call already bridged", f"Call {leg.call_control_id} is bridged already.")

    def _free(self, leg: Leg) -> None:
        """Take a leg out of its location, for a bridge."""
        if isinstance(leg.location, QueuedCall):
            leg.location.queue.take_out(leg.location, "bridged")
        else:
            self._legs.move(leg, None)

    def send_dtmf(self, command: SendCallDtmf) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        leg.remember(command.client_state)
        leg.digits_sent += sum(digit not in "wW" for digit in command.digits)
        return ok()

    def update_client_state(self, command: UpdateClientState) -> Answer:
        self._legs.live(command.call_control_id).client_state = command.client_state
        return ok()

    def switch_supervisor_role(self, command: SwitchSupervisorRole) -> Answer:
        leg = self._legs.live(command.call_control_id)
        if not isinstance(leg.location, Supervision):
            raise impossible("Call is not a supervisor", f"Call {leg.call_control_id} supervises no call.")
        leg.location.role = command.role
        return ok()

    def start_transcription(self, command: StartTranscription) -> Answer:
        leg = self._legs.answered(command.call_control_id)
        if is_transcribed(leg):
            raise transcription_active()
        leg.remember(command.client_state)
        leg.activities.append(LiveTranscription())
        return ok()

    def stop_transcription(self, command: StopTranscription) -> Answer:
        leg = self._legs.live(command.call_control_id)
        if not is_transcribed(leg):
            raise impossible("No transcription in progress", f"Call {leg.call_control_id} is not being transcribed.")
        leg.remember(command.client_state)
        leg.activities = [activity for activity in leg.activities if not isinstance(activity, LiveTranscription)]
        return ok()

    def list_active(self, command: ListActiveCalls) -> Answer:
        if command.connection_id != CONNECTION_ID:
            raise unknown_connection(command.connection_id or "")
        return active_calls_page([self._active(leg) for leg in self._legs.alive()], command)

    def _active(self, leg: Leg) -> Json:
        return {
            "record_type": "call",
            "call_control_id": leg.call_control_id,
            "call_leg_id": leg.call_leg_id,
            "call_session_id": leg.call_session_id,
            "call_duration": self._legs.duration(leg),
            "client_state": leg.client_state or "",
        }


def transcribe(context: SandboxContext, leg: Leg, text: str) -> None:
    """The person at the far end speaks: a leg that is transcribed sends what it heard."""
    if is_transcribed(leg):
        heard = {"confidence": 0.98, "is_final": True, "transcript": text, "transcription_track": "inbound"}
        context.emit("call.transcription", {**leg.ids(), "transcription_data": heard})


def is_transcribed(leg: Leg) -> bool:
    """Whether a live transcription of a leg runs."""
    return any(isinstance(activity, LiveTranscription) for activity in leg.activities)
