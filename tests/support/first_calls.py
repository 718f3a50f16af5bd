"""People and conferences in the sandbox for tables of calls, and the names that stand for their ids."""

from collections.abc import Mapping
from typing import Any, cast

from support.mcp_in_process import World
from telnyx_conferencing.server.sandbox.conference import JoinOptions

ANN, BEN = "+12025550150", "+12025550151"
FILE = "https://example.com/hold.mp3"


def people_and_rooms(world: World) -> Mapping[str, str]:
    """A conference 'Standup' of two callers, one that is full, one that is over, and calls outside; all by name."""
    telnyx = world.sandbox.state
    names = ("<ann>", "<ben>", "<outside>", "<gone>", "<in small>", "<also in small>", "<was in over>")
    legs = {name: telnyx.legs.arrive(f"+120255590{place:02}", ANN) for place, name in enumerate(names)}
    standup = telnyx.conferences.start(legs["<ann>"], "Standup", JoinOptions())
    standup.admit(legs["<ben>"], JoinOptions())
    small = telnyx.conferences.start(legs["<in small>"], "Small", JoinOptions(), max_participants=2)
    small.admit(legs["<also in small>"], JoinOptions())
    over = telnyx.conferences.start(legs["<was in over>"], "Over", JoinOptions())
    over.end("ended_via_api")
    telnyx.legs.hang_up(legs["<gone>"])
    ringing = telnyx.legs.dial(ANN, BEN, telnyx.legs.new_session(), None)
    return {name: leg.call_control_id for name, leg in legs.items()} | {
        "<standup>": standup.id,
        "<small>": small.id,
        "<over>": over.id,
        "<ringing>": ringing.call_control_id,
        "<waiting>": telnyx.queues.get_queue("support").calls[0].leg.call_control_id,
    }


def with_ids(value: Any, names: Mapping[str, str]) -> Any:
    """The value with names replaced by ids."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [with_ids(item, names) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: with_ids(item, names) for key, item in cast("dict[str, Any]", value).items()}
    return value
