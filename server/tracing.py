"""OpenTelemetry spans under those of the MCP SDK, without content. Free where nothing exports them."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, get_tracer

_tracer = get_tracer("telnyx-conferencing")


def span(name: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[Span]:
    """A span under the current one. Exceptions, whose messages may repeat what is said on a call, are not in it."""
    return _tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False)
