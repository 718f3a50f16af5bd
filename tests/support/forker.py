"""A process that has loaded the server, and forks into commands: `python -I forker.py SOCKET`.

Each connection to the socket carries a command (see `launcher.py`). The forker answers with the id of the process that
runs it and, when that ends, with its exit code. Closing the connection earlier kills the process. The forker prints a
line once it listens, and ends when its input ends.
"""

import contextlib
import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

_PACKAGE = "telnyx_conferencing"
_NUMBER = struct.Struct("!q")


def _load() -> None:
    package = import_module(_PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                import_module(module.name)


def _noticed(number: int, frame: object) -> None:
    """Do nothing: with a handler installed, the signal is written to the wake-up file descriptor."""


class _Forker:
    """Waits for commands to start and for processes that end."""

    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(128)
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, _noticed)
        signal.set_wakeup_fd(self._wake)
        self._asking: dict[int, socket.socket] = {}
        for source in (self._listener, self._ended, 0):
            self._selector.register(source, selectors.EVENT_READ)

    def run(self) -> dict[str, Any]:
        """Fork until the input ends. Returns in each fork, with the command that it runs."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    asked = self._fork()
                    if asked is not None:
                        return asked
                elif key.fileobj == self._ended:
                    self._report_ends()
                elif key.fileobj == 0:
                    for number in self._asking:
                        os.kill(number, signal.SIGKILL)
                    os._exit(0)
                else:
                    self._kill(key.data)

    def _fork(self) -> dict[str, Any] | None:
        connection, _ = self._listener.accept()
        files: list[int] = []
        try:
            head, files, _, _ = socket.recv_fds(connection, _NUMBER.size, 3)
            with connection.makefile("rb") as request:
                asked: dict[str, Any] = json.loads(request.read(_NUMBER.unpack(head)[0]))
        except (OSError, ValueError, struct.error):  # the launcher was killed meanwhile
            for file in files:
                os.close(file)
            connection.close()
            return None
        number = os.fork()
        if number == 0:
            self._leave()
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            return asked
        for file in files:
            os.close(file)
        with contextlib.suppress(OSError):  # then it is seen to be closed
            connection.sendall(_NUMBER.pack(number))
        self._asking[number] = connection
        self._selector.register(connection, selectors.EVENT_READ, number)
        return None

    def _leave(self) -> None:
        """In a fork: close what belongs to the forker."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._listener.close()
        os.close(self._ended)
        os.close(self._wake)
        for connection in self._asking.values():
            connection.close()

    def _report_ends(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._ended, 4096):
                pass
        while True:
            try:
                number, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if number == 0:
                return
            connection = self._asking.pop(number)
            with contextlib.suppress(KeyError):  # it was closed
                self._selector.unregister(connection)
            with contextlib.suppress(OSError):
                connection.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
            connection.close()

    def _kill(self, number: int) -> None:
        if number in self._asking:
            self._selector.unregister(self._asking[number])
            os.kill(number, signal.SIGKILL)


def _become(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> None:
    """Make this process look as if it was started with these."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = list(arguments)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (until the process ends)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    _load()
    gc.collect()
    gc.freeze()  # what is there now stays, and is not looked through and thereby copied in each fork
    _forker = _Forker(sys.argv[1])
    print("listening", flush=True)
    _become(**_forker.run())
    from telnyx_conferencing.server.cli.main import main

    main()
