"""Many requests at once, without each of them paying for all the others."""

import urllib.request
from dataclasses import dataclass
from operator import attrgetter

import httpx2

_POOLS = 8


@dataclass(slots=True)
class _Pool:
    transport: httpx2.AsyncHTTPTransport
    in_hand: int = 0
    """Requests whose answer has not begun."""


class SpreadTransport(httpx2.AsyncBaseTransport):
    """Several connection pools that are used as one.

    A pool asks the system of each of its idle connections, with every request and every answer, whether it is still
    open: with thirty requests at once, that is a sixth of all the work of a call. Each request goes to the first of the
    pools with the fewest in hand, so that a quiet server keeps one connection and a busy one a few in each pool.
    """

    def __init__(self) -> None:
        """Opens nothing yet, and loads no certificates: a server's start need not wait for those."""
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request through one of the pools. Raises what that raises."""
        if not self._pools:
            context = httpx2.create_ssl_context()
            self._pools = [_Pool(httpx2.AsyncHTTPTransport(verify=context)) for _ in range(_POOLS)]
        pool = min(self._pools, key=attrgetter("in_hand"))
        pool.in_hand += 1
        try:
            return await pool.transport.handle_async_request(request)
        finally:
            pool.in_hand -= 1

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.transport.aclose()


def spread_unless_proxied() -> SpreadTransport | None:
    """None where the environment names a proxy, which is the client's own business."""
    return None if urllib.request.getproxies() else SpreadTransport()
