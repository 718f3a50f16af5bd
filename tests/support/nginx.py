"""The nginx that stands in front of two replicas: `deploy/nginx.conf`, with addresses of this machine."""

import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from support.mcp_http import Site
from support.mcp_stdio import PATIENCE
from support.webhooks import wait_until_listening

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
_STICKY = "hash $remote_addr"
_AROUND = """
daemon off;
master_process off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/conferencing.conf;
}}
"""


def program() -> str | None:
    """Where nginx is; None: nowhere."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def write_config(home: Path, replicas: Sequence[str], port: int, *, sticky: bool = False) -> Path:
    """The configuration of a proxy at home on this port, before these two addresses."""
    text = CONFIGURATION.read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, address in enumerate(replicas, 1):
        text = text.replace(f"replica-{number}:8484", address)
    (home / "conferencing.conf").write_text(text.replace(f"# {_STICKY}", _STICKY) if sticky else text)
    whole = home / "nginx.conf"
    whole.write_text(_AROUND.format(home=home))
    return whole


@asynccontextmanager
async def proxy(home: Path, replicas: Sequence[str], port: int, *, sticky: bool = False) -> AsyncGenerator[Site]:
    """A running nginx, once a replica answers through it. `sticky`: a client stays with one replica."""
    found = program()
    assert found
    command = [found, "-c", str(write_config(home, replicas, port, sticky=sticky)), "-p", str(home)]
    async with await anyio.open_process(command, stdout=None, stderr=None) as process:
        try:
            await wait_until_listening(port)
            yield Site(process, port, home / "nginx.log")
        finally:
            process.terminate()
            with anyio.CancelScope(shield=True), anyio.move_on_after(PATIENCE):
                await process.wait()
