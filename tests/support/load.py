"""Webhooks posted as Telnyx posts them, from several threads, while a test does something else."""

import http.client
import itertools
import threading
from contextlib import closing
from types import TracebackType
from typing import Self

from support.webhooks import PATIENCE, body_of, signed_headers
from telnyx_conferencing.server.sandbox.webhooks import Signer

SENDERS = 4


class Load:
    """Posts signed events from threads, each again and again until it is answered 200, as Telnyx does."""

    def __init__(self, port: int, signer: Signer) -> None:
        self.answered: list[str] = []
        """The ids that were answered 200."""
        self.repeated = 0
        """Posts that were not, and were made again."""
        self.statuses: set[int] = set()
        """What posts were answered."""
        self._port = port
        self._signer = signer
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def until(self, count: int) -> None:
        """Wait until this many have been answered 200."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answered) >= count, PATIENCE), self.answered

    def until_repeated(self, count: int) -> None:
        """Wait until this many posts have been repeated."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.repeated >= count, PATIENCE), self.repeated

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with closing(connection):
            while not self._over.is_set():
                name = f"event {next(self._numbers)}"
                body = body_of(name, pad="x" * 500)
                while not self._is_taken(connection, body):
                    with self._changed:
                        self.repeated += 1
                        self._changed.notify_all()
                    if self._over.wait(0.01):
                        return
                with self._changed:
                    self.answered.append(name)
                    self._changed.notify_all()

    def _is_taken(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        try:
            connection.request("POST", "/webhooks/telnyx", body, signed_headers(self._signer, body))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # it is opened again by the next request
            return False
        self.statuses.add(answer.status)
        return answer.status == 200
