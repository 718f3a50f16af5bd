"""The log on stderr, as text or JSON lines. It never contains what a call says, its numbers or its names."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import INVALID_TRACE_ID, format_trace_id, get_current_span

from ..guard import CallRecord
from ..settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIELDS = "fields"

calls = logging.getLogger("telnyx_conferencing.calls")


def log_to_stderr(settings: Settings) -> None:
    """Log this project at the level in the settings. Libraries log addresses and content, so only their warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler])
    level = settings.log_level or ("info" if settings.log_format == "json" else "warning")
    logging.getLogger("telnyx_conferencing").setLevel(level.upper())


def log_call(record: CallRecord, request_id: str | int | None) -> None:
    """Log one line for a finished tool call."""
    if not calls.isEnabledFor(logging.INFO):
        return
    milliseconds = round((record.seconds or 0) * 1000)
    trace = get_current_span().get_span_context().trace_id
    fields = {
        "tool": record.tool.tool_name(),
        "outcome": record.outcome,
        "ms": milliseconds,
        "session": record.caller.session,
        "call": record.call,
        "request_id": request_id,
        "telnyx_request_id": record.telnyx.request_id if record.telnyx is not None else None,
        "trace_id": None if trace == INVALID_TRACE_ID else format_trace_id(trace),
    }
    present = {name: value for name, value in fields.items() if value is not None}
    calls.info("%s: %s in %d ms", fields["tool"], record.outcome, milliseconds, extra={_FIELDS: present})


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {"time": at, "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage(), **getattr(record, _FIELDS, {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
