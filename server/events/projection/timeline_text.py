"""The timeline of a conference in Markdown: a line for each thing that happened."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from ....tools.text import count, listed
from ..event import (
    CONSENT_ANNOUNCED,
    CONSENT_FAILED,
    CONSENT_HEARD,
    CONSENT_KEYED,
    CONSENT_PAUSED,
    CONSENT_RESUMED,
)
from .conference import Conference
from .log import Log
from .moments import COMMAND_ACCEPTED, SOUNDS, Moment, sound
from .sanitize import (
    clean_text,
    describe_reason,
    escape_markdown,
    format_duration,
    quote_data,
    short_identifier,
)

FIRST_LINES, LAST_LINES = 50, 150
"""Lines of a long timeline that are kept."""
_LONG_SOUND = timedelta(minutes=1)
"""The end of a shorter file or text has no line of its own."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A moment, and the conference as it was before."""

    before: Conference
    moment: Moment
    names: Mapping[str, str]

    @property
    def call_name(self) -> str:
        return self.name_of(self.moment.call)

    def name_of(self, call: str | None) -> str:
        """The name of a leg, quoted if a person chose it."""
        if call is None:
            return "an unknown call"
        name = clean_text(self.names.get(call))
        return _identifier(call) if name is None else _data(name)

    def names_of(self, calls: tuple[str, ...] | None) -> str:
        return "everyone" if calls is None else listed([self.name_of(call) for call in calls])


def timeline(conference_id: str, log: Log[Conference], names: Mapping[str, str], now: datetime) -> str:
    """Markdown: a heading, the duration, and the lines in the order of their times."""
    state = log.state
    start = state.started_at or now
    lines = list(_lines(log, names, start))
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out > 0:
        lines[FIRST_LINES:-LAST_LINES] = [f"- ({count(left_out, 'line')} left out here)"]
    if log.is_cut:
        lines.insert(0, "- (earlier events are left out here)")
    name = state.api_fields.get("name")
    heading = f"# Conference {_identifier(conference_id) if name is None else _data(name)}"
    return "\n".join([heading, "", summarize_duration(state, start, now, _reason), "", *lines]) + "\n"


def _data(value: Any) -> str:
    return escape_markdown(quote_data(value))


def _identifier(value: Any) -> str:
    return escape_markdown(short_identifier(value))


def _reason(value: Any) -> str:
    return escape_markdown(describe_reason(value))


def summarize_duration(state: Conference, start: datetime, now: datetime, format_reason: Callable[[Any], str]) -> str:
    """When the conference started, how long it lasted and why it ended."""
    started = f"Started {start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    peak = f"at most {count(state.peak, 'person')} at a time"
    end = state.ended_by(now)
    if end is None:
        present = count(len(state.present), "person")
        return f"{started}, open for {format_duration(now - start)}, {present} in it now, {peak}."
    reason = f": {format_reason(state.end_reason)}" if state.end_reason else ""
    return f"{started}, lasted {format_duration(end - start)}, {peak}. It ended{reason}."


def _lines(log: Log[Conference], names: Mapping[str, str], start: datetime) -> Iterator[str]:
    entries = list(_entries(log, names))
    for is_turn, group in groupby(entries, key=lambda pair: pair[1] is None):
        run = list(group)
        if is_turn:
            yield _format_line(run[0][0].moment, _describe_turns([entry for entry, _ in run]), start)
        else:
            yield from (_format_line(entry.moment, sentence, start) for entry, sentence in run if sentence is not None)


def _format_line(moment: Moment, sentence: str, start: datetime) -> str:
    since = moment.at - start
    offset = f"+{format_duration(since)}" if moment.at >= start else f"-{format_duration(-since)}"
    return f"- {offset} {sentence}"


