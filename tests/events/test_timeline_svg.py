"""The timeline of a conference as a picture: one SVG that a person sees and a screen reader reads."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.projection_stories import START, Story, event, fold
from telnyx_conferencing.server.events.event import StoredEvent
from telnyx_conferencing.server.events.projection.projection import Projection

from .test_timeline import support_call

EXAMPLE = Path(__file__).parents[2] / "docs" / "timeline.svg"
ROOM = "11111111-2222-4333-8444-555555555555"
SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "desc", "style", "defs", "pattern", "g", "rect", "path", "text"}


def of_room(type_: str, at: float, call: str | None = None, **payload: str) -> StoredEvent:
    return event(f"conference.{type_}", at, call=call, conference_id=ROOM, **payload)


def drawn(
    events: Sequence[StoredEvent] | Projection, at: float = 600, names: Mapping[str, str] | None = None
) -> ElementTree.Element:
    """The drawing of the room, `at` seconds after the start, as parsed XML."""
    projection = events if isinstance(events, Projection) else fold(events)
    drawing = projection.timeline_svg(ROOM, START + timedelta(seconds=at), names)
    assert drawing is not None
    return ElementTree.fromstring(drawing)


def rows(root: ElementTree.Element) -> list[str]:
    """What a screen reader says of each row."""
    return [row.findtext(f"{SVG}title", "") for row in root.iter(f"{SVG}g") if row.get("role") == "img"]


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def bars(root: ElementTree.Element, kind: str) -> list[list[tuple[float, float]]]:
    """From where to where the bars of a kind reach in each row that has any, in pixels."""
    found = [path.get("d", "") for path in root.findall(f".//{SVG}g[@role='img']/{SVG}path[@class='{kind}']")]
    boxes = [re.findall(r"M([\d.]+) [\d.]+h([\d.]+)", shape) for shape in found]
    return [[(float(x), float(x) + float(wide)) for x, wide in row] for row in boxes]


def support_call_drawn() -> str:
    story, room = support_call()
    projection = story.projection()
    projection.merge_conference({"id": room, "name": "Refund *urgent*"}, None, story.now)
    drawing = projection.timeline_svg(room, story.now, names={story.part("agent"): "Ann"})
    assert drawing is not None
    return drawing


def test_the_drawing_in_the_docs_is_up_to_date() -> None:
    drawing = support_call_drawn()
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        EXAMPLE.write_text(drawing, "utf-8")
    assert drawing == EXAMPLE.read_text("utf-8"), "if that is meant, UPDATE_SNAPSHOTS=1 make test rewrites it"


def test_each_row_has_a_description() -> None:
    assert rows(ElementTree.fromstring(support_call_drawn())) == [
        "Recording 1 time, 1:48 in total.",
        "Text to everyone 1 time, 0:01 in total.",
        "Ann: in it from 0:00:00 to 0:02:06 (left). Talking (has the floor) 2 times, 1:16 in total.",
        "+12025550111: in it from 0:00:02 to 0:02:03 (hung up). Talking (has the floor) 2 times, 0:32 in total. "
        "On hold 1 time, 0:40 in total. Hears a file or text alone 1 time, 0:10 in total.",
        "+12025550122: in it from 0:00:59 to 0:02:06 (left). Muted 1 time, 1:07 in total.",
    ]


def test_the_drawing_has_a_title_and_a_description() -> None:
    root = ElementTree.fromstring(support_call_drawn())
    assert root.findtext(f"{SVG}title") == "Conference 'Refund *urgent*'"
    assert root.findtext(f"{SVG}desc") == (
        "Started 2025-01-01 12:00:00 UTC, lasted 2:06, at most 3 people at a time. It ended: everyone had left. "
        "3 people: 'Ann', '+12025550111', '+12025550122'."
    )
    named = {element.get("id") for element in root.iter()}
    assert {root.get("aria-labelledby"), root.get("aria-describedby")} <= named


def test_the_file_is_self_contained_and_has_no_scripts() -> None:
    drawing = support_call_drawn()
    root = ElementTree.fromstring(drawing)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= TAGS
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert set(re.findall(r"url\(([^)]*)\)", drawing)) <= {"#on-hold", "#muted", "#hearing"}
    assert set(re.findall(r"https?://[^\s\"'<]+", drawing)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in drawing


HOSTILE = (
    '</text></svg><script>alert(1)</script><image href="https://example.com/x.png"/>',
    "<![CDATA[ & \" ' > ]]> &amp; &#60;",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \u200f\u05e9\u05dc\u05d5\u05dd",
    "a\x00b\x1bc\ufffed\uffff\ud800e\n\tf",
    "x" * 10_000,
    "\u7530\u4e2d" * 5_000,
    "Z" + "\u0335\u0321" * 5_000,
    "url(#muted);}</style><style>*{display:none}",
)


def test_hostile_names_are_only_text() -> None:
    joined = [of_room("participant.joined", at, f"leg-{at}") for at in range(len(HOSTILE))]
    calm = {element.tag for element in drawn(joined).iter()}
    root = drawn(joined, names={f"leg-{at}": name for at, name in enumerate(HOSTILE)})
    assert {element.tag for element in root.iter()} == calm
    labels = rows(root)
    assert labels[0].startswith(f"{HOSTILE[0]}: in it")
    assert labels[1].startswith(f"{HOSTILE[1]}: in it")
    assert labels[2].startswith("gnp.exe hidden \u05e9\u05dc\u05d5\u05dd: in it")
    assert labels[3].startswith("a b c d e f: in it")
    assert all(len(row) < 320 for row in labels)
    assert all(len(text) <= 160 for text in texts(root))
    everything = "".join(root.itertext())
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", everything)


def test_a_hostile_conference_id_is_only_text() -> None:
    id_ = "</title><script>x</script>\u202e"
    drawing = fold([event("conference.created", 0, call="a", conference_id=id_)]).timeline_svg(id_, START)
    assert drawing is not None
    root = ElementTree.fromstring(drawing)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= TAGS
    assert "script" in root.findtext(f"{SVG}title", "")


def test_a_participant_who_came_back_has_a_bar_for_each_stay() -> None:
    stays = [of_room(f"participant.{('joined', 'left')[at % 2]}", at * 60, "a") for at in range(6)]
    root = drawn([*stays, of_room("ended", 600)])
    [several] = bars(root, "stay")
    assert len(several) == 3
    assert rows(root) == [
        "a: in it from 0:00:00 to 0:01:00 (left), from 0:02:00 to 0:03:00 (left), from 0:04:00 to 0:05:00 (left)."
    ]


def test_an_open_conference_is_drawn_up_to_now() -> None:
    events = [of_room("participant.joined", 0, "a"), of_room("participant.joined", 30, "b")]
    first_drawing, second_drawing = drawn(events, 60), drawn(events, 3_600)
    assert bars(first_drawing, "stay") == [[(214, 1034)], [(624, 1034)]]
    assert bars(second_drawing, "stay")[0] == [(214, 1034)]
    assert "now 0:01:00" in texts(first_drawing)
    assert rows(second_drawing)[1] == "b: in it from 0:00:30 until now."


def test_a_participant_whose_join_was_missed_has_a_bar_from_the_beginning() -> None:
    root = drawn([of_room("floor.changed", 0, "a"), of_room("participant.left", 60, "a"), of_room("ended", 120)])
    assert rows(root) == [
        "a: in it from an unknown time to 0:01:00 (left). Talking (has the floor) 1 time, 1:00 in total."
    ]
    assert "joined at an unknown time" in texts(root)


def test_a_recording_is_known_from_its_event_alone_and_its_pause_from_commands() -> None:
    times = {"recording_started_at": "2025-01-01T12:00:10Z", "recording_ended_at": "2025-01-01T12:01:10Z"}
    events = [
        of_room("participant.joined", 0, "a"),
        of_room("recording.saved", 75, recording_id="r", **times),
        of_room("ended", 100),
    ]
    assert rows(drawn(events))[0] == "Recording 1 time, 1:00 in total."
    projection = fold(events)
    for tool, at in (("start_recording", 10), ("pause_recording", 20), ("resume_recording", 40)):
        projection.record_command(tool, {"conference_id": ROOM}, START + timedelta(seconds=at))
    assert rows(drawn(projection))[0] == "Recording 2 times, 0:40 in total. Recording paused 1 time, 0:20 in total."


def test_ticks_are_at_sensible_steps() -> None:
    for seconds, expected in (
        (8, ["0:00:00", "0:00:01", "0:00:02"]),
        (600, ["0:00:00", "0:02:00", "0:04:00"]),
        (3 * 3600, ["0:00:00", "0:30:00", "1:00:00"]),
    ):
        events = [of_room("participant.joined", 0, "a"), of_room("ended", seconds)]
        assert [text for text in texts(drawn(events, seconds)) if re.fullmatch(r"\d:\d\d:\d\d", text)][:3] == expected


def test_the_first_300_participants_are_drawn_and_the_others_are_counted() -> None:
    root = drawn([of_room("participant.joined", at / 10, f"leg-{at}") for at in range(420)])
    assert len(rows(root)) == 300
    assert "120 people who joined later are left out." in texts(root)


CROWD = [of_room("participant.joined", 0, f"leg-{one}") for one in range(250)]


@pytest.mark.slow
def test_every_turn_of_four_hours_of_talk_is_drawn() -> None:
    turns = [of_room("floor.changed", 1 + at * 0.8, f"leg-{at * 7 % 250}") for at in range(17_000)]
    drawing = fold([*CROWD, *turns]).timeline_svg(ROOM, START + timedelta(hours=3.9))
    assert drawing is not None
    assert len(drawing) < 700_000
    root = ElementTree.fromstring(drawing)
    assert len(list(root.iter())) < 2_500
    assert sum(map(len, bars(root, "talking"))) == 17_000


@pytest.mark.slow
def test_too_many_bars_are_merged_with_a_note() -> None:
    projection = fold(CROWD)
    for at in range(400):
        tool = ("mute_participants", "unmute_participants")[at % 2]
        projection.record_command(tool, {"conference_id": ROOM}, START + timedelta(seconds=30 * (at + 1)))
    root = drawn(projection, 14_000)
    assert sum(map(len, bars(root, "muted"))) < 24_000
    assert "Bars less than 0:34 apart are merged." in texts(root)


def test_dropped_events_are_replaced_by_a_note() -> None:
    stays = [of_room(f"participant.{('joined', 'left')[at % 2]}", at, "a") for at in range(50)]
    root = drawn(fold(stays, moments_kept=10), 60)
    assert [text for text in texts(root) if text.startswith("Events before 0:00:")]


def test_a_conference_without_participants_is_drawn_too() -> None:
    root = drawn([of_room("created", 0)])
    assert rows(root) == []
    assert "Nobody has joined." in root.findtext(f"{SVG}desc", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(scheme: str) -> None:
    style = ElementTree.fromstring(support_call_drawn()).findtext(f"{SVG}style", "")
    light, _, dark = style.partition("@media (prefers-color-scheme:dark)")
    fills = dict(re.findall(r"\.(\w+)\{fill:#([0-9a-f]{6})", light if scheme == "light" else dark))
    for text in ("ink", "soft"):
        for ground in ("paper", "band"):
            assert contrast(fills[text], fills[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_muted_and_on_hold_differ_without_colour() -> None:
    root = ElementTree.fromstring(support_call_drawn())
    turned = {pattern.get("id"): pattern.get("patternTransform") for pattern in root.iter(f"{SVG}pattern")}
    style = root.findtext(f"{SVG}style", "")
    assert ".on_hold{fill:url(#on-hold)}.muted{fill:url(#muted)}" in style
    assert turned["on-hold"] != turned["muted"]


def test_an_unknown_conference_has_no_drawing() -> None:
    assert Story().projection().timeline_svg(ROOM, START) is None
