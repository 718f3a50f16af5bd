"""Spans below those of the MCP SDK, without a call's content."""

import json

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.mcp import call
from support.mcp_in_process import World, in_process

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def exported() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def test_a_call_is_one_trace_through_policy_store_and_telnyx(exported: InMemorySpanExporter) -> None:
    async with in_process(World()) as client:
        exported.clear()
        await call(client, "create_queue", queue_name="unheard-of")
    spans = {span.name: span for span in exported.get_finished_spans()}
    called = next(span for span in exported.get_finished_spans() if span.kind is trace.SpanKind.SERVER)
    assert called.name == "tools/call create_queue"
    assert parent(spans["policy"]) == own(called)
    assert parent(spans["POST /queues"]) == own(called)
    assert own(spans["policy"]) in {parent(span) for span in exported.get_finished_spans() if span.name == "store"}
    asked = spans["POST /queues"].attributes or {}
    assert asked["http.response.status_code"] == 200
    assert asked["telnyx.request_id"]
    assert "unheard-of" not in json.dumps([span.to_json() for span in spans.values()])


def own(span: ReadableSpan) -> int:
    assert span.context
    return span.context.span_id


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None
