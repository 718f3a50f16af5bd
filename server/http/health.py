"""Whether the server can do its work: checks of the store, the API key and the background tasks, for `/readyz`."""

from collections.abc import Mapping

import anyio

from ...tools.conferences import ListConferences
from ..database import StoreError
from ..errors import CallFailed
from ..guard import Ledger
from ..lifecycle import Supervisor
from ..telnyx import TelnyxClient, TelnyxRefused

_CHECK_TIMEOUT_S = 5.0
_KEY_CHECK_INTERVAL_S = 30.0
"""Telnyx's answer about the key is reused for this long."""


class Health:
    """Checks the store on each request, and the API key at most once in 30 seconds."""

    def __init__(self, ledger: Ledger, telnyx: TelnyxClient, supervisor: Supervisor) -> None:
        self._ledger = ledger
        self._supervisor = supervisor
        self._telnyx = telnyx
        self._key_lock = anyio.Lock()
        self._key_checked_at = float("-inf")
        self._key_problem = ""

    async def problems(self) -> Mapping[str, str]:
        """What fails, as a sentence for each part of the server; empty when all is well.

        An unreachable Telnyx is not a problem of this server: no other replica would reach it, and webhooks still
        arrive.
        """
        checks = {
            "store": await self._check_store(),
            "telnyx": await self._check_key(),
            **self._supervisor.problems(),
        }
        return {part: problem for part, problem in checks.items() if problem}

    async def _check_store(self) -> str:
        try:
            with anyio.fail_after(_CHECK_TIMEOUT_S):
                await self._ledger.stopped()
        except (StoreError, CallFailed):
            return "the store cannot be used: see the server's log"
        except TimeoutError:
            return f"the store did not answer within {_CHECK_TIMEOUT_S:.0f} s"
        return ""

    async def _check_key(self) -> str:
        async with self._key_lock:
            if anyio.current_time() >= self._key_checked_at + _KEY_CHECK_INTERVAL_S:
                self._key_problem = await self._ask_telnyx()
                self._key_checked_at = anyio.current_time()
        return self._key_problem

    async def _ask_telnyx(self) -> str:
        try:
            with anyio.fail_after(_CHECK_TIMEOUT_S):
                await self._telnyx.read(ListConferences(page_size=1))
        except TelnyxRefused as refused:
            return "Telnyx does not accept the API key" if refused.status in (401, 403) else ""
        except (CallFailed, TimeoutError):
            return ""
        return ""
