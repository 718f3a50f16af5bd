"""The timeline of a conference: what happened, as a person would tell it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from ....tools.words import count, listed
from . import sanitize as plain
from .conference import Conference
from .log import Log
from .moments import COMMANDED, SOUNDS, Moment, sound
from .sanitize import spell

FIRST, LAST = 50, 150
"""Lines of a long timeline that are shown."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told about, and the conference as it was before."""

    before: Conference
    moment: Moment
    names: Mapping[str, str]

    @property
    def who(self) -> str:
        return self.name(self.moment.call)

    def name(self, call: str | None) -> str:
        """What to call a leg, quoted if somebody chose it."""
        if call is None:
            return "somebody"
        name = plain.text(self.names.get(call))
        return _identifier(call) if name is None else _data(name)

    def everyone(self, calls: tuple[str, ...] | None) -> str:
        return "everyone" if calls is None else listed([self.name(call) for call in calls])


def timeline(conference_id: str, log: Log[Conference], names: Mapping[str, str], now: datetime) -> str:
    """Markdown: a heading, how long it lasted, and a line for each thing that happened, in order."""
    state = log.state
    start = state.started_at or now
    lines = list(_lines(log, names, start))
    left_out = len(lines) - FIRST - LAST
    if left_out > 0:
        lines[FIRST:-LAST] = [f"- ({count(left_out, 'line')} left out here)"]
    if log.is_cut:
        lines.insert(0, "- (what happened before is left out here)")
    name = state.told.get("name")
    heading = f"# Conference {_identifier(conference_id) if name is None else _data(name)}"
    return "\n".join([heading, "", length(state, start, now, _reason), "", *lines]) + "\n"


def _data(value: Any) -> str:
    return plain.markdown(plain.data(value))


def _identifier(value: Any) -> str:
    return plain.markdown(plain.identifier(value))


def _reason(value: Any) -> str:
    return plain.markdown(plain.reason(value))


def length(state: Conference, start: datetime, now: datetime, reason: Callable[[Any], str]) -> str:
    """When it began, how long it lasted, and why it ended, as `reason` puts that."""
    began = f"Began {start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    most = f"at most {count(state.peak, 'person')} at a time"
    end = state.ended_at or (state.overdue_at if state.overdue_at and state.overdue_at < now else None)
    if end is None:
        return f"{began}, is open for {spell(now - start)}, {count(len(state.inside), 'person')} in it now, {most}."
    why = f": {reason(state.end_reason)}" if state.end_reason else ""
    return f"{began}, lasted {spell(end - start)}, {most}. It ended{why}."


def _lines(log: Log[Conference], names: Mapping[str, str], start: datetime) -> Iterator[str]:
    told = list(_told(log, names))
    for is_turn, several in groupby(told, key=lambda one: one[1] is None):
        run = list(several)
        if is_turn:
            yield _line(run[0][0].moment, _turns([one for one, _ in run]), start)
        else:
            yield from (_line(one.moment, sentence, start) for one, sentence in run if sentence is not None)


def _line(moment: Moment, sentence: str, start: datetime) -> str:
    since = moment.at - start
    offset = f"+{spell(since)}" if moment.at >= start else f"-{spell(-since)}"
    return f"- {offset} {sentence}"


def _told(log: Log[Conference], names: Mapping[str, str]) -> Iterator[tuple[Told, str | None]]:
    """What is worth telling, with its sentence; None: somebody began to speak."""
    state = log.beginning()
    for moment in log.moments:
        turns = state.turn_count
        told = Told(state, moment, names)
        sentence = _TELL.get(moment.type, _nothing)(told)
        state.apply(moment)
        if sentence:
            yield told, sentence
        elif state.turn_count > turns:
            yield told, None


def _turns(turns: list[Told]) -> str:
    """One who spoke, or several in turn, told in one line."""
    speakers = list(dict.fromkeys(one.who for one in turns))
    if len(turns) == 1:
        return f"{speakers[0]} began to speak."
    over = turns[-1].moment.at - turns[0].moment.at
    return f"{listed(speakers)} spoke in turn: {count(len(turns), 'turn')} in {spell(over)}."


