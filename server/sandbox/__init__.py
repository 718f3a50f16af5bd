"""A Telnyx on your own machine: calls, conferences, queues, signed webhooks, faults."""

from .api import ReceivedRequest
from .asgi import create_app
from .clock import Clock, ManualClock, SystemClock
from .context import CONNECTION_ID, NUMBER
from .errors import ConnectionDropped
from .faults import Fault
from .sandbox import Sandbox
from .scene import EMPTY, SCENES, SUPPORT, Scene, SceneError, find_scene

__all__ = [
    "CONNECTION_ID",
    "EMPTY",
    "NUMBER",
    "SCENES",
    "SUPPORT",
    "Clock",
    "ConnectionDropped",
    "Fault",
    "ManualClock",
    "ReceivedRequest",
    "Sandbox",
    "Scene",
    "SceneError",
    "SystemClock",
    "create_app",
    "find_scene",
]