def _entries(log: Log[Conference], names: Mapping[str, str]) -> Iterator[tuple[TimelineEntry, str | None]]:
    """The entries with their sentences. None: a participant started to speak."""
    state = log.initial_state()
    for moment in log.moments:
        turns = state.talk_turns
        entry = TimelineEntry(state, moment, names)
        sentence = _DESCRIBE_BY_TYPE.get(moment.type, _describe_nothing)(entry)
        state.apply(moment)
        if sentence:
            yield entry, sentence
        elif state.talk_turns > turns:
            yield entry, None


def _describe_turns(turns: list[TimelineEntry]) -> str:
    """One participant who spoke, or several in turn, in one line."""
    speakers = list(dict.fromkeys(turn.call_name for turn in turns))
    if len(turns) == 1:
        return f"{speakers[0]} started to speak."
    over = turns[-1].moment.at - turns[0].moment.at
    return f"{listed(speakers)} spoke in turn: {count(len(turns), 'turn')} in {format_duration(over)}."


def _describe_nothing(entry: TimelineEntry) -> str:
    return ""


def _describe_announcement(entry: TimelineEntry) -> str:
    return f"The recording announcement was played to {entry.call_name}."


def _describe_failed_announcement(entry: TimelineEntry) -> str:
    return f"The recording announcement could not be played to {entry.call_name}."


def _describe_heard_announcement(entry: TimelineEntry) -> str:
    return f"{entry.call_name} heard the recording announcement to its end."


def _describe_consent_key(entry: TimelineEntry) -> str:
    return f"{entry.call_name} agreed to the recording with key {entry.moment.detail.get('digit', '?')}."


def _describe_consent_pause(entry: TimelineEntry) -> str:
    recorded = entry.moment.detail.get("recorded_ms")
    before = f" They were recorded for {recorded} ms before." if recorded else ""
    return f"The server paused the recording: {entry.call_name} had not heard the announcement.{before}"


def _describe_consent_resumption(entry: TimelineEntry) -> str:
    return f"The server resumed the recording after a gap of {entry.moment.detail.get('gap_seconds', '?')} s."


def _describe_creation(entry: TimelineEntry) -> str:
    return f"{entry.call_name} created the conference."


def _describe_end(entry: TimelineEntry) -> str:
    if entry.before.ended_at is not None:
        return ""
    reason = entry.before.command_reason or entry.moment.detail.get("reason")
    remaining = len(entry.before.present)
    still_in = f" {count(remaining, 'person')} {'was' if remaining == 1 else 'were'} still in it." if remaining else ""
    return f"The conference ended{f': {_reason(reason)}' if reason else ''}.{still_in}"


def _describe_join(entry: TimelineEntry) -> str:
    call = entry.moment.call
    if call is None:
        return ""
    present = entry.before.present.get(call)
    if present is not None and present.joined_at is not None and not present.joined_from_api:
        return ""
    again = " again" if present is None and call in entry.before.participants else ""
    size = len(entry.before.present) + (present is None)
    return f"{entry.call_name} joined{again}{f'; {size} in it' if size > 1 else ''}."


def _describe_leave(entry: TimelineEntry) -> str:
    return _describe_departure(entry, "left")


def _describe_hangup(entry: TimelineEntry) -> str:
    return _describe_departure(entry, "hung up")


def _describe_departure(entry: TimelineEntry, verb: str) -> str:
    call = entry.moment.call or ""
    person = entry.before.participants.get(call)
    if person is None:
        return f"{entry.call_name} {verb}." if verb == "left" and call else ""
    if not person.is_in:
        return ""
    after = f" after {format_duration(entry.moment.at - person.joined_at)}" if person.joined_at else ""
    remaining = len(entry.before.present) - 1
    return f"{entry.call_name} {verb}{after}; {remaining or 'nobody'} in it."


def _describe_hold(entry: TimelineEntry) -> str:
    person = entry.before.present.get(entry.moment.call or "")
    if person is None:
        return ""
    on_hold = entry.moment.type == "call.hold"
    fact = person.facts.get("on_hold")
    if fact is not None and fact.value is on_hold:
        return ""
    return f"{entry.call_name} was {'put on' if on_hold else 'taken off'} hold."


