"""What load balancers and Prometheus read: liveness, readiness and metrics."""

from mcp.server.transport_security import TransportSecurityMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..app import RunningServer
from ..observability.metrics import Metrics
from ..settings import Settings
from ..stores import store_identity
from ..webhooks.receiver import store_marker
from .health import Health
from .middleware import allowed_names

_PROMETHEUS_TEXT = "text/plain; version=1.0.0; charset=utf-8"


class Probes:
    """The handlers of `/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, settings: Settings, running: RunningServer) -> None:
        self._running = running
        self._marker = store_marker(store_identity(settings))
        self._names = TransportSecurityMiddleware(allowed_names(settings))
        self._health = Health(running.guard_runtime.ledger, running.telnyx, running.supervisor)
        self.numbers = Metrics()
        self.numbers.report_background(running.supervisor, running.guard_runtime.guard.audit_writer)
        self.numbers.report_alerts(running.alerts, running.alert_webhook)
        running.tool_calls.on_ended(self.numbers.call_ended)
        running.telnyx.on_exchange(self.numbers.request_ended)
        running.ingest.on_event(self.numbers.event_stored)

    async def alive(self, request: Request) -> Response:
        """200: the process runs. Only under this server's own names, the body tells its store from others'."""
        is_own_name = await self._names.validate_request(request) is None
        return JSONResponse({"status": "alive", **(self._marker if is_own_name else {})})

    async def ready(self, request: Request) -> Response:
        """200: the server can do its work. 503: the body names what fails."""
        problems = {"server": "is shutting down"} if self._running.shutdown.has_begun else await self._health.problems()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """Metrics in Prometheus's text format."""
        self.numbers.waits.set(self._running.events.waiter_count)
        self.numbers.pending.set(len(await self._running.guard_runtime.ledger.pending()))
        return Response(self.numbers.text(), media_type=_PROMETHEUS_TEXT)
