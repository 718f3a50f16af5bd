"""A process that stands for one that is forked from another (see `forker.py`): `launcher.py SOCKET COMMAND ...`.

Hands over its standard streams, environment and directory, hands on signals, and ends as that one ends.
"""

import json
import os
import signal
import socket
import struct
import sys

_NUMBER = struct.Struct("!q")
_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Be the command."""
    _, path, *arguments = sys.argv
    told = json.dumps({"arguments": arguments, "environment": dict(os.environ), "directory": os.getcwd()}).encode()
    forker = socket.socket(socket.AF_UNIX)
    forker.connect(path)
    socket.send_fds(forker, [_NUMBER.pack(len(told))], [0, 1, 2])
    forker.sendall(told)
    process = _number(forker)
    for one in _HANDED_ON:
        signal.signal(one, lambda number, _: os.kill(process, number))
    for file in range(3):
        os.close(file)
    code = _number(forker)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _number(forker: socket.socket) -> int:
    said = forker.recv(_NUMBER.size, socket.MSG_WAITALL)
    if len(said) < _NUMBER.size:
        os._exit(70)
    return _NUMBER.unpack(said)[0]


if __name__ == "__main__":
    main()
