"""Outgoing calls: dial and transfer, and what happens at the answer."""

from collections.abc import Callable

from ...tools.calls import ConferenceConfig
from .audio import check_audio
from .bridges import AfterBridge, BridgeEnd, Bridges
from .call_audio import CallAudio
from .callees import DETECTIONS, callee_at
from .commands import Dial, TransferCall, WebhookArguments
from .conference import Conference, JoinOptions
from .conferences import Conferences
from .context import SandboxContext
from .errors import invalid, missing, no_outbound_profile, srtp_not_supported, unknown_connection, unverified_number
from .legs import ANSWER_DELAY_S, CONNECTION_ID, RING_TIMEOUT_S, Leg, Legs
from .recordings import Recordings
from .responses import Answer, data, ok
from .supervision import Supervisors

TIME_LIMIT_S = 14_400
"""How long a dialled call lasts, if the request does not say."""
_DETECTION_DELAY_S = 2.0
"""From the answer until it is known whether a machine has answered."""
_GREETING_DURATION_S = 5.0
"""How long a machine's greeting goes on then."""


class OutgoingCalls:
    def __init__(
        self,
        context: SandboxContext,
        legs: Legs,
        *,
        conferences: Conferences,
        bridges: Bridges,
        supervisors: Supervisors,
        recordings: Recordings,
        call_audio: CallAudio,
        set_webhooks: Callable[[str, WebhookArguments], None],
    ) -> None:
        """`set_webhooks` directs the webhooks of a call_control_id to where a request asks."""
        self._context = context
        self._legs = legs
        self._conferences = conferences
        self._bridges = bridges
        self._supervisors = supervisors
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

        def on_answer(leg: Leg) -> None:
            if config is not None:
                self._join(leg, config)
            elif supervised is not None:
                self._supervisors.supervise(leg, supervised, command.supervisor_role or "barge")
            elif linked is not None and command.bridge_on_answer:
                self._bridge_on_answer(leg, linked, command)

        session = linked.call_session_id if linked else self._legs.new_session()
        recording_id = self._context.ids.uuid() if command.record else None
        legs = [
            self._call(command, number, from_, session, command.client_state, recording_id, on_answer)
            for number in command.numbers()
        ]
        # Telnyx says false here, always: it has only begun to dial.
        view = self._legs.view(legs[0]) | {"is_alive": False}
        return data(view if recording_id is None else view | {"recording_id": recording_id})

    def transfer(self, command: TransferCall) -> Answer:
        leg = self._legs.live(command.call_control_id)
        self._legs.check_can_talk(leg)
        self._check_account(command.from_, leg.from_, leg.to)
        self._check_media(command, command.numbers())
        leg.remember(command.client_state)
        self._legs.answer(leg)

        def on_answer(target: Leg) -> None:
            self._hand_over(leg, target, "park" if command.park_after_unbridge else "hang_up")

        from_, session, client_state = command.from_ or leg.to, leg.call_session_id, command.target_leg_client_state
        recording_id = self._context.ids.uuid() if command.record else None
        self._call(command, command.to, from_, session, client_state, recording_id, on_answer)
        return ok()

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

    def _call(  # noqa: PLR0917 (one argument a fact)
        self,
        command: Dial | TransferCall,
        number: str,
        from_: str,
        session: str,
        client_state: str | None,
        recording_id: str | None,
        on_answer: Callable[[Leg], None],
    ) -> Leg:
        """Call a number, with digits to send after a comma. Once the new leg is answered, `on_answer` gets it."""
        to, _, digits = number.partition(",")
        leg = self._legs.dial(
            from_, to, session, client_state, lambda new: self._set_webhooks(new.call_control_id, command)
        )

        def answered() -> None:
            limit = command.time_limit_secs or TIME_LIMIT_S
            self._after(limit, leg, lambda: self._legs.hang_up(leg, "time_limit", "unknown"))
            self._greet(leg, command, digits, recording_id)
            on_answer(leg)

        leg.on_answered = answered
        self._after(command.timeout_secs or RING_TIMEOUT_S, leg, lambda: self._ring_out(leg))
        self._ring(leg)
        return leg

    def _ring(self, leg: Leg) -> None:
        """Ring the telephone of a new leg. One of the sandbox's own numbers gets an incoming call."""
        if leg.to in self._context.account.numbers:
            leg.far_leg = self._legs.arrive(leg.from_, leg.to)
            leg.far_leg.far_leg = leg
            return
        callee = callee_at(leg.to)
        if callee.stays is not None:
            self._after(ANSWER_DELAY_S + callee.stays, leg, lambda: self._legs.person_hangs_up(leg))
        if (cause := callee.ends_with) is not None:
            self._after(ANSWER_DELAY_S, leg, lambda: self._legs.hang_up(leg, cause, "callee"))
        elif not callee.never_answers:
            self._after(ANSWER_DELAY_S, leg, lambda: self._legs.answer(leg))

    def _greet(self, leg: Leg, command: Dial | TransferCall, digits: str, recording_id: str | None) -> None:
        """Detect a machine, start recording, play audio and send digits to a leg that has just been answered."""
        self._detect(leg, command.answering_machine_detection)
        if recording_id is not None:
            self._recordings.record_from_answer(leg, command, recording_id)
        if command.audio_url is not None or command.media_name is not None:
            self._call_audio.play_file(leg, command.audio_url, command.media_name)
        sent = command.send_digits_on_answer or digits
        leg.digits_sent += sum(digit not in "wW" for digit in sent)

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

    def _bridge_on_answer(self, leg: Leg, linked: Leg, command: Dial) -> None:
        is_bridged = isinstance(linked.location, BridgeEnd)
        if not linked.is_alive or (command.prevent_double_bridge and is_bridged):
            self._legs.hang_up(leg)
            return
        self._legs.answer(linked)
        self._bridges.free(linked)
        self._bridges.connect(leg, linked, leg_after="park" if command.park_after_unbridge else "hang_up")

    def _hand_over(self, leg: Leg, target: Leg, leg_after: AfterBridge) -> None:
        """Connect a transferred call with the leg that has been answered."""
        if leg.is_alive:
            self._bridges.free(leg)
        if leg.is_alive:
            self._bridges.connect(leg, target, leg_after)
        else:
            self._legs.hang_up(target)

    def _after(self, seconds: float, leg: Leg, run: Callable[[], None]) -> None:
        """Run something unless the leg has ended by then."""
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

        self._after(_DETECTION_DELAY_S, leg, announce("detection", "machine" if is_machine else detection.human))
        if is_machine and detection.greeting is not None:
            self._after(_DETECTION_DELAY_S + _GREETING_DURATION_S, leg, announce("greeting", detection.greeting))
