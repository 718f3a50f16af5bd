"""The transcript of a conference: the speech of its call legs while they were in it, in order."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from ...tools.text import clean, quoted
from ...tools.transcription import TRANSCRIPTION_EVENT
from .event import EventFilter, StoredEvent
from .projection.intervals import ConferenceIntervals, ParticipantIntervals, Stay
from .projection.projection import Projection
from .projection.sanitize import escape_markdown, format_duration, quote_data
from .store import Store
from .times import iso

_MAX_LEGS = 300
_MAX_EVENTS_OF_LEG = 2_000
"""The newest."""
_MAX_TEXT_LENGTH = 1_000
_NO_DIGIT = re.compile(r"[^0-9]")
_SHORTEST_NUMBER = 7
"""Digits from which a name is taken for a phone number."""
_NONE = timedelta()
_MAX_LATENESS = timedelta(seconds=2)
"""The last words of a call leg may be transcribed this long after it has hung up."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One passage of one speaker."""

    at: datetime
    call: str
    speaker: str
    """The label, number or SIP address, or else the call leg's id. Callers choose it, as they choose what they say."""
    names: tuple[str, ...]
    """All names by which the speaker is found."""
    text: str | None
    """On one line. None: it is not kept."""

    def is_by(self, speaker: str) -> bool:
        """Whether a call leg id, a number or its last four digits, or a part of a name means this speaker."""
        searched = speaker.casefold()
        return searched == self.call.casefold() or any(_means(searched, name.casefold()) for name in self.names)

    def contains(self, phrase: str) -> bool:
        return self.text is not None and " ".join(phrase.split()).casefold() in self.text.casefold()

    def to_json(self) -> dict[str, Any]:
        return {
            "at": iso(self.at),
            "speaker": clean(self.speaker, 80),
            "call_control_id": self.call,
            **({"text": self.text} if self.text is not None else {}),
        }

    def line(self) -> str:
        """For a summary: `'+12025550131': 'I agree'`."""
        return f"{quoted(self.speaker)}: {quoted(self.text, 200) if self.text is not None else '(text not kept)'}"


def _means(searched: str, name: str) -> bool:
    digits, given = _NO_DIGIT.sub("", name), _NO_DIGIT.sub("", searched)
    if len(digits) < _SHORTEST_NUMBER:
        return searched in name
    # Where numbers are masked, a search for more of their digits would tell them one by one.
    is_number = not any(map(str.isalpha, searched)) and given != ""
    return searched == name or (is_number and (given == digits or (len(given) <= 4 and digits.endswith(given))))


async def read_transcript(
    store: Store, projection: Projection, intervals: ConferenceIntervals, since: datetime | None = None
) -> list[Utterance]:
    """The speech in a conference, in order. Raises `StoreError`.

    Of each call leg, at most the newest 2,000 utterances.
    """
    utterances: list[Utterance] = []
    for person in intervals.participants[:_MAX_LEGS]:
        start = max(filter(None, (since, _first_stay(person, intervals.start))))
        event_filter = EventFilter(types=frozenset({TRANSCRIPTION_EVENT}), call_control_id=person.call, since=start)
        events = await store.find(event_filter, limit=_MAX_EVENTS_OF_LEG)
        view = projection.person(person.call, intervals.end)
        lateness = _NONE if view is not None and view.is_alive else _MAX_LATENESS
        names = _names(projection, person.call, intervals.end)
        utterances += [
            Utterance(event.occurred_at, person.call, _speaker(event, names[0]), names, _text(store, event))
            for event in events
            if _is_final(event)
            and _is_within(person.stays, event.occurred_at, lateness)
            and (since is None or event.occurred_at >= since)
        ]
    return sorted(utterances, key=lambda utterance: utterance.at)


def transcript_markdown(title: str, start: datetime, utterances: Iterable[Utterance]) -> str:
    """The transcript for people. Times are from the start of the conference."""
    lines = [f"# Transcript of conference {escape_markdown(title)}", ""]
    for utterance in utterances:
        text = "(text not kept)" if utterance.text is None else quoted(utterance.text, _MAX_TEXT_LENGTH)
        line = escape_markdown(f"{quote_data(utterance.speaker)}: {text}")
        lines.append(f"- {format_duration(utterance.at - start)} {line}")
    if len(lines) == 2:
        lines.append("Nobody was transcribed.")
    return "\n".join([*lines, ""])


def _first_stay(person: ParticipantIntervals, otherwise: datetime) -> datetime:
    return min((stay.start or otherwise for stay in person.stays), default=otherwise)


def _is_within(stays: Iterable[Stay], at: datetime, lateness: timedelta) -> bool:
    return any(
        (stay.start is None or stay.start <= at) and (stay.end is None or at < stay.end + lateness) for stay in stays
    )


def _speaker(event: StoredEvent, name: str) -> str:
    """The person on the leg, unless what was transcribed is what they hear."""
    data = event.payload.get("transcription_data")
    track = cast("Mapping[str, Any]", data).get("transcription_track") if isinstance(data, Mapping) else None
    return f"heard by {name}" if track == "outbound" else name


def _is_final(event: StoredEvent) -> bool:
    data = event.payload.get("transcription_data")
    return not isinstance(data, Mapping) or cast("Mapping[str, Any]", data).get("is_final") is not False


def _text(store: Store, event: StoredEvent) -> str | None:
    text = store.speech.text(event)
    return None if text is None else clean(text, _MAX_TEXT_LENGTH)


def _names(projection: Projection, call: str, at: datetime) -> tuple[str, ...]:
    person, caller = projection.person(call, at), projection.legs.caller(call)
    names = (person.label if person else None, caller.number, caller.name)
    return tuple(dict.fromkeys(name for name in names if name)) or (call,)
