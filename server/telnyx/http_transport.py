"""The HTTP connections to Telnyx, which are opened by the first request."""

import urllib.request

import httpx2

_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=32, keepalive_expiry=30)


class LazyTransport(httpx2.AsyncBaseTransport):
    """Loads the certificates with the first request: that takes a tenth of the time of a start."""

    def __init__(self) -> None:
        self._transport: httpx2.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises what httpx2's own transport raises."""
        if self._transport is None:
            self._transport = httpx2.AsyncHTTPTransport(limits=_LIMITS)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.aclose()


def http_transport() -> httpx2.AsyncBaseTransport | None:
    """The transport of a client of Telnyx. None if the environment names a proxy, which httpx2 finds for itself."""
    return None if urllib.request.getproxies() else LazyTransport()
