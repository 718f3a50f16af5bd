"""Clients that call a tool over HTTP at each protocol version, on plain sockets: no client's work is in the figures."""

import json
import selectors
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from baseline_servers import NotMeasured
from webhook_load import LOOPBACK

STATEFUL = "2025-11-25"
STATELESS = "2026-07-28"

_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_ANSWERS_WITHIN = 30.0
_CLIENT = {"name": "bench", "version": "1"}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool, and what it is called with."""

    tool: str
    arguments: Mapping[str, Any]


MUTE = Call(
    "mute_participants",
    {"conference_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "call_control_ids": ["v3:bench-1", "v3:bench-2"]},
)
ECHO = Call("echo", {"text": "v3:bench-1, v3:bench-2"})


class Client:
    """One client: a connection at a time, and a session where the version has them."""

    def __init__(self, port: int, era: str, call: Call) -> None:
        self._place = (LOOPBACK, port)
        self._era = era
        self._call = call
        self._session = ""
        self._asked = 0
        self.connect()
        if era == STATEFUL:
            self._begin_session()
        self.close()

    def connect(self) -> None:
        """Open a connection. One that is quiet for long is closed by a server."""
        self.socket = socket.create_connection(self._place)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(_ANSWERS_WITHIN)

    def ask(self) -> None:
        """Call the tool, and leave the answer to `answered`."""
        params: dict[str, Any] = {"name": self._call.tool, "arguments": self._call.arguments}
        if self._era == STATELESS:
            own = "io.modelcontextprotocol"
            params["_meta"] = {
                f"{own}/protocolVersion": self._era,
                f"{own}/clientInfo": _CLIENT,
                f"{own}/clientCapabilities": {},
            }
        self._send("tools/call", params)

    def answered(self) -> None:
        """Take the answer. Raises `NotMeasured` if it is no result."""
        self._result(self._read())

    def close(self) -> None:
        self.socket.close()

    def _begin_session(self) -> None:
        self._send("initialize", {"protocolVersion": self._era, "capabilities": {}, "clientInfo": _CLIENT})
        answer = self._read()
        self._result(answer)
        head = answer.partition(_END)[0].decode().lower()
        self._session = head.partition("mcp-session-id: ")[2].partition("\r\n")[0]
        self._send("notifications/initialized", {}, is_request=False)
        self._read()

    def _send(self, method: str, params: Mapping[str, Any], *, is_request: bool = True) -> None:
        self._asked += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": self._asked} if is_request else {})
        body = json.dumps(message, separators=(",", ":")).encode()
        version = f"mcp-session-id: {self._session}\r\n" if self._session else ""
        if self._era == STATELESS:
            version = f"mcp-method: {method}\r\nmcp-name: {self._call.tool}\r\n"
        head = (
            f"POST /mcp HTTP/1.1\r\nhost: {LOOPBACK}:{self._place[1]}\r\n"
            "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"
            f"mcp-protocol-version: {self._era}\r\n{version}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def _read(self) -> bytes:
        """A whole answer."""
        answer = b""
        while not _is_whole(answer):
            piece = self.socket.recv(65536)
            if not piece:
                raise NotMeasured("a connection was closed in the middle of an answer")
            answer += piece
        return answer

    def _result(self, answer: bytes) -> None:
        is_result = answer.startswith(b"HTTP/1.1 200 ") and b'"result":' in answer and b'"isError":true' not in answer
        if not is_result:
            raise NotMeasured(f"a call was answered {answer[-300:]!r}")


def _is_whole(answer: bytes) -> bool:
    head, ended, body = answer.partition(_END)
    if not ended:
        return False
    _, found, rest = head.lower().partition(b"content-length:")
    return len(body) >= int(rest.partition(b"\r\n")[0]) if found else body.endswith(_LAST_CHUNK)


class Clients:
    """Clients that call at the same time, each again as soon as it is answered."""

    def __init__(self, port: int, era: str, call: Call, count: int) -> None:
        self._clients = [Client(port, era, call) for _ in range(count)]

    def rate(self, calls: int) -> float:
        """Calls a second, measured over this many calls, on open connections."""
        with selectors.DefaultSelector() as selector:
            for client in self._clients:
                client.connect()
                client.ask()
                client.answered()  # before the next comes, which goes to whichever worker is free
                selector.register(client.socket, selectors.EVENT_READ, client)
            started = perf_counter()
            self._call(selector, calls)
            took = perf_counter() - started
        for client in self._clients:
            client.close()
        return calls / took

    def _call(self, selector: selectors.BaseSelector, calls: int) -> None:
        for client in self._clients:
            client.ask()
        left, under_way = calls - len(self._clients), len(self._clients)
        while under_way:
            ready = selector.select(_ANSWERS_WITHIN)
            if not ready:
                raise NotMeasured(f"a call was not answered within {_ANSWERS_WITHIN:.0f} s")
            for key, _ in ready:
                key.data.answered()
                if left > 0:
                    key.data.ask()
                    left -= 1
                else:
                    under_way -= 1
