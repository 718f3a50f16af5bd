"""Runs a command in a fork of a loaded process (see `forker.py`): `launcher.py SOCKET COMMAND ...`.

Passes on its standard streams, environment, directory and signals, and ends with the exit code of the fork.
"""

import json
import os
import signal
import socket
import struct
import sys

_NUMBER = struct.Struct("!q")
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Run the command."""
    _, path, *arguments = sys.argv
    request = json.dumps({"arguments": arguments, "environment": dict(os.environ), "directory": os.getcwd()}).encode()
    forker = socket.socket(socket.AF_UNIX)
    forker.connect(path)
    socket.send_fds(forker, [_NUMBER.pack(len(request))], [0, 1, 2])
    forker.sendall(request)
    process = _number(forker)
    for one in _FORWARDED:
        signal.signal(one, lambda number, _: os.kill(process, number))
    for file in range(3):
        os.close(file)
    code = _number(forker)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _number(forker: socket.socket) -> int:
    data = forker.recv(_NUMBER.size, socket.MSG_WAITALL)
    if len(data) < _NUMBER.size:
        os._exit(70)
    return _NUMBER.unpack(data)[0]


if __name__ == "__main__":
    main()
