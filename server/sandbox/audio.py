"""What the people in a conference hear. A file lasts 10 seconds, speech 0.4 seconds a word and at least one second."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...tools.audio import PlayAudio, SpeakText, StopAudio
from ...tools.base import EVERYONE
from ...tools.text import spoken_words
from .clock import Timer
from .commands import SendDtmf
from .conference import Conference
from .conferences import Conferences
from .context import SandboxContext
from .errors import audio_not_downloaded
from .legs import Leg
from .participants import select_participants
from .responses import Answer, Json, ok

FILE_DURATION_S = 10.0
"""How long an audio file plays, each time."""
WORDS_PER_SECOND = 2.5

_TAG = re.compile(r"<[^>]*>")


def speech_seconds(text: str) -> float:
    """How long it takes to speak a text or SSML."""
    return max(1.0, spoken_words(_TAG.sub(" ", text)) / WORDS_PER_SECOND)


def check_audio(**urls: str | None) -> None:
    """Raises `ApiError` (400) for a file that cannot be downloaded: one on a host that ends with `.invalid`."""
    for field, url in urls.items():
        if url is not None and (urlsplit(url).hostname or "").endswith(".invalid"):
            raise audio_not_downloaded(field)


@dataclass(eq=False, slots=True)
class Playback:
    """A file or a text that one leg or the whole conference hears, until it ends or is stopped."""

    context: SandboxContext
    conference: Conference
    kind: str
    """playback or speak."""
    leg: Leg | None
    media: Json
    timer: Timer | None = None

    def start(self, seconds: float | None) -> None:
        """Play for a time; None: until it is stopped."""
        self.conference.activities.append(self)
        self._emit("started")
        if seconds is not None:
            self.timer = self.context.after(seconds, self.stop)

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.conference.activities.remove(self)
        self._emit("ended")

    def _emit(self, phase: str) -> None:
        conference = self.conference
        common = {
            "conference_id": conference.id,
            "connection_id": conference.connection_id,
            "creator_call_session_id": conference.creator.call_session_id,
            **self.media,
        }
        if self.leg is None:
            self.context.emit(f"conference.{self.kind}.{phase}", common)
        else:
            self.context.emit(f"conference.participant.{self.kind}.{phase}", {**common, **self.leg.ids()})


def playbacks(conference: Conference) -> list[Playback]:
    """What plays in a conference now."""
    return [activity for activity in conference.activities if isinstance(activity, Playback)]


class Audio:
    def __init__(self, context: SandboxContext, conferences: Conferences) -> None:
        self._context = context
        self._conferences = conferences

    def play(self, command: PlayAudio) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        check_audio(audio_url=command.audio_url)
        times = command.loop if command.loop is not None else 1
        seconds = FILE_DURATION_S * times if isinstance(times, int) else None
        media = {"media_url": command.audio_url, "media_name": command.media_name}
        self._start("playback", conference, command.call_control_ids, media, seconds)
        return ok()

    def speak(self, command: SpeakText) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        self._start("speak", conference, command.call_control_ids, {}, speech_seconds(command.payload))
        return ok()

    def _start(
        self, kind: str, conference: Conference, to: list[str] | str, media: Json, seconds: float | None
    ) -> None:
        listeners = select_participants(conference, to)
        legs: Iterable[Leg | None] = [None] if to == EVERYONE else [participant.leg for participant in listeners]
        for leg in legs:
            Playback(self._context, conference, kind, leg, media).start(seconds)

    def stop(self, command: StopAudio) -> Answer:
        conference = self._conferences.active(command.conference_id, command.region)
        listeners = [participant.leg for participant in select_participants(conference, command.call_control_ids)]
        everything = command.call_control_ids == EVERYONE
        for sound in playbacks(conference):
            if everything or sound.leg in listeners:
                sound.stop()
        return ok()

    def send_dtmf(self, command: SendDtmf) -> Answer:
        conference = self._conferences.active_by_id(command.conference_id)
        sent = sum(digit not in "wW" for digit in command.digits)
        for participant in select_participants(conference, command.call_control_ids):
            participant.leg.remember(command.client_state)
            participant.leg.digits_sent += sent
        return ok()
