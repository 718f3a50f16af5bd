"""Makes text from callers and Telnyx safe to display: one line, nothing invisible, cut, quoted."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from ....tools.text import clean, quoted, short_id
from ..times import parse_time, to_utc

MAX_TEXT_LENGTH = 255
"""Characters of a text in a view: as long as the name of a queue may be."""
_MAX_QUOTED_LENGTH = 80
TAGS = str.maketrans({"<": "\u2039", ">": "\u203a"})
_MARKDOWN = re.compile(r"([\\`*_\[\](){}#|~&!:@$^=])")
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_:.=+/-]{1,512}")


def quote_data(value: Any) -> str:
    """Text that a caller or Telnyx chose, in quotation marks and without markup."""
    return "unknown" if value is None else quoted(str(value).translate(TAGS), _MAX_QUOTED_LENGTH)


def escape_markdown(text: str) -> str:
    """The text for Markdown, in which nothing becomes a heading, a link or emphasis."""
    return _WWW.sub(r"\1\\.", _MARKDOWN.sub(r"\\\1", text))


def short_identifier(value: Any) -> str:
    """The beginning of an id, enough to recognise it. Quoted if it does not look like an id."""
    return short_id(value) if isinstance(value, str) and is_identifier(value) else quote_data(value)


def is_identifier(value: str) -> bool:
    """Whether it looks like an id. Then it contains no markup, and needs no quotation marks."""
    return _IDENTIFIER.fullmatch(value) is not None


def clean_text(value: Any) -> str | None:
    """A text for a view. None if the value is not a text."""
    return (clean(value, MAX_TEXT_LENGTH) or None) if isinstance(value, str) else None


def strip_url(value: Any) -> str | None:
    """A URL without its query, fragment and password, which may be secret."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    return clean_text(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)


def count_or_none(value: Any) -> int | None:
    """A whole number that is not negative. None for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def time_or_none(value: Any) -> datetime | None:
    """A time in ISO 8601, as UTC. None for any other value."""
    if not isinstance(value, str | datetime):
        return None
    try:
        return to_utc(value) if isinstance(value, datetime) else parse_time(value)
    except ValueError:
        return None


def seconds(span: timedelta) -> int:
    """Whole seconds, at least 0."""
    return max(int(span.total_seconds()), 0)


def format_duration(span: timedelta, *, with_hours: bool = False) -> str:
    """A duration such as `2:13` or `1:02:13`. `with_hours`: `0:02:13`, with a minus sign if it is negative."""
    minutes, rest = divmod(seconds(abs(span) if with_hours else span), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours and not with_hours:
        return f"{minutes}:{rest:02}"
    return f"{'-' if span < timedelta() and with_hours else ''}{hours}:{minutes:02}:{rest:02}"


@lru_cache(maxsize=4096)  # every event needs the same few
def format_seconds(count: float) -> str:
    """`format_duration` of a number of seconds, rounded to a whole one."""
    return format_duration(timedelta(seconds=round(count)))


def resource_uri(place: str, name: str | None = None) -> str:
    """The URI of a resource: `telnyx://conferences`, `telnyx://queues/sales%20team`."""
    return f"telnyx://{place}" if name is None else f"telnyx://{place}/{quote(name, safe='', errors='replace')}"


REASONS: Mapping[str, str] = {
    "all_left": "everyone had left",
    "ended_via_api": "it was ended by a command",
    "host_left": "the host left",
    "time_exceeded": "its time was up",
    "bridged": "it was bridged",
    "bridging-in-process": "it is being bridged",
    "hangup": "it hung up",
    "leave": "it was removed",
    "timeout": "it waited too long",
}
"""Why a conference ended, and why a call left a queue, in words."""


def describe_reason(value: Any) -> str:
    """A reason in words. An unknown one is quoted."""
    return REASONS.get(value, quote_data(value)) if isinstance(value, str) else quote_data(value)
