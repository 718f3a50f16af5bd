"""Metrics for Prometheus. Each label has a bounded number of values, and none contains personal data."""

from collections import Counter as PlainCounter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ...tools.base import Command
from ..alerts.book import AlertBook
from ..events.event import Event
from ..events.models import PAYLOADS
from ..guard import AuditWriter, CallRecord
from ..lifecycle import Supervisor
from ..webhooks.receiver import Counts, Receiver

if TYPE_CHECKING:
    from ..alerts.webhook import AlertWebhook

_LAG_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TELNYX_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


class Metrics:
    """What this process has done since it started."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._calls = Counter(
            "telnyx_conferencing_calls", "Finished tool calls.", ["tool", "outcome"], registry=registry
        )
        self._telnyx = Histogram(
            "telnyx_conferencing_telnyx_request_seconds",
            "Requests to Telnyx by command and class of status (none: no response).",
            ["command", "status"],
            buckets=_TELNYX_BUCKETS_S,
            registry=registry,
        )
        self._events = Counter(
            "telnyx_conferencing_events", "New events stored by this process.", ["type"], registry=registry
        )
        self._lag = Histogram(
            "telnyx_conferencing_intake_lag_seconds",
            "From when an event occurred, by Telnyx's clock, until it was stored.",
            buckets=_LAG_BUCKETS_S,
            registry=registry,
        )
        self._approvals = Counter(
            "telnyx_conferencing_approvals",
            "Approval answers used by calls: given through the client or outside it.",
            ["by", "answer"],
            registry=registry,
        )
        self.waits = Gauge("telnyx_conferencing_open_waits", "Calls that are waiting for an event.", registry=registry)
        self.pending = Gauge(
            "telnyx_conferencing_pending_approvals",
            "Approval requests that are waiting for a person.",
            registry=registry,
        )

        # The library looks up labels under a lock.
        self._calls_by_labels = cache(self._calls.labels)
        self._histogram = cache(self._telnyx_histogram)

    def _telnyx_histogram(self, command: str, hundreds: int) -> Histogram:
        return self._telnyx.labels(command, f"{hundreds}xx" if hundreds else "none")

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def report_webhooks(self, receiver: Receiver) -> None:
        """Report what a webhook receiver has counted."""
        self._registry.register(_Webhooks(receiver.counts))

    def report_background(self, supervisor: Supervisor, audit_writer: AuditWriter) -> None:
        """Report the background tasks and the queue of the audit."""
        self._registry.register(_Background(supervisor, audit_writer))

    def report_alerts(self, book: AlertBook, webhook: "AlertWebhook | None") -> None:
        """Report the alerts that are raised, and their deliveries."""
        self._registry.register(_Alerts(book, webhook))

    def call_ended(self, record: CallRecord, request_id: object) -> None:
        self._calls_by_labels(record.tool.tool_name(), record.outcome).inc()
        if (approval := record.approval) is not None:
            by = "client" if approval.by in ("", "elicitation") else "operator"
            self._approvals.labels(by, approval.answer).inc()

    def request_ended(self, command: Command, status: int, seconds: float) -> None:
        self._histogram(command.tool_name(), status // 100).observe(seconds)

    def event_stored(self, event: Event) -> None:
        self._events.labels(event.type if event.type in PAYLOADS else "other").inc()
        self._lag.observe(max(0.0, (datetime.now(UTC) - event.occurred_at).total_seconds()))


class _Webhooks(Collector):
    """A receiver's counts."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "telnyx_conferencing_webhooks",
            "Requests to the webhook address by result.",
            labels=["result"],
        )
        counts = self._counts
        results = {
            "accepted": counts.accepted,
            "duplicate": counts.duplicates,
            "too large": counts.too_large,
            "no event": counts.not_events,
            "not stored": counts.failed,
            **{f"signature {reason}": number for reason, number in counts.refused.items()},
        }
        for result, number in results.items():
            family.add_metric([result], number)
        yield family


class _Background(Collector):
    """The state of the background tasks."""

    def __init__(self, supervisor: Supervisor, audit_writer: AuditWriter) -> None:
        self._supervisor = supervisor
        self._audit_writer = audit_writer

    def collect(self) -> Iterable[Metric]:
        running = GaugeMetricFamily(
            "telnyx_conferencing_background_task_running", "1: the background task runs.", labels=["task"]
        )
        failures = CounterMetricFamily(
            "telnyx_conferencing_background_task_failures", "Failures after which it was restarted.", labels=["task"]
        )
        for name, state in self._supervisor.tasks.items():
            running.add_metric([name], state.is_running)
            failures.add_metric([name], state.failures)
        yield running
        yield failures
        yield GaugeMetricFamily(
            "telnyx_conferencing_audit_queued", "Audit records that wait to be written.", self._audit_writer.queued
        )
        yield CounterMetricFamily(
            "telnyx_conferencing_audit_lost",
            "Calls that were not recorded because the queue of the audit was full.",
            self._audit_writer.lost,
        )


class _Alerts(Collector):
    """The alerts on the store, and what this process has sent of them. Their names are those in the policy."""

    def __init__(self, book: AlertBook, webhook: "AlertWebhook | None") -> None:
        self._book = book
        self._webhook = webhook

    def collect(self) -> Iterable[Metric]:
        raised = GaugeMetricFamily("telnyx_conferencing_alerts_raised", "Alerts that are raised now.", labels=["alert"])
        for name, number in PlainCounter(alert.name for alert in self._book.raised.values()).items():
            raised.add_metric([name], number)
        yield raised
        if self._webhook is None:
            return
        attempts = CounterMetricFamily(
            "telnyx_conferencing_alert_deliveries", "Attempts to send an alert event by result.", labels=["result"]
        )
        for result, number in self._webhook.results.items():
            attempts.add_metric([result], number)
        yield attempts
        backlog = self._webhook.backlog
        yield GaugeMetricFamily(
            "telnyx_conferencing_alert_deliveries_waiting", "Alert events that are not delivered yet.", backlog.waiting
        )
        yield GaugeMetricFamily(
            "telnyx_conferencing_alert_deliveries_given_up",
            "Alert events that could not be delivered in the last 7 days.",
            backlog.failed,
        )
