"""Text for results and questions: cleans and quotes what callers chose, and shortens lists."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from itertools import zip_longest
from typing import Any

_MAX_QUOTED_LENGTH = 80
_SHORT_ID_LENGTH = 14
_MAX_ID_LENGTH = 512
_NUMBER = re.compile(r"\+?[0-9]{1,15}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACEHOLDER = re.compile(r"{(\w+)}")
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff"
    "\u2800\U00016fe4\U0001d159]"
)
"""Letters, marks and symbols that a reader does not see, and that can carry hidden text: Unicode's property
Default_Ignorable_Code_Point beyond the categories above (variation selectors, fillers, joiners), and blank symbols."""


def clean(text: str, max_length: int) -> str:
    """The text on one line, without invisible or layout-changing characters, and cut to a length."""
    visible = " ".join(_visible(text[: max_length * 4]).split())
    is_cut = len(visible) > max_length or len(text) > max_length * 4
    return f"{visible[: max_length - 1]}…" if is_cut else visible


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():  # the common case
        return text
    return "".join(map(_visible_letter, text))


def _visible_letter(letter: str) -> str:
    """The letter, or what replaces an invisible one: nothing for a combining mark, else a space."""
    category = unicodedata.category(letter)
    if category in _INVISIBLE_CATEGORIES or _IGNORABLE.match(letter):
        return "" if category == "Mn" else " "
    return letter


def quoted(text: str | None, max_length: int = _MAX_QUOTED_LENGTH) -> str:
    """Text that a caller or a model chose, as data: in quotation marks, cleaned and cut."""
    if text is None:
        return "unknown"
    return "'" + clean(text, max_length).replace("'", "\u2019") + "'"


def quoted_unless_number(text: str, max_length: int = _MAX_QUOTED_LENGTH) -> str:
    """`quoted`, but a plain phone or extension number as it is."""
    return text if _NUMBER.fullmatch(text) else quoted(text, max_length)


def short_id(identifier: str) -> str:
    """The start of an id: enough for a person to recognize it."""
    return identifier if len(identifier) <= _SHORT_ID_LENGTH else f"{identifier[:_SHORT_ID_LENGTH]}…"


def count(number: int, noun: str) -> str:
    """`1 person`, `3 people`."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"


def spoken_words(text: str) -> float:
    """How many English words take as long to say as a text. Some scripts have no spaces between words."""
    words = ((len(word), sum(unicodedata.east_asian_width(letter) in "WF" for letter in word)) for word in text.split())
    return sum(max(1, wide / 2, length / 12) for length, wide in words)


def listed(items: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first items, and how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + more


def clean_id(value: str) -> str:
    """An id that a caller wrote, cleaned: it may contain anything but spaces."""
    return clean(value, _MAX_ID_LENGTH)


def _legs(value: Any) -> str:
    return (
        clean_id(value)
        if isinstance(value, str)
        else clean_id(value[0])
        if len(value) == 1
        else count(len(value), "call leg")
    )


def _numbers(value: Any) -> str:
    """Destinations are never cut: the host of a SIP URI is at its end."""
    numbers: list[str] = [value] if isinstance(value, str) else value
    return listed([clean_id(number) for number in numbers], most=50)


def _conference(value: Any) -> str:
    """The conference in a dial's conference_config."""
    name = quoted(value.conference_name) if value.conference_name else clean_id(value.conference_id or "?")
    return f"conference {name}"


CONTENT_ARGUMENTS = frozenset({"client_state", "digits", "payload", "invalid_payload", "search", "text"})
"""Arguments that hold call content or may be secret: records keep only their length."""


def redacted(value: Any) -> str:
    """The length of a value, in place of the value."""
    return f"({len(value)} characters)" if isinstance(value, str) else "(hidden)"


REDACTORS: Mapping[str, Callable[[Any], str]] = dict.fromkeys(CONTENT_ARGUMENTS, redacted)
"""Describes content arguments in records."""

DESCRIBERS: Mapping[str, Callable[[Any], str]] = {
    "conference_id": lambda value: f"conference {clean_id(value)}",
    "participant_id": lambda value: f"participant {quoted(value)}",
    "queue_name": lambda value: f"queue {quoted(value)}",
    "call_control_id": lambda value: "everyone" if value == "everyone" else f"call {clean_id(value)}",
    "call_control_ids": _legs,
    "whisper_call_control_ids": _legs,
    "other_call_control_id": lambda value: f"call {clean_id(value)}",
    "supervise_call_control_id": lambda value: f"call {clean_id(value)}",
    "conference_config": _conference,
    "connection_id": lambda value: f"connection {clean_id(value)}",
    "recording_id": lambda value: f"recording {clean_id(value)}",
    "to": _numbers,
    "from_": _numbers,
    "name": quoted,
    "payload": quoted,
    "invalid_payload": quoted,
    "search": quoted,
    "audio_url": quoted,
    "media_name": quoted,
    # Digits may be a card number or a PIN, so only their count is given.
    "digits": lambda value: count(len(value), "DTMF digit"),
}
"""Describes each argument; others are used as they are."""


def describe(
    template: str, arguments: Mapping[str, Any], describers: Mapping[str, Callable[[Any], str]] = DESCRIBERS
) -> str:
    """Fill in `{argument}` in a template, and leave out a `[part]` whose argument was not given."""
    filled: list[str] = []
    for is_optional, texts, names in _parts(template):
        if is_optional and any(arguments.get(name) is None for name in names):
            continue
        for text, name in zip_longest(texts, names):
            filled.append(text)
            if name is not None:
                filled.append(describers.get(name, str)(arguments[name]))
    return "".join(filled)


@cache
def _parts(template: str) -> list[tuple[bool, list[str], list[str]]]:
    """The parts of a template: whether each is optional, its texts, and the arguments between them."""
    pieces = [_PLACEHOLDER.split(part) for part in _OPTIONAL.split(template)]
    return [(place % 2 == 1, piece[::2], piece[1::2]) for place, piece in enumerate(pieces)]


def read_duration(text: str) -> timedelta:
    """A time such as `30s`, `5m`, `12h` or `30d`. Raises `ValueError`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ValueError("must be a time such as 30s, 5m, 12h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(span: timedelta) -> str:
    """A time in words, in its largest whole unit, such as `90 s`, `5 min` or `2 h`."""
    total = int(span.total_seconds())
    size, unit = next((size, unit) for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if total % size == 0)
    return f"{total // size} {unit}"