def _nothing(told: Told) -> str:
    return ""


def _created(told: Told) -> str:
    return f"{told.who} opened the conference."


def _ended(told: Told) -> str:
    if told.before.ended_at is not None:
        return ""
    why = told.moment.detail.get("reason")
    rest = len(told.before.inside)
    people = f" {count(rest, 'person')} was still in it." if rest == 1 else f" {rest} people were still in it."
    return f"The conference ended{f': {_reason(why)}' if why else ''}.{people if rest else ''}"


def _joined(told: Told) -> str:
    call = told.moment.call
    if call is None or call in told.before.inside:
        return ""
    again = " again" if call in told.before.people else ""
    inside = len(told.before.inside) + 1
    return f"{told.who} joined{again}{f'; {inside} in it' if inside > 1 else ''}."


def _left(told: Told) -> str:
    return _goes(told, "left")


def _hung_up(told: Told) -> str:
    return _goes(told, "hung up")


def _goes(told: Told, how: str) -> str:
    call = told.moment.call or ""
    known = told.before.people.get(call)
    if known is None:
        return f"{told.who} {how}." if how == "left" and call else ""
    if not known.is_in:
        return ""
    after = f" after {spell(told.moment.at - known.joined_at)}" if known.joined_at else ""
    rest = len(told.before.inside) - 1
    return f"{told.who} {how}{after}; {rest or 'nobody'} in it."


def _sound(told: Told) -> str:
    """Its end is told if it lasted a minute or more."""
    kind, what = sound(told.moment.type)
    only = told.moment.call if told.moment.type.startswith("conference.participant.") else None
    to = "everyone" if only is None else told.name(only)
    file = told.moment.detail.get("media_name") or told.moment.detail.get("media_url")
    thing = "A text" if kind == "speak" else "A file" if file is None else f"The file {_data(file)}"
    if what == "started":
        return f"{thing} was {'said' if kind == 'speak' else 'played'} to {to}."
    ended = told.before.ends(kind, only, told.moment.detail)
    lasted = told.moment.at - ended.since if ended else timedelta()
    return f"{thing} to {to} ended after {spell(lasted)}." if lasted >= timedelta(minutes=1) else ""


def _saved(told: Told) -> str:
    detail = told.moment.detail
    began, ended = detail.get("recording_started_at"), detail.get("recording_ended_at")
    length = f" of {spell(ended - began)}" if began and ended else ""
    return f"A recording{length} ended and was saved, id {_identifier(detail.get('recording_id'))}."


_DONE: Mapping[tuple[str, object], str] = {
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


def _commanded(told: Told) -> str:
    """What this server did and no event tells of."""
    if told.moment.detail["tool"] == "resume_recording":
        return "Recording went on."
    if told.moment.detail["tool"] == "stop_recording" and told.before.is_saved:
        return ""
    done = (
        (who, _DONE.get((name, value)) if isinstance(value, str | bool) else None)
        for who, name, value in told.moment.detail["facts"]
    )
    return " ".join(words.format(who=_subject(told, who)) for who, words in done if words)


def _subject(told: Told, who: tuple[str, ...] | None) -> str:
    verb = "was" if who is None or len(who) == 1 else "were"
    everyone = told.everyone(who)
    return f"{everyone[0].upper()}{everyone[1:]} {verb}" if who is None else f"{everyone} {verb}"


_TELL: Mapping[str, Callable[[Told], str]] = {
    "conference.created": _created,
    "conference.ended": _ended,
    "conference.participant.joined": _joined,
    "conference.participant.left": _left,
    "call.hangup": _hung_up,
    **dict.fromkeys(SOUNDS, _sound),
    "conference.recording.saved": _saved,
    COMMANDED: _commanded,
}
"""What is told of each type; turns to speak are told from who has the floor."""
