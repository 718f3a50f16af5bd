"""Plain words: what callers chose is quoted, lists and numbers are kept short."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

_LONGEST = 80
_SHORT_ID = 14
_LONGEST_ID = 512
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACEHOLDER = re.compile(r"{(\w+)}")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors: letters to Unicode, invisible to a reader, and able to carry a hidden text."""


def clean(text: str, longest: int) -> str:
    """On one line, without characters that cannot be seen or that change how others are, and cut."""
    shown = " ".join(_seen(text[: longest * 4]).split())
    is_cut = len(shown) > longest or len(text) > longest * 4
    return f"{shown[: longest - 1]}…" if is_cut else shown


def _seen(text: str) -> str:
    if text.isascii() and text.isprintable():  # nearly always
        return text
    letters = _SELECTORS.sub("", text)
    return "".join(" " if unicodedata.category(letter) in _INVISIBLE else letter for letter in letters)


def quoted(text: str | None, longest: int = _LONGEST) -> str:
    """Text that somebody else chose, as data: in quotation marks, cleaned and cut."""
    if text is None:
        return "unknown"
    return "'" + clean(text, longest).replace("'", "\u2019") + "'"


def shortened(identifier: str) -> str:
    """As much of an id as a person needs to tell it from others."""
    return identifier if len(identifier) <= _SHORT_ID else f"{identifier[:_SHORT_ID]}…"


def count(number: int, noun: str) -> str:
    """`1 person`, `3 people`."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"


def listed(items: Sequence[str], most: int = 5) -> str:
    """The first few, and how many more."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def identifier(value: str) -> str:
    """An id that somebody has written: it may have anything but space in it."""
    return clean(value, _LONGEST_ID)


def _legs(value: Any) -> str:
    return (
        identifier(value)
        if isinstance(value, str)
        else identifier(value[0])
        if len(value) == 1
        else count(len(value), "call leg")
    )


def _called(value: Any) -> str:
    return (
        clean(value, _LONGEST) if isinstance(value, str) else listed([clean(one, _LONGEST) for one in value], most=50)
    )


def _room(value: Any) -> str:
    """Of a dial's conference_config."""
    named = quoted(value.conference_name) if value.conference_name else identifier(value.conference_id or "?")
    return f"conference {named}"


CONTENT = frozenset({"client_state", "digits", "payload"})
"""Arguments that hold what is said or keyed on a call, or what may be secret: records keep only how long they were."""


def hidden(value: Any) -> str:
    """How much there was, instead of what it was."""
    return f"({len(value)} characters)" if isinstance(value, str) else "(hidden)"


HIDDEN: Mapping[str, Callable[[Any], str]] = dict.fromkeys(CONTENT, hidden)
"""How these are said where it is kept."""

PLAIN: Mapping[str, Callable[[Any], str]] = {
    "conference_id": lambda value: f"conference {identifier(value)}",
    "participant_id": lambda value: f"participant {quoted(value)}",
    "queue_name": lambda value: f"queue {quoted(value)}",
    "call_control_id": lambda value: f"call {identifier(value)}",
    "call_control_ids": _legs,
    "whisper_call_control_ids": _legs,
    "other_call_control_id": lambda value: f"call {identifier(value)}",
    "supervise_call_control_id": lambda value: f"call {identifier(value)}",
    "conference_config": _room,
    "connection_id": lambda value: f"connection {identifier(value)}",
    "recording_id": lambda value: f"recording {identifier(value)}",
    "to": _called,
    "from_": _called,
    "name": quoted,
    "payload": quoted,
    "audio_url": quoted,
    "media_name": quoted,
    # Keyed digits may be a card number or a PIN: how many is all that is ever said.
    "digits": lambda value: count(len(value), "DTMF digit"),
}
"""How each argument is said; the rest are said as they are."""


def say(template: str, arguments: Mapping[str, Any], words: Mapping[str, Callable[[Any], str]] = PLAIN) -> str:
    """The template with `{argument}` replaced, and a `[part]` left out when an argument in it was not given."""
    said: list[str] = []
    for is_optional, texts, names in _parts(template):
        if is_optional and any(arguments.get(name) is None for name in names):
            continue
        for text, name in zip_longest(texts, names):
            said.append(text)
            if name is not None:
                said.append(words.get(name, str)(arguments[name]))
    return "".join(said)


@cache
def _parts(template: str) -> list[tuple[bool, list[str], list[str]]]:
    """The parts of a template: whether one is optional, its texts, and the arguments between them."""
    pieces = [_PLACEHOLDER.split(part) for part in _OPTIONAL.split(template)]
    return [(place % 2 == 1, piece[::2], piece[1::2]) for place, piece in enumerate(pieces)]
