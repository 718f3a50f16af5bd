"""Standard output for MCP: a line that fits into its pipe is written at once, as it takes longer to wake a thread."""

import os
import select
from contextlib import suppress

import anyio


class Stdout:
    """What the SDK's `stdio_server` writes to. Not for Windows, whose pipes do not say whether they have room."""

    def __init__(self) -> None:
        """Take over standard output: what else is printed there goes to stderr."""
        self._pipe = os.dup(1)
        with suppress(OSError):  # there is no stderr
            os.dup2(2, 1)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLOUT)

    async def write(self, text: str) -> None:
        """Write a line."""
        line = text.encode()
        if len(line) <= select.PIPE_BUF and self._poll.poll(0) == [(self._pipe, select.POLLOUT)]:
            os.write(self._pipe, line)
        else:  # the host may read slowly, and meanwhile the server goes on
            await anyio.to_thread.run_sync(self._write, line)

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._pipe, line) :]

    async def flush(self) -> None:
        """Nothing is held back."""
