"""The sandbox in this process: a transport without a socket, and its scenes."""

import httpx2

from ..sandbox import ConnectionDropped, Scene, SceneError, find_scene
from ..settings import SettingsError


class SandboxTransport(httpx2.ASGITransport):
    """Hands requests to the sandbox in this process. A connection it drops is a read error, as on a socket."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as dropped:
            raise httpx2.ReadError(str(dropped), request=request) from None


def read_scene(name: str) -> Scene:
    """A scene by its name or from a file. Raises `SettingsError`."""
    try:
        return find_scene(name)
    except SceneError as error:
        raise SettingsError(str(error)) from None
