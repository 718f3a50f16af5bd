"""The timeline of a conference: what happened, as a person would tell it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from ....tools.text import count, listed
from . import sanitize as plain
from .conference import Conference
from .log import Log
from .moments import COMMAND_ACCEPTED, SOUNDS, Moment, sound
from .sanitize import format_duration

FIRST_LINES, LAST_LINES = 50, 150
"""Lines of a long timeline that are shown."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """What is told about, and the conference as it was before."""

    before: Conference
    moment: Moment
    names: Mapping[str, str]

    @property
    def call_name(self) -> str:
        return self.name_of(self.moment.call)

    def name_of(self, call: str | None) -> str:
        """What to call a leg, quoted if somebody chose it."""
        if call is None:
            return "somebody"
        name = plain.text(self.names.get(call))
        return _identifier(call) if name is None else _data(name)

    def names_of(self, calls: tuple[str, ...] | None) -> str:
        return "everyone" if calls is None else listed([self.name_of(call) for call in calls])


def timeline(conference_id: str, log: Log[Conference], names: Mapping[str, str], now: datetime) -> str:
    """Markdown: a heading, how long it lasted, and a line for each thing that happened, in order."""
    state = log.state
    start = state.started_at or now
    lines = list(_lines(log, names, start))
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out > 0:
        lines[FIRST_LINES:-LAST_LINES] = [f"- ({count(left_out, 'line')} left out here)"]
    if log.is_cut:
        lines.insert(0, "- (what happened before is left out here)")
    name = state.api_fields.get("name")
    heading = f"# Conference {_identifier(conference_id) if name is None else _data(name)}"
    return "\n".join([heading, "", summarize_duration(state, start, now, _reason), "", *lines]) + "\n"


def _data(value: Any) -> str:
    return plain.markdown(plain.data(value))


def _identifier(value: Any) -> str:
    return plain.markdown(plain.identifier(value))


def _reason(value: Any) -> str:
    return plain.markdown(plain.reason(value))


def summarize_duration(state: Conference, start: datetime, now: datetime, reason: Callable[[Any], str]) -> str:
    """When it began, how long it lasted, and why it ended, as `reason` puts that."""
    began = f"Began {start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    most = f"at most {count(state.peak, 'person')} at a time"
    end = state.ended_at or (state.overdue_at if state.overdue_at and state.overdue_at < now else None)
    if end is None:
        present = count(len(state.present), "person")
        return f"{began}, open for {format_duration(now - start)}, {present} in it now, {most}."
    why = f": {reason(state.end_reason)}" if state.end_reason else ""
    return f"{began}, lasted {format_duration(end - start)}, {most}. It ended{why}."


def _lines(log: Log[Conference], names: Mapping[str, str], start: datetime) -> Iterator[str]:
    told = list(_entries(log, names))
    for is_turn, several in groupby(told, key=lambda one: one[1] is None):
        run = list(several)
        if is_turn:
            yield _format_line(run[0][0].moment, _turns([one for one, _ in run]), start)
        else:
            yield from (_format_line(one.moment, sentence, start) for one, sentence in run if sentence is not None)


def _format_line(moment: Moment, sentence: str, start: datetime) -> str:
    since = moment.at - start
    offset = f"+{format_duration(since)}" if moment.at >= start else f"-{format_duration(-since)}"
    return f"- {offset} {sentence}"


def _entries(log: Log[Conference], names: Mapping[str, str]) -> Iterator[tuple[TimelineEntry, str | None]]:
    """What is worth telling, with its sentence; None: somebody began to speak."""
    state = log.initial_state()
    for moment in log.moments:
        turns = state.talk_turns
        told = TimelineEntry(state, moment, names)
        sentence = _SENTENCES.get(moment.type, _nothing)(told)
        state.apply(moment)
        if sentence:
            yield told, sentence
        elif state.talk_turns > turns:
            yield told, None


def _turns(turns: list[TimelineEntry]) -> str:
    """One who spoke, or several in turn, told in one line."""
    speakers = list(dict.fromkeys(one.call_name for one in turns))
    if len(turns) == 1:
        return f"{speakers[0]} began to speak."
    over = turns[-1].moment.at - turns[0].moment.at
    return f"{listed(speakers)} spoke in turn: {count(len(turns), 'turn')} in {format_duration(over)}."


def _nothing(told: TimelineEntry) -> str:
    return ""


def _created(told: TimelineEntry) -> str:
    return f"{told.call_name} opened the conference."


def _ended(told: TimelineEntry) -> str:
    if told.before.ended_at is not None:
        return ""
    why = told.moment.detail.get("reason")
    rest = len(told.before.present)
    people = f" {count(rest, 'person')} was still in it." if rest == 1 else f" {rest} people were still in it."
    return f"The conference ended{f': {_reason(why)}' if why else ''}.{people if rest else ''}"


def _joined(told: TimelineEntry) -> str:
    call = told.moment.call
    if call is None or call in told.before.present:
        return ""
    again = " again" if call in told.before.participants else ""
    inside = len(told.before.present) + 1
    return f"{told.call_name} joined{again}{f'; {inside} in it' if inside > 1 else ''}."


def _left(told: TimelineEntry) -> str:
    return _departure(told, "left")


def _hung_up(told: TimelineEntry) -> str:
    return _departure(told, "hung up")


def _departure(told: TimelineEntry, how: str) -> str:
    call = told.moment.call or ""
    known = told.before.participants.get(call)
    if known is None:
        return f"{told.call_name} {how}." if how == "left" and call else ""
    if not known.is_in:
        return ""
    after = f" after {format_duration(told.moment.at - known.joined_at)}" if known.joined_at else ""
    rest = len(told.before.present) - 1
    return f"{told.call_name} {how}{after}; {rest or 'nobody'} in it."


def _sound(told: TimelineEntry) -> str:
    """Its end is told if it lasted a minute or more."""
    kind, what = sound(told.moment.type)
    only = told.moment.call if told.moment.type.startswith("conference.participant.") else None
    to = "everyone" if only is None else told.name_of(only)
    file = told.moment.detail.get("media_name") or told.moment.detail.get("media_url")
    thing = "A text" if kind == "speak" else "A file" if file is None else f"The file {_data(file)}"
    if what == "started":
        return f"{thing} was {'said' if kind == 'speak' else 'played'} to {to}."
    ended = told.before.find_sound(kind, only, told.moment.detail)
    lasted = told.moment.at - ended.since if ended else timedelta()
    return f"{thing} to {to} ended after {format_duration(lasted)}." if lasted >= timedelta(minutes=1) else ""


def _saved(told: TimelineEntry) -> str:
    detail = told.moment.detail
    began, ended = detail.get("recording_started_at"), detail.get("recording_ended_at")
    summarize_duration = f" of {format_duration(ended - began)}" if began and ended else ""
    return f"A recording{summarize_duration} ended and was saved, id {_identifier(detail.get('recording_id'))}."


_COMMAND_SENTENCES: Mapping[tuple[str, object], str] = {
    ("on_hold", True): "{who} put on hold.",
    ("on_hold", False): "{who} brought back from hold.",
    ("muted", True): "{who} muted.",
    ("muted", False): "{who} unmuted.",
    ("role", "monitor"): "{who} made a supervisor who listens.",
    ("role", "whisper"): "{who} made a supervisor who whispers.",
    ("role", "barge"): "{who} made a supervisor who speaks.",
    ("role", "none"): "{who} made a participant like any other.",
    ("recording", "recording"): "Recording began.",
    ("recording", "paused"): "Recording paused.",
    ("recording", "stopped"): "Recording stopped.",
}


def _command_accepted(told: TimelineEntry) -> str:
    """What this server did and no event tells of."""
    if told.moment.detail["tool"] == "resume_recording":
        return "Recording went on."
    if told.moment.detail["tool"] == "stop_recording" and told.before.is_recording_saved:
        return ""
    done = (
        (who, _COMMAND_SENTENCES.get((name, value)) if isinstance(value, str | bool) else None)
        for who, name, value in told.moment.detail["facts"]
    )
    return " ".join(words.format(who=_subject(told, who)) for who, words in done if words)


def _subject(told: TimelineEntry, who: tuple[str, ...] | None) -> str:
    verb = "was" if who is None or len(who) == 1 else "were"
    everyone = told.names_of(who)
    return f"{everyone[0].upper()}{everyone[1:]} {verb}" if who is None else f"{everyone} {verb}"


_SENTENCES: Mapping[str, Callable[[TimelineEntry], str]] = {
    "conference.created": _created,
    "conference.ended": _ended,
    "conference.participant.joined": _joined,
    "conference.participant.left": _left,
    "call.hangup": _hung_up,
    **dict.fromkeys(SOUNDS, _sound),
    "conference.recording.saved": _saved,
    COMMAND_ACCEPTED: _command_accepted,
}
"""What is told of each type; turns to speak are told from who has the floor."""
