"""What lasted in a conference, from when to when: stays, talking, muted, on hold, recording, what was heard."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .conference import MAX_CONFERENCE_DURATION, ActiveSound, Conference
from .log import Log
from .moments import API_READ, COMMAND_ACCEPTED, Moment
from .participant import Participant

TALKING, MUTED, ON_HOLD, HEARING = "talking", "muted", "on_hold", "hearing"
RECORDED, PAUSED, PLAYBACK, SPEAK = "recording", "paused", "playback", "speak"

_AFFECTS_ALL = frozenset({COMMAND_ACCEPTED, API_READ, "conference.ended"})
"""What may change everybody; all else changes the one it is about, and who had the floor."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From when to when something was so."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """From coming to going."""

    start: datetime | None
    """None: before anything that is known."""
    end: datetime | None
    """None: in it still."""
    because: str | None = None
    """left, hangup, conference ended, not listed."""


IntervalsByKind = dict[str, list[Interval]]
"""By what it is, in the order in which it began."""


@dataclass(slots=True)
class ParticipantIntervals:
    """One call leg's part."""

    call: str
    stays: list[Stay] = field(default_factory=list[Stay])
    intervals: IntervalsByKind = field(default_factory=IntervalsByKind)
    """talking (has the floor), muted, on_hold, hearing."""
    _seen: int = 0
    """Stays that have begun so far."""
    _is_in: bool = False
    _since: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def observe(self, now: Participant, is_so: Mapping[str, bool], at: datetime) -> None:
        """Take note of how it is since `at`."""
        if now.left_at is not None and (self._is_in or now.stays > self._seen):
            self._stop(list(self._since), now.left_at)
            self.stays.append(Stay(now.joined_at, now.left_at, now.left_because))
        self._seen, self._is_in = now.stays, now.is_in
        if now.is_in:
            self._stop([one for one in self._since if not is_so[one]], at)
            for one in is_so:
                if is_so[one]:
                    self._since.setdefault(one, at)

    def finish(self, now: Participant, at: datetime, is_over: bool) -> None:
        """Nothing more is known than until `at`."""
        self._stop(list(self._since), at)
        if now.is_in:
            end = (at, "conference ended") if is_over else (None, None)
            self.stays.append(Stay(now.joined_at, *end))

    def _stop(self, what: Iterable[str], at: datetime) -> None:
        for one in what:
            _add(self.intervals, one, self._since.pop(one), at)


@dataclass(slots=True)
class ConferenceIntervals:
    """Everything that lasted, until it ended or is looked at."""

    start: datetime
    """What times are counted from."""
    end: datetime
    is_over: bool
    participants: list[ParticipantIntervals]
    """In the order in which they first came."""
    bands: IntervalsByKind
    """Of the whole: recording, paused; playback and speak to everyone."""
    cut_at: datetime | None
    """What was before is known no longer, but for who was there."""


def collect_intervals(log: Log[Conference], now: datetime) -> ConferenceIntervals:
    """Gone through anew from what the log holds, so that nothing more need be kept of a conference than that."""
    tracer = _Collector(log)
    for moment in log.moments:
        tracer.add(moment)
    return tracer.finish(now)


