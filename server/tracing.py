"""OpenTelemetry spans below the spans of the MCP SDK. They hold no content, and cost nothing if none are exported."""

from contextlib import AbstractContextManager, nullcontext

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, get_current_span, get_tracer

_tracer = get_tracer("telnyx-conferencing")
_no_span = nullcontext(INVALID_SPAN)


def span(name: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[Span]:
    """A span below the current one; none if there is no current span.

    It does not record exceptions, because their messages may repeat what was said on a call.
    """
    if get_current_span() is INVALID_SPAN:  # quicker than to ask whether an exporter is set up
        return _no_span
    return _tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False)
