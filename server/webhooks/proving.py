"""Checks the signatures of webhooks that come at the same time together, half of them in a second thread."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ..events.grouping import taken
from .signature import SignatureVerifier

_GROUP = 64
"""Signatures: checking more at once would keep the event loop from others too long."""
_GATHER_SECONDS = 0.005
_QUIET_TURNS = 4
"""Turns of the event loop that bring no further webhook: then there is nothing to wait for."""
_WORTH_A_THREAD = 4
"""Signatures from which on half of them take longer than it takes to wake a thread."""


@dataclass(slots=True, eq=False)
class _Claim:
    """That a body is Telnyx's."""

    body: bytes
    signature: str | None
    timestamp: str | None
    answer: "asyncio.Future[None]"
    wrong: Exception | None = None

    def check(self, verifier: SignatureVerifier) -> None:
        try:
            verifier.verify(self.body, self.signature, self.timestamp)
        except Exception as wrong:  # whatever it is, whoever waits must hear of it
            self.wrong = wrong

    def tell(self) -> None:
        if self.answer.done():  # whoever waited has gone
            return
        if self.wrong is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(self.wrong)


class SignatureChecker:
    """Verifies webhooks in groups: whatever the event loop has in hand when one comes.

    So those of a group are stored by one commit, and two processors check their signatures: `cryptography` lets other
    threads run meanwhile. `verifier`: None takes everything for proved.
    """

    def __init__(self, verifier: SignatureVerifier | None) -> None:
        self._verifier = verifier
        self._claims: deque[_Claim] = deque()
        self._proving: asyncio.Task[None] | None = None
        self._helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prover") if _processors() > 1 else None

    async def prove(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
        """See `Verifier.verify`. Those that come at the same time are answered in the order in which they came."""
        claim = _Claim(body, signature, timestamp, asyncio.get_running_loop().create_future())
        self._claims.append(claim)
        if self._proving is None or self._proving.done():
            self._proving = asyncio.create_task(self._prove_all(), name="webhooks: prover")
        await claim.answer

    async def _prove_all(self) -> None:
        while self._claims:
            await self._gather()
            group = list(taken(self._claims, _GROUP))
            if self._verifier is not None:
                self._check(self._verifier, group)
            for claim in group:
                claim.tell()

    async def _gather(self) -> None:
        """Let what the event loop has in hand come here."""
        until = time.perf_counter() + _GATHER_SECONDS
        known, quiet = len(self._claims), 0
        while quiet < _QUIET_TURNS and known < _GROUP and time.perf_counter() < until:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._claims) == known else 0
            known = len(self._claims)

    def _check(self, verifier: SignatureVerifier, group: Sequence[_Claim]) -> None:
        unchecked = deque(group)
        helping = self._help(verifier, unchecked) if len(group) >= _WORTH_A_THREAD else None
        _check_each(verifier, unchecked)
        if helping is not None and not helping.cancel():
            helping.result()

    def _help(self, verifier: SignatureVerifier, unchecked: deque[_Claim]) -> "Future[None] | None":
        if self._helper is None:
            return None
        try:
            return self._helper.submit(_check_each, verifier, unchecked)
        except RuntimeError:  # no thread is to be had
            return None


def _check_each(verifier: SignatureVerifier, unchecked: deque[_Claim]) -> None:
    """Check what nobody else has taken, until nothing is left."""
    while True:
        try:
            claim = unchecked.popleft()
        except IndexError:
            return
        claim.check(verifier)


def _processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