def _describe_sound(entry: TimelineEntry) -> str:
    kind, phase = sound(entry.moment.type)
    only = entry.moment.call if entry.moment.type.startswith("conference.participant.") else None
    to = "everyone" if only is None else entry.name_of(only)
    file = entry.moment.detail.get("media_name") or entry.moment.detail.get("media_url")
    subject = "Text" if kind == "speak" else "A file" if file is None else f"The file {_data(file)}"
    if phase == "started":
        return f"{subject} was {'spoken' if kind == 'speak' else 'played'} to {to}."
    active = entry.before.find_sound(kind, only, entry.moment.detail)
    lasted = entry.moment.at - active.since if active else timedelta()
    return f"{subject} to {to} ended after {format_duration(lasted)}." if lasted >= _LONG_SOUND else ""


def _describe_saved_recording(entry: TimelineEntry) -> str:
    detail = entry.moment.detail
    started_at, ended_at = detail.get("recording_started_at"), detail.get("recording_ended_at")
    duration = f" of {format_duration(ended_at - started_at)}" if started_at and ended_at else ""
    return f"A recording{duration} ended and was saved, id {_identifier(detail.get('recording_id'))}."


_COMMAND_SENTENCES: Mapping[tuple[str, object], str] = {
    ("on_hold", True): "{who} put on hold.",
    ("on_hold", False): "{who} taken off hold.",
    ("muted", True): "{who} muted.",
    ("muted", False): "{who} unmuted.",
    ("role", "monitor"): "{who} made a supervisor who monitors.",
    ("role", "whisper"): "{who} made a supervisor who whispers.",
    ("role", "barge"): "{who} made a supervisor who speaks.",
    ("role", "none"): "{who} made a participant like the others.",
    ("recording", "recording"): "Recording started.",
    ("recording", "paused"): "Recording paused.",
    ("recording", "stopped"): "Recording stopped.",
}


def _describe_command(entry: TimelineEntry) -> str:
    """The effects of a command of this server that no event reports."""
    if entry.moment.detail["tool"] == "resume_recording":
        return "Recording resumed."
    if entry.moment.detail["tool"] == "stop_recording" and entry.before.is_recording_saved:
        return ""
    sentences = (
        (calls, _COMMAND_SENTENCES.get((name, value)) if isinstance(value, str | bool) else None)
        for calls, name, value in entry.moment.detail["facts"]
    )
    return " ".join(sentence.format(who=_subject(entry, calls)) for calls, sentence in sentences if sentence)


def _subject(entry: TimelineEntry, calls: tuple[str, ...] | None) -> str:
    if calls is None:
        return "Everyone was"
    return f"{entry.names_of(calls)} {'was' if len(calls) == 1 else 'were'}"


_DESCRIBE_BY_TYPE: Mapping[str, Callable[[TimelineEntry], str]] = {
    CONSENT_ANNOUNCED: _describe_announcement,
    CONSENT_FAILED: _describe_failed_announcement,
    CONSENT_HEARD: _describe_heard_announcement,
    CONSENT_KEYED: _describe_consent_key,
    CONSENT_PAUSED: _describe_consent_pause,
    CONSENT_RESUMED: _describe_consent_resumption,
    "conference.created": _describe_creation,
    "conference.ended": _describe_end,
    "conference.participant.joined": _describe_join,
    "conference.participant.left": _describe_leave,
    "call.hold": _describe_hold,
    "call.unhold": _describe_hold,
    "call.hangup": _describe_hangup,
    **dict.fromkeys(SOUNDS, _describe_sound),
    "conference.recording.saved": _describe_saved_recording,
    COMMAND_ACCEPTED: _describe_command,
}
"""By type of moment. Turns to speak follow from who has the floor."""
