"""Real HTTP servers on loopback, in a thread of the test process."""

import json
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import uvicorn

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of loopback: to load every certificate there is takes longer than most tests."""


@contextmanager
def serve_app(app: Any, *, dated: bool = True) -> Generator[str]:
    """An ASGI app over HTTP; yields its base URL. `dated`: with a Date in every answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body of an answer are two writes
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, date_header=dated))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass
class Received:
    """One request, as it came over the wire."""

    method: str
    path: str
    """Decoded."""
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(default_factory=dict[str, str])


@contextmanager
def recording_server(status: int = 200, answer: Any = None) -> Generator[tuple[str, list[Received]]]:
    """A server that answers everything alike and keeps what it is sent; yields its base URL and the requests."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes

        def _take(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            body = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not url.path.endswith("/webhook_deliveries"):  # the server's own look for events it has missed
                received.append(Received(self.command, unquote(url.path), query, body, headers))
            content = json.dumps({"data": {}} if answer is None else answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815

        def log_message(self, *arguments: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
