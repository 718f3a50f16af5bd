"""OpenTelemetry spans under those of the MCP SDK, without content. Free where nothing exports them."""

from contextlib import AbstractContextManager, nullcontext

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, get_current_span, get_tracer

_tracer = get_tracer("telnyx-conferencing")
_none = nullcontext(INVALID_SPAN)


def span(name: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[Span]:
    """A span under the current one, if there is one; whether anything takes spans would take longer to find out.

    Exceptions, whose messages may repeat what is said on a call, are not in it.
    """
    if get_current_span() is INVALID_SPAN:
        return _none
    return _tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False)