class _Collector:
    def __init__(self, log: Log[Conference]) -> None:
        self._state = log.initial_state()
        self._first = log.moments[0].at if log.moments else None
        self._last = log.last_at
        self._is_cut = log.is_cut
        self._people: dict[str, ParticipantIntervals] = {}
        self._bands: IntervalsByKind = {}
        self._saved: dict[str, Interval] = {}
        self._heard: dict[int, ActiveSound] = {}
        self._recorded: tuple[str, datetime] | None = None
        if self._is_cut and self._first is not None:
            self._observe(self._state.participants, self._first)

    def add(self, moment: Moment) -> None:
        """What happened next."""
        state = self._state
        touched = {moment.call, state.floor} if moment.type not in _AFFECTS_ALL else {*state.present}
        state.apply(moment)
        if moment.type in _AFFECTS_ALL:
            touched |= state.present.keys()
        self._observe((call for call in touched if call in state.participants), moment.at)
        if moment.type == "conference.recording.saved":
            self._add_saved(moment)

    def finish(self, now: datetime) -> ConferenceIntervals:
        state = self._state
        start = state.started_at or self._first or now
        overdue = state.overdue_at or now
        known = max(now, self._last or now)
        end = max(start, min(state.ended_at or known, overdue if state.ended_at is None else state.ended_at))
        is_over = state.ended_at is not None or overdue < now
        for call, one in state.participants.items():
            self._person(call).observe(one, self._states(call, one), end)
            self._person(call).finish(one, end, is_over)
        self._observe_sounds({}, end)
        self._observe_recording(None, end)
        self._bands[RECORDED] = _without(_joined([*self._bands.get(RECORDED, ()), *self._saved.values()]), self._paused)
        return ConferenceIntervals(
            start=start,
            end=end,
            is_over=is_over,
            participants=[self._people[call] for call in state.participants],
            bands=self._bands,
            cut_at=self._first if self._is_cut else None,
        )

    @property
    def _paused(self) -> list[Interval]:
        return self._bands.get(PAUSED, [])

    def _person(self, call: str) -> ParticipantIntervals:
        return self._people.setdefault(call, ParticipantIntervals(call))

    def _observe(self, calls: Iterable[str], at: datetime) -> None:
        state = self._state
        for call in calls:
            self._person(call).observe(state.participants[call], self._states(call, state.participants[call]), at)
        if state.sounds or self._heard:
            self._observe_sounds({id(one): one for one in state.sounds}, state.ended_at or at)
        self._observe_recording(state.recording.value if state.recording else None, state.ended_at or at)

    def _states(self, call: str, person: Participant) -> dict[str, bool]:
        muted, on_hold = person.muted(), person.facts.get("on_hold")
        return {
            TALKING: self._state.floor == call,
            MUTED: muted is not None and muted.value is True,
            ON_HOLD: on_hold is not None and on_hold.value is True,
        }

    def _observe_sounds(self, heard: Mapping[int, ActiveSound], at: datetime) -> None:
        for key, one in self._heard.items():
            if key not in heard:
                doing, what = (self._bands, one.kind) if one.to is None else (self._person(one.to).intervals, HEARING)
                _add(doing, what, one.since, at)
        self._heard = dict(heard)

    def _observe_recording(self, how: str | None, at: datetime) -> None:
        before = self._recorded
        if before is not None and before[0] != how:
            _add(self._bands, before[0], before[1], at)
            self._recorded = None
        if how in (RECORDED, PAUSED) and self._recorded is None:
            self._recorded = how, at

    def _add_saved(self, moment: Moment) -> None:
        detail: Mapping[str, Any] = moment.detail
        began, ended = detail.get("recording_started_at"), detail.get("recording_ended_at")
        if began is not None and ended is not None and began < ended <= began + MAX_CONFERENCE_DURATION:
            self._saved.setdefault(detail.get("recording_id", moment.id), Interval(began, ended))


def _add(doing: IntervalsByKind, what: str, start: datetime, end: datetime) -> None:
    if start < end:
        doing.setdefault(what, []).append(Interval(start, end))


def _joined(spans: Iterable[Interval]) -> list[Interval]:
    """The same, none overlapping another."""
    joined: list[Interval] = []
    for one in sorted(spans, key=lambda span: (span.start, span.end)):
        if joined and one.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(one)
    return joined


def _without(spans: Iterable[Interval], gaps: list[Interval]) -> list[Interval]:
    return [piece for span in spans for piece in _pieces(span, gaps)]


def _pieces(span: Interval, gaps: Iterable[Interval]) -> Iterator[Interval]:
    """What is left of a span between gaps, which are in order."""
    start = span.start
    for gap in gaps:
        if gap.end <= start or gap.start >= span.end:
            continue
        if gap.start > start:
            yield Interval(start, gap.start)
        start = gap.end
    if start < span.end:
        yield Interval(start, span.end)
