"""The floor over HTTP: a server of the bare SDK with one tool, which sends one request and says its text back.

Takes its port. The request is the one of `mute_participants`, to the Telnyx that the environment names.
"""

import os
import sys

import httpx2
import uvicorn
from http_calls import ECHO, MUTE
from mcp.server.mcpserver import MCPServer

from telnyx_conferencing.server.telnyx import Timing
from telnyx_conferencing.tools.participants import MuteParticipants

server = MCPServer("bare", log_level="WARNING")
telnyx = httpx2.AsyncClient(base_url=os.environ["TELNYX_BASE_URL"], timeout=Timing().http())
command = MuteParticipants.model_validate(MUTE.arguments).request()


@server.tool(name=ECHO.tool)
async def echo(text: str) -> str:
    """Say it back."""
    (await telnyx.request(command.method, command.path, json=command.body)).raise_for_status()
    return text


if __name__ == "__main__":
    uvicorn.run(server.streamable_http_app(), port=int(sys.argv[1]), access_log=False, log_level="critical")
