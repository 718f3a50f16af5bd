"""Numbers for Prometheus. Every label has a bounded number of values, and none tells of a person."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from ...tools.base import Command
from ..events.event import Event
from ..events.models import PAYLOADS
from ..guard import CallRecord
from ..webhooks.receiver import Counts, Receiver

_LAG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TELNYX = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


class Metrics:
    """What one process has done since its start."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._calls = Counter(
            "telnyx_conferencing_calls", "Tool calls that have ended.", ["tool", "outcome"], registry=registry
        )
        self._telnyx = Histogram(
            "telnyx_conferencing_telnyx_request_seconds",
            "Requests to Telnyx: by command, and by the kind of status (none: no answer).",
            ["command", "status"],
            buckets=_TELNYX,
            registry=registry,
        )
        self._events = Counter(
            "telnyx_conferencing_events", "Events taken in here that were new.", ["type"], registry=registry
        )
        self._lag = Histogram(
            "telnyx_conferencing_intake_lag_seconds",
            "From when an event happened, by Telnyx's clock, until it was stored here.",
            buckets=_LAG,
            registry=registry,
        )
        self._approvals = Counter(
            "telnyx_conferencing_approvals",
            "Answers of persons that calls have used: through the client or outside it.",
            ["by", "answer"],
            registry=registry,
        )
        self.waits = Gauge("telnyx_conferencing_open_waits", "Calls that wait for an event now.", registry=registry)
        self.pending = Gauge(
            "telnyx_conferencing_pending_approvals", "Questions in the store that wait for a person.", registry=registry
        )

        # The library looks a number up under a lock, each time.
        self._ended = cache(self._calls.labels)
        self._answered = cache(self._answers)

    def _answers(self, command: str, hundreds: int) -> Histogram:
        return self._telnyx.labels(command, f"{hundreds}xx" if hundreds else "none")

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def receives(self, receiver: Receiver) -> None:
        """Count what becomes of webhooks."""
        self._registry.register(_Webhooks(receiver.counts))

    def call_ended(self, journal: CallRecord, request_id: object) -> None:
        self._ended(journal.tool.tool_name(), journal.outcome).inc()
        if answer := journal.asked.get("answer"):
            by = "client" if journal.asked.get("by", "elicitation") == "elicitation" else "operator"
            self._approvals.labels(by, answer).inc()

    def exchanged(self, command: Command, status: int, seconds: float) -> None:
        self._answered(command.tool_name(), status // 100).observe(seconds)

    def event(self, event: Event) -> None:
        self._events.labels(event.type if event.type in PAYLOADS else "other").inc()
        self._lag.observe(max(0.0, (datetime.now(UTC) - event.occurred_at).total_seconds()))


class _Webhooks(Collector):
    """What the receiver has counted."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "telnyx_conferencing_webhooks",
            "Requests to the webhook address, by what became of them.",
            labels=["result"],
        )
        counts = self._counts
        told = {
            "accepted": counts.accepted,
            "duplicate": counts.duplicates,
            "too large": counts.too_large,
            "no event": counts.not_events,
            "not stored": counts.failed,
            **{f"signature {reason}": number for reason, number in counts.refused.items()},
        }
        for result, number in told.items():
            family.add_metric([result], number)
        yield family
