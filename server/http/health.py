"""Whether a server is alive, and whether it can do its work: for load balancers, which tell nobody."""

from collections.abc import Mapping

import anyio

from ...tools.conferences import ListConferences
from ..database import StoreError
from ..errors import CallFailed
from ..guard import Ledger
from ..telnyx import TelnyxClient, TelnyxRefused

_PATIENCE = 5.0
_FRESH = 30.0
"""Seconds that what Telnyx said of the key holds: it is not asked at every look."""


class Health:
    """Looks at the store each time, and at Telnyx now and then."""

    def __init__(self, ledger: Ledger, telnyx: TelnyxClient) -> None:
        self._ledger = ledger
        self._telnyx = telnyx
        self._asking = anyio.Lock()
        self._asked = float("-inf")
        self._refusal = ""

    async def problems(self) -> Mapping[str, str]:
        """What keeps the server from working, by the part concerned; empty: nothing does.

        That Telnyx cannot be reached is none: no other server would reach it either, and webhooks are still taken.
        """
        told = {"store": await self._store(), "telnyx": await self._key()}
        return {part: why for part, why in told.items() if why}

    async def _store(self) -> str:
        try:
            with anyio.fail_after(_PATIENCE):
                await self._ledger.stopped()
        except (StoreError, CallFailed):
            return "the store cannot be used: the log says why"
        except TimeoutError:
            return f"the store has not answered within {_PATIENCE:.0f} s"
        return ""

    async def _key(self) -> str:
        async with self._asking:
            if anyio.current_time() >= self._asked + _FRESH:
                self._refusal = await self._ask()
                self._asked = anyio.current_time()
        return self._refusal

    async def _ask(self) -> str:
        try:
            with anyio.fail_after(_PATIENCE):
                await self._telnyx.read(ListConferences(page_size=1))
        except TelnyxRefused as refused:
            return "Telnyx does not accept the API key" if refused.status in (401, 403) else ""
        except (CallFailed, TimeoutError):
            return ""
        return ""
