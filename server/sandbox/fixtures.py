"""Where a sandbox starts: callers wait in the queue "support", an agent and a supervisor in queues of their own."""

import base64
from datetime import timedelta

from ...tools.queues import EnqueueCall
from .clock import Timers
from .legs import NUMBER, Legs
from .queues import Queues

WAITING = (
    ("agent", "+12025550121", 600, "agents"),
    ("supervisor", "+12025550122", 590, "supervisors"),
    ("caller 1", "+12025550111", 240, "support"),
    ("caller 2", "+12025550112", 150, "support"),
    ("caller 3", "+12025550113", 40, "support"),
)
"""Who has called in: part, number, seconds ago, and the queue in which a tool finds them."""


def create_scene(timers: Timers, legs: Legs, queues: Queues) -> None:
    """Let it have happened before now, events and all."""
    now = timers.now()
    for role, number, since, queue in WAITING:
        with timers.seeing(now - timedelta(seconds=since + 5)):
            leg = legs.arrive(number, NUMBER, _state(role), role)
        with timers.seeing(now - timedelta(seconds=since)):
            queues.enqueue(EnqueueCall(call_control_id=leg.call_control_id, queue_name=queue))


def _state(role: str) -> str:
    return base64.b64encode(role.encode()).decode()
