"""Where a sandbox starts: the calls and queues that exist before anything happens."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...tools.base import WIRE
from ...tools.numbers import Number
from ...tools.queues import EnqueueCall
from ...tools.types import Positive, QueueName
from .clock import Timers
from .context import NUMBER
from .legs import Legs
from .queues import Queues

_RINGING_S = 5
_PROBLEMS = {"missing": "it is missing", "extra_forbidden": "a scene has no such field"}
"""What is wrong, by pydantic's type of error."""


class SceneError(Exception):
    """A scene file that cannot be used. The message says why."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class SceneQueue(_Model):
    name: QueueName
    max_size: Positive = 300


class SceneCall(_Model):
    """A call that has come in: who calls, since when, and the queue it waits in; without a queue it still rings."""

    part: Annotated[str, Field(min_length=1, max_length=100)]
    """Its name in the scene, which becomes its `client_state` and its label as a participant."""
    from_: Annotated[Number, Field(alias="from")]
    to: Number = NUMBER
    queue: QueueName | None = None
    waiting_secs: Annotated[int, Field(ge=0, le=86_400)] = 0


class Scene(_Model):
    queues: tuple[SceneQueue, ...] = ()
    calls: tuple[SceneCall, ...] = ()
    outbound_profile: bool = True
    """Whether the connection has an outbound voice profile. Without one it cannot call out."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """A scene from a YAML or JSON file. Raises `SceneError`."""
        import yaml  # noqa: PLC0415 (takes time to load, and the built-in scenes do not need it)

        try:
            read = json.loads if path.suffix == ".json" else yaml.safe_load  # YAML reads the escapes of JSON otherwise
            return cls.model_validate(read(path.read_text(encoding="utf-8")) or {}, context=WIRE)
        except OSError as error:
            raise SceneError(f"the scene {path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError):
            raise SceneError(f"the scene {path} is not YAML or JSON.") from None
        except ValidationError as refused:
            first = refused.errors(include_url=False, include_input=False)[0]
            at = ".".join(str(part) for part in first["loc"]) or "the file"
            problem = _PROBLEMS.get(first["type"], first["msg"].removeprefix("Value error, "))
            raise SceneError(f"the scene {path} is not valid: {at}: {problem}.") from None


def _call(part: str, number: str, waiting_secs: int, queue: str) -> SceneCall:
    call = {"part": part, "from": number, "waiting_secs": waiting_secs, "queue": queue}
    return SceneCall.model_validate(call, context=WIRE)


EMPTY = Scene()
SUPPORT = Scene(
    calls=(
        _call("agent", "+12025550121", 600, "agents"),
        _call("supervisor", "+12025550122", 590, "supervisors"),
        _call("caller 1", "+12025550111", 240, "support"),
        _call("caller 2", "+12025550112", 150, "support"),
        _call("caller 3", "+12025550113", 40, "support"),
    )
)
"""Callers wait in the queue `support`, an agent and a supervisor in queues of their own."""

SCENES = {"none": EMPTY, "support": SUPPORT}


def find_scene(name: str) -> Scene:
    """A scene by its name, `none` or `support`, or from a file. Raises `SceneError`."""
    return SCENES[name] if name in SCENES else Scene.load(Path(name))


def create_scene(scene: Scene, timers: Timers, legs: Legs, queues: Queues) -> None:
    """Make a scene's calls and queues, each at its own time before now."""
    now = timers.now()
    for queue in scene.queues:
        queues.open(queue.name, queue.max_size)
    for call in scene.calls:
        since = now - timedelta(seconds=call.waiting_secs)
        with timers.seeing(since - timedelta(seconds=_RINGING_S)):
            leg = legs.arrive(call.from_, call.to, _state(call.part), call.part)
        if call.queue is not None:
            with timers.seeing(since):
                queues.enqueue(EnqueueCall(call_control_id=leg.call_control_id, queue_name=call.queue))


def _state(part: str) -> str:
    return base64.b64encode(part.encode()).decode()
