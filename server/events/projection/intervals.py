"""The intervals of a conference: stays, talking, muted, on hold, recording, audio."""

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
"""Types that may change every participant. Others change their call leg and the one that had the floor."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From one time to another."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """From joining to leaving."""

    start: datetime | None
    """None: not known."""
    end: datetime | None
    """None: still in the conference."""
    because: str | None = None
    """left, hangup, conference ended, not listed."""


IntervalsByKind = dict[str, list[Interval]]
"""By kind, in the order in which they started."""


@dataclass(slots=True)
class ParticipantIntervals:
    """The intervals of one call leg."""

    call: str
    stays: list[Stay] = field(default_factory=list[Stay])
    intervals: IntervalsByKind = field(default_factory=IntervalsByKind)
    """talking (has the floor), muted, on_hold, hearing."""
    _seen: int = 0
    """Stays that have started so far."""
    _is_in: bool = False
    _since: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def observe(self, person: Participant, states: Mapping[str, bool], at: datetime) -> None:
        """Record the participant's state since `at`."""
        if person.left_at is not None and (self._is_in or person.stays > self._seen):
            self._stop(list(self._since), person.left_at)
            self.stays.append(Stay(person.joined_at, person.left_at, person.left_because))
        self._seen, self._is_in = person.stays, person.is_in
        if person.is_in:
            self._stop([kind for kind in self._since if not states[kind]], at)
            for kind, applies in states.items():
                if applies:
                    self._since.setdefault(kind, at)

    def finish(self, person: Participant, at: datetime, is_over: bool) -> None:
        """End the open intervals at `at`."""
        self._stop(list(self._since), at)
        if person.is_in:
            end = (at, "conference ended") if is_over else (None, None)
            self.stays.append(Stay(person.joined_at, *end))

    def _stop(self, kinds: Iterable[str], at: datetime) -> None:
        for kind in kinds:
            _add(self.intervals, kind, self._since.pop(kind), at)


@dataclass(slots=True)
class ConferenceIntervals:
    """All intervals of a conference, up to its end or up to now."""

    start: datetime
    """The time to which others are relative."""
    end: datetime
    is_over: bool
    participants: list[ParticipantIntervals]
    """In the order in which they first joined."""
    bands: IntervalsByKind
    """Of the conference: recording, paused, and playback and speak to everyone."""
    cut_at: datetime | None
    """Of the time before, only the participants are known."""


def collect_intervals(log: Log[Conference], now: datetime) -> ConferenceIntervals:
    """Computed from the log each time, so that the projection need not keep intervals."""
    collector = _Collector(log)
    for moment in log.moments:
        collector.add(moment)
    return collector.finish(now)


class _Collector:
    def __init__(self, log: Log[Conference]) -> None:
        self._state = log.initial_state()
        self._first = log.moments[0].at if log.moments else None
        self._last = log.last_at
        self._is_cut = log.is_cut
        self._people: dict[str, ParticipantIntervals] = {}
        self._bands: IntervalsByKind = {}
        self._saved: dict[str, Interval] = {}
        self._sounds: dict[int, ActiveSound] = {}
        self._recording: tuple[str, datetime] | None = None
        if self._is_cut and self._first is not None:
            self._observe(self._state.participants, self._first)

    def add(self, moment: Moment) -> None:
        """Apply the next moment."""
        state = self._state
        affected = {moment.call, state.floor} if moment.type not in _AFFECTS_ALL else {*state.present}
        state.apply(moment)
        if moment.type in _AFFECTS_ALL:
            affected |= state.present.keys()
        self._observe((call for call in affected if call in state.participants), moment.at)
        if moment.type == "conference.recording.saved":
            self._add_saved(moment)

    def finish(self, now: datetime) -> ConferenceIntervals:
        state = self._state
        start = state.started_at or self._first or now
        overdue = state.overdue_at or now
        last_known = max(now, self._last or now)
        end = max(start, min(state.ended_at or last_known, overdue if state.ended_at is None else state.ended_at))
        is_over = state.ended_at is not None or overdue < now
        for call, person in state.participants.items():
            self._person(call).observe(person, self._states(call, person), end)
            self._person(call).finish(person, end, is_over)
        self._observe_sounds({}, end)
        self._observe_recording(None, end)
        self._bands[RECORDED] = _subtract(_merge([*self._bands.get(RECORDED, ()), *self._saved.values()]), self._paused)
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
        if state.sounds or self._sounds:
            self._observe_sounds({id(active): active for active in state.sounds}, state.ended_at or at)
        self._observe_recording(state.recording.value if state.recording else None, state.ended_at or at)

    def _states(self, call: str, person: Participant) -> dict[str, bool]:
        muted, on_hold = person.muted(), person.facts.get("on_hold")
        return {
            TALKING: self._state.floor == call,
            MUTED: muted is not None and muted.value is True,
            ON_HOLD: on_hold is not None and on_hold.value is True,
        }

    def _observe_sounds(self, sounds: Mapping[int, ActiveSound], at: datetime) -> None:
        for key, active in self._sounds.items():
            if key not in sounds:
                if active.to is None:
                    _add(self._bands, active.kind, active.since, at)
                else:
                    _add(self._person(active.to).intervals, HEARING, active.since, at)
        self._sounds = dict(sounds)

    def _observe_recording(self, state: str | None, at: datetime) -> None:
        before = self._recording
        if before is not None and before[0] != state:
            _add(self._bands, before[0], before[1], at)
            self._recording = None
        if state in (RECORDED, PAUSED) and self._recording is None:
            self._recording = state, at

    def _add_saved(self, moment: Moment) -> None:
        detail: Mapping[str, Any] = moment.detail
        start, end = detail.get("recording_started_at"), detail.get("recording_ended_at")
        if start is not None and end is not None and start < end <= start + MAX_CONFERENCE_DURATION:
            self._saved.setdefault(detail.get("recording_id", moment.id), Interval(start, end))


def _add(intervals: IntervalsByKind, kind: str, start: datetime, end: datetime) -> None:
    if start < end:
        intervals.setdefault(kind, []).append(Interval(start, end))


def _merge(intervals: Iterable[Interval]) -> list[Interval]:
    """The intervals with overlapping ones merged."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda item: (item.start, item.end)):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def _subtract(intervals: Iterable[Interval], gaps: list[Interval]) -> list[Interval]:
    return [piece for interval in intervals for piece in _pieces_outside(interval, gaps)]


def _pieces_outside(interval: Interval, gaps: Iterable[Interval]) -> Iterator[Interval]:
    """The parts of an interval between gaps, which are in order."""
    start = interval.start
    for gap in gaps:
        if gap.end <= start or gap.start >= interval.end:
            continue
        if gap.start > start:
            yield Interval(start, gap.start)
        start = gap.end
    if start < interval.end:
        yield Interval(start, interval.end)
