"""The timeline of a conference as a self-contained SVG: participants as bars over time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ....tools.text import clean, count, listed, quoted, short_id
from .conference import MAX_CONFERENCE_DURATION, Conference
from .intervals import (
    HEARING,
    MUTED,
    ON_HOLD,
    PAUSED,
    PLAYBACK,
    RECORDED,
    SPEAK,
    TALKING,
    ConferenceIntervals,
    Interval,
    ParticipantIntervals,
    Stay,
    collect_intervals,
)
from .log import Log
from .presenter import MAX_PARTICIPANTS
from .sanitize import clean_text, describe_reason, format_duration, is_identifier, short_identifier
from .scale import Piece, Scale
from .svg_style import SIGNS, style, textures
from .timeline_text import summarize_duration

_WIDTH, _MARGIN, _ROW = 1080, 24, 28
_LABELS, _LEFT, _RIGHT = 176, 214, 1034
"""The width of labels, and the start and end of the time axis, in pixels."""
_MAX_LABEL_WIDTH, _MAX_TITLE_LENGTH = 22, 80
"""Characters. In labels, wide characters count twice."""
_MAX_PIECES = 24_000
"""Parts of bars. All turns of the longest log fit, because merged turns would be misleading."""
_SIGN_ROOM = 8
_MAX_STAYS = 3
_NO_XML = {0xFFFE: None, 0xFFFF: None}

_BARS: Mapping[str, tuple[float, float]] = {
    "stay": (6, 16),
    ON_HOLD: (6, 16),
    TALKING: (9.5, 9),
    MUTED: (6, 16),
    HEARING: (24, 3),
}
"""The kinds of bars in a row, in drawing order: distance from the top, and height."""
_BANDS: Mapping[str, Sequence[str]] = {"Recording": (RECORDED, PAUSED), "Played to everyone": (PLAYBACK, SPEAK)}
_BAND = (9, 10)

_LEGEND: Mapping[str, str] = {
    "stay": "in the conference",
    TALKING: "talking (has the floor)",
    MUTED: "muted",
    ON_HOLD: "on hold",
    HEARING: "hears a file or text alone",
    RECORDED: "recording",
    PAUSED: "recording paused",
    PLAYBACK: "file to everyone",
    SPEAK: "text to everyone",
    "joined": "joined",
    "unknown": "joined at an unknown time",
    "left": "left",
    "hangup": "hung up",
    "conference ended": "conference ended",
    "not listed": "no longer there, according to the API",
}
_DEPARTURES: Mapping[str, str] = {"hangup": "hung up", "not listed": "no longer there"}


def timeline_svg(conference_id: str, log: Log[Conference], names: Mapping[str, str], now: datetime) -> str:
    """An SVG for light and dark screens, with a row for each of the first 300 participants.

    `names`: names for call legs, by call_control_id. An open conference is drawn up to `now`. The size is bounded: bars
    that are too close together are merged, and a note says so.
    """
    intervals = collect_intervals(log, now)
    name = log.state.api_fields.get("name")
    title = f"Conference {short_identifier(conference_id) if name is None else quoted(name, _MAX_TITLE_LENGTH)}"
    rows = [_Row(person, _name(person.call, names)) for person in intervals.participants[:MAX_PARTICIPANTS]]
    subtitle = summarize_duration(log.state, intervals.start, now, describe_reason)
    return tostring(_Drawing(intervals, rows, title, subtitle).draw(), encoding="unicode") + "\n"


def _name(call: str, names: Mapping[str, str]) -> str:
    """The name or number of a participant, or else the id."""
    return clean_text(names.get(call)) or (short_id(call) if is_identifier(call) else clean(call, _MAX_LABEL_WIDTH))


def _cut(name: str) -> str:
    """The beginning of a name that fits into a row."""
    widths = list(accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in name))
    return name if widths[-1] <= _MAX_LABEL_WIDTH else f"{name[: sum(width < _MAX_LABEL_WIDTH for width in widths)]}…"


@dataclass(frozen=True, slots=True)
class _Row:
    person: ParticipantIntervals
    name: str

    def spans(self, kind: str, intervals: ConferenceIntervals) -> Iterable[Interval]:
        if kind == "stay":
            ends = (
                (stay.start or intervals.cut_at or intervals.start, stay.end or intervals.end)
                for stay in self.person.stays
            )
            return [Interval(min(start, end), end) for start, end in ends]
        return self.person.intervals.get(kind, ())

    def signs(self) -> Iterator[tuple[str, datetime | None]]:
        """How and when the participant joined and left."""
        for stay in self.person.stays:
            yield ("unknown", None) if stay.start is None else ("joined", stay.start)
            if stay.end is not None and stay.because is not None:
                yield stay.because, stay.end


class _Drawing:
    def __init__(self, intervals: ConferenceIntervals, rows: Sequence[_Row], title: str, subtitle: str) -> None:
        self._intervals = intervals
        self._rows = rows
        self._title = title
        self._subtitle = subtitle
        joins = [stay.start for row in rows for stay in row.person.stays if stay.start is not None]
        first = max(min([intervals.start, *joins]), intervals.start - MAX_CONFERENCE_DURATION)
        self._scale = Scale(intervals.start, first, intervals.end, _LEFT, _RIGHT - _LEFT)
        self._grain = self._coarseness()
        self._used = {"stay"}
        """The kinds that the legend explains."""

    def _coarseness(self) -> float:
        """The distance in pixels below which bars are merged: 1, or more if there are too many bars."""
        grain = 1.0
        all_intervals = [row.spans(kind, self._intervals) for row in self._rows for kind in _BARS]
        all_intervals += self._intervals.bands.values()
        while (
            sum(len(self._scale.pieces(intervals, grain)) for intervals in all_intervals) > _MAX_PIECES
            and grain < _WIDTH
        ):
            grain *= 2
        return grain

    def draw(self) -> Element:
        """The whole drawing, from top to bottom."""
        body = Element("g")
        height = self._draw_bands(body)
        for row in self._rows:
            self._draw_row(SubElement(body, "g", {"role": "img", "transform": f"translate(0 {height})"}), row)
            height += _ROW
        legend, top = self._legend()
        top += 26
        body.set("transform", f"translate(0 {top})")
        notes = self._notes()
        bottom = top + height + 14 + 20 * len(notes)
        root = self._root(bottom + 10)
        root.extend([*self._heading(notes), legend, self._stripes(top, top + height)])
        root.extend([self._axis(top, top + height), body])
        for number, note in enumerate(notes):
            _text(root, _MARGIN, top + height + 24 + 20 * number, note, "soft small")
        indent(root, " ")
        return root

    def _root(self, height: int) -> Element:
        attributes = {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": str(_WIDTH),
            "height": str(height),
            "role": "graphics-document document",
            "aria-labelledby": "conference-title",
            "aria-describedby": "conference-about",
        }
        return Element("svg", attributes)

    def _heading(self, notes: Sequence[str]) -> Iterator[Element]:
        title, about = Element("title", {"id": "conference-title"}), Element("desc", {"id": "conference-about"})
        title.text = _fit(self._title)
        people = listed([quoted(row.name) for row in self._rows])
        who = f"{count(len(self._intervals.participants), 'person')}: {people}." if people else "Nobody has joined."
        about.text = _fit(" ".join([self._subtitle, who, *notes]))
        yield from (title, about, style(), textures())
        heading = Element("g", {"aria-hidden": "true"})
        SubElement(heading, "rect", {"class": "paper", "width": "100%", "height": "100%"})
        _text(heading, _MARGIN, 40, self._title, "ink title")
        _text(heading, _MARGIN, 63, self._subtitle, "soft")
        yield heading

    def _stripes(self, top: int, bottom: int) -> Element:
        """Stripes behind every second row."""
        wide = (_MARGIN - 8, _WIDTH - _MARGIN + 8)
        shape = "".join(_box(wide, y, _ROW) for y in range(bottom - _ROW, top - 1, -2 * _ROW))
        return Element("path", {"class": "band", "d": shape})

    def _axis(self, top: int, bottom: int) -> Element:
        axis = Element("g", {"class": "ticks", "aria-hidden": "true"})
        last = _clock(self._intervals.end - self._intervals.start)
        end = last if self._intervals.is_over else f"now {last}"
        ticks = list(self._scale.ticks())
        lines = "".join(f"M{_number(x)} {top - 4}V{bottom}" for x, _ in ticks if x < _RIGHT)
        SubElement(axis, "path", {"class": "grid", "d": lines})
        edge = SubElement(axis, "path", {"class": "edge", "d": f"M{_RIGHT} {top - 4}V{bottom}"})
        if not self._intervals.is_over:
            edge.set("stroke-dasharray", "4 3")
        for x, label in ticks:
            if x < _RIGHT - (64 if last == end else 116):
                _text(axis, x, top - 10, label, "soft small").set("text-anchor", "middle")
        _text(axis, _RIGHT, top - 10, end, "ink small strong").set("text-anchor", "middle" if last == end else "end")
        return axis

    def _draw_bands(self, body: Element) -> int:
        height = 0
        for label, kinds in _BANDS.items():
            spans = {kind: self._intervals.bands[kind] for kind in kinds if self._intervals.bands.get(kind)}
            if not spans:
                continue
            band = SubElement(body, "g", {"role": "img", "transform": f"translate(0 {height})"})
            sentences = (f"{_LEGEND[kind].capitalize()} {self._times(intervals)}." for kind, intervals in spans.items())
            SubElement(band, "title").text = " ".join(sentences)
            _text(band, _MARGIN, 19, label, "soft")
            for kind, intervals in spans.items():
                self._bar(band, kind, intervals, *_BAND)
            height += _ROW
        return height

    def _draw_row(self, group: Element, row: _Row) -> None:
        SubElement(group, "title").text = _fit(self._about(row))
        # An inner svg clips a name that is too wide or too tall.
        label = SubElement(group, "svg", {"x": str(_MARGIN), "width": str(_LABELS), "height": str(_ROW)})
        _text(label, 0, 18.5, _cut(row.name), "ink")
        for kind, (down, high) in _BARS.items():
            self._bar(group, kind, row.spans(kind, self._intervals), down, high)
        self._draw_signs(group, row)

    def _bar(self, group: Element, kind: str, spans: Iterable[Interval], down: float, high: float) -> None:
        pieces = self._scale.pieces(spans, self._grain)
        if pieces:
            self._used.add(kind)
            SubElement(group, "path", {"class": kind, "d": "".join(_box(piece, down, high) for piece in pieces)})

    def _draw_signs(self, group: Element, row: _Row) -> None:
        shapes: dict[str, list[str]] = {}
        last: dict[str, float] = {}
        for kind, at in row.signs():
            x = self._scale.first if at is None else at
            place = self._scale.x(x) + (-_SIGN_ROOM if kind in ("joined", "unknown") else _SIGN_ROOM)
            if place - last.get(kind, -_WIDTH) >= max(self._grain, 4):
                last[kind] = place
                shapes.setdefault(kind, []).append(SIGNS[kind][1].format(_number(place), 14))
        for kind, paths in shapes.items():
            self._used.add(kind)
            SubElement(group, "path", {"class": SIGNS[kind][0], "d": "".join(paths)})

    def _legend(self) -> tuple[Element, int]:
        """The legend for the kinds that occur, and its bottom edge."""
        legend = Element("g", {"aria-hidden": "true"})
        x, y = _MARGIN, 92
        for kind, label in _LEGEND.items():
            if kind not in self._used:
                continue
            wide = 30 + round(6.2 * len(label)) + 16
            if x + wide > _WIDTH - _MARGIN:
                x, y = _MARGIN, y + 22
            self._sample(legend, kind, x, y)
            _text(legend, x + (30 if kind not in SIGNS else 16), y + 4, label, "ink small")
            x += wide if kind not in SIGNS else wide - 14
        return legend, y + 16

    def _sample(self, legend: Element, kind: str, x: int, y: int) -> None:
        if kind in SIGNS:
            SubElement(legend, "path", {"class": SIGNS[kind][0], "d": SIGNS[kind][1].format(x + 5, y)})
            return
        high = _BARS.get(kind, _BAND)[1]
        if kind in (TALKING, MUTED):
            SubElement(legend, "path", {"class": "stay", "d": _box((x, x + 22), y - 8, 16)})
        SubElement(legend, "path", {"class": kind, "d": _box((x, x + 22), y - high / 2, high)})

    def _notes(self) -> list[str]:
        more = len(self._intervals.participants) - len(self._rows)
        cut_at = self._intervals.cut_at
        notes: list[str] = []
        if more > 0:
            notes.append(f"{count(more, 'person')} who joined later {'is' if more == 1 else 'are'} left out.")
        if cut_at is not None:
            notes.append(f"Events before {_clock(cut_at - self._intervals.start)} are left out.")
        if self._grain > 1:
            notes.append(f"Bars less than {format_duration(self._scale.lasts(self._grain))} apart are merged.")
        return notes

    def _about(self, row: _Row) -> str:
        """A row in words, for screen readers."""
        stays = [self._stay(stay) for stay in row.person.stays]
        doing = [
            f"{_LEGEND[kind].capitalize()} {self._times(row.person.intervals[kind])}."
            for kind in (TALKING, MUTED, ON_HOLD, HEARING)
            if row.person.intervals.get(kind)
        ]
        return " ".join([f"{row.name}: in it {listed(stays, _MAX_STAYS)}.", *doing])

    def _stay(self, stay: Stay) -> str:
        start = "from an unknown time" if stay.start is None else f"from {_clock(stay.start - self._intervals.start)}"
        if stay.end is None:
            return f"{start} until now"
        how = _DEPARTURES.get(stay.because or "", stay.because)
        return f"{start} to {_clock(stay.end - self._intervals.start)} ({how})"

    def _times(self, spans: Sequence[Interval]) -> str:
        """How often, and how long in total."""
        total = sum((span.end - span.start for span in spans), timedelta())
        return f"{count(len(spans), 'time')}, {format_duration(total)} in total"


def _clock(since: timedelta) -> str:
    return format_duration(since, with_hours=True)


def _text(parent: Element, x: float, y: float, words: str, style_class: str) -> Element:
    text = SubElement(parent, "text", {"x": _number(x), "y": _number(y), "class": style_class})
    text.text = _fit(words)
    return text


def _fit(words: str) -> str:
    """The text without characters that XML forbids. Invisible ones were removed before."""
    return words.translate(_NO_XML)


def _box(piece: Piece, down: float, high: float) -> str:
    begin, end = piece
    wide = _number(end - begin)
    return f"M{_number(begin)} {_number(down)}h{wide}v{_number(high)}h-{wide}z"


def _number(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")
