"""The sandbox on a loopback port, in a thread, for clients that are not ours."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from telnyx_conferencing.server.sandbox import Sandbox, create_app


@contextmanager
def serve_sandbox(sandbox: Sandbox) -> Generator[str]:
    """Serve it; gives the base URL, without /v2."""
    config = uvicorn.Config(create_app(sandbox), port=0, log_level="critical", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    started = threading.Event()
    config.load()
    startup = server.startup

    async def announce(sockets: object = None) -> None:
        await startup()
        started.set()

    server.startup = announce
    thread.start()
    try:
        assert started.wait(10)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
