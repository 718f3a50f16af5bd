"""What callers and Telnyx sent, made safe to show: one line, nothing invisible, cut, quoted."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from ....tools.text import clean, quoted, short_id
from ..times import parse_time, to_utc

MAX_TEXT_LENGTH = 255
"""Characters of a text that a view shows: as long as a queue's name may be."""
_SHOWN = 80
_TAGS = str.maketrans({"<": "\u2039", ">": "\u203a"})
_MARKDOWN = re.compile(r"([\\`*_\[\](){}#|~&!:@$^=])")
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_:.=+/-]{1,512}")


def data(value: Any) -> str:
    """Something that somebody else chose, in quotation marks, with no markup in it."""
    return "unknown" if value is None else quoted(str(value).translate(_TAGS), _SHOWN)


def markdown(text: str) -> str:
    """A text as it stands in Markdown: nothing in it is a heading, a link, an emphasis."""
    return _WWW.sub(r"\1\\.", _MARKDOWN.sub(r"\\\1", text))


def identifier(value: Any) -> str:
    """An id, as much of it as a person needs; quoted if it does not look like one."""
    return short_id(value) if isinstance(value, str) and is_identifier(value) else data(value)


def is_identifier(value: str) -> bool:
    """Whether it looks like an id: nothing in it is markup, so that it may stand without quotation marks."""
    return _IDENTIFIER.fullmatch(value) is not None


def text(value: Any) -> str | None:
    """A text for a view; None where it is none."""
    return (clean(value, MAX_TEXT_LENGTH) or None) if isinstance(value, str) else None


def address(value: Any) -> str | None:
    """A URL without its query, fragment and password, which may be secret."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    return text(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)


def whole(value: Any) -> int | None:
    """A number that is not negative; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601, as UTC; None where it is none."""
    try:
        return to_utc(value) if isinstance(value, datetime) else parse_time(value)
    except (TypeError, ValueError):
        return None


def seconds(span: timedelta) -> int:
    """Whole seconds, at least none."""
    return max(int(span.total_seconds()), 0)


def format_duration(span: timedelta) -> str:
    """A duration as `2:13`, or `1:02:13`."""
    minutes, rest = divmod(seconds(span), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@lru_cache(maxsize=4096)  # every event asks for the same few, some times over
def resource_uri(place: str, name: str | None = None) -> str:
    """The URI of a resource: `telnyx://conferences`, `telnyx://queues/sales%20team`."""
    return f"telnyx://{place}" if name is None else f"telnyx://{place}/{quote(name, safe='', errors='replace')}"


REASONS: Mapping[str, str] = {
    "all_left": "everyone had left",
    "ended_via_api": "it was ended by command",
    "host_left": "the host left",
    "time_exceeded": "its time was up",
    "bridged": "it was bridged",
    "bridging-in-process": "it is being bridged",
    "hangup": "it hung up",
    "leave": "it was taken out",
    "timeout": "it waited too long",
}
"""Why a conference ended, and why a call left a queue."""


def reason(value: Any) -> str:
    """In words; a reason that is not known here is quoted."""
    return REASONS.get(value, data(value)) if isinstance(value, str) else data(value)
