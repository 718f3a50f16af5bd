"""Threads for blocking database drivers: each thread has a connection of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class _Connection(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Connection)


class ConnectionThreads(Generic[C]):
    """A pool of threads. A thread opens its connection when it first needs it."""

    def __init__(self, connect: Callable[[], C], count: int, name: str) -> None:
        self._connect = connect
        self._connections: dict[int, C] = {}
        """By the identifier of their thread."""
        self._executor = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)

    async def run(self, work: Callable[[C], T]) -> T:
        """Run `work` in one of the threads, with its connection. Raises what `connect` and `work` raise."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, work)

    def _run(self, work: Callable[[C], T]) -> T:
        return work(self.connection())

    def connection(self) -> C:
        """The connection of the current thread, which is opened if necessary. Raises what `connect` raises."""
        thread = threading.get_ident()
        if thread not in self._connections:
            self._connections[thread] = self._connect()
        return self._connections[thread]

    def disconnect(self) -> None:
        """Close the connection of the current thread. The thread opens another when it needs one."""
        self._connections.pop(threading.get_ident()).close()

    async def close(self) -> None:
        """Wait for the work that has started, then close the connections."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
        for connection in self._connections.values():
            connection.close()
