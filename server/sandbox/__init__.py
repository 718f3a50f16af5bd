"""A Telnyx on your own machine: calls, conferences, queues, signed webhooks, faults."""

from .api import ReceivedRequest
from .asgi import create_app
from .clock import Clock, ManualClock, SystemClock
from .errors import ConnectionDropped
from .faults import Fault
from .legs import CONNECTION_ID, NUMBER
from .sandbox import Sandbox

__all__ = [
    "CONNECTION_ID",
    "NUMBER",
    "Clock",
    "ConnectionDropped",
    "Fault",
    "ManualClock",
    "ReceivedRequest",
    "Sandbox",
    "SystemClock",
    "create_app",
]
