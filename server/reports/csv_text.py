"""A report as CSV that opens in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Mapping

from ...tools.text import clean
from ..events.times import to_utc
from .figures import ReportRow

_BYTE_ORDER_MARK = "\ufeff"
"""Without it, some spreadsheets take UTF-8 for another encoding."""
_COLUMNS = (
    "kind",
    "name",
    "id",
    "started_at",
    "ended_at",
    "calls",
    "waits",
    "wait_s",
    "longest_wait_s",
    "abandoned",
    "talk_s",
    "hold_s",
    "muted_s",
    "recordings",
    "recorded_s",
    "approvals",
    "approved_by",
)
_STARTS_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""Some spreadsheets also take the wide forms, which Japanese and Chinese keyboards have."""
_NEXT_CELL = re.compile(rf"([;|]\s*)(?=[{re.escape(''.join(_STARTS_FORMULA))}])")
"""Some spreadsheets begin a cell at such a sign, also within a text."""
_MAX_TEXT_LENGTH = 1_000


def csv_header() -> bytes:
    """The line with the names of the columns."""
    return _BYTE_ORDER_MARK.encode() + _line(_COLUMNS)


def csv_row(row: ReportRow) -> bytes:
    """One row as a line. Times are in UTC, durations in seconds.

    A text that a spreadsheet would take for a formula, such as a number with a plus sign, begins with an apostrophe.
    """
    fields = row.to_json()
    times = {"started_at": row.started_at, "ended_at": row.ended_at}
    fields |= {name: f"{to_utc(at):%Y-%m-%d %H:%M:%S}" for name, at in times.items() if at is not None}
    approvals: Mapping[str, int] = fields.get("approved_by", {})
    fields["approved_by"] = "; ".join(f"{by} ({number})" for by, number in approvals.items())
    return _line(_as_text(fields.get(name, "")) for name in _COLUMNS)


def _as_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value, _MAX_TEXT_LENGTH)  # on one line, and without what a terminal would obey
    text = _NEXT_CELL.sub(r"\1'", text)
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def _line(values: Iterable[object]) -> bytes:
    output = io.StringIO()
    csv.writer(output).writerow(values)
    return output.getvalue().encode(errors="replace")
