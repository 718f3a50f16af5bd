"""Which conversation may see the digits that a caller keys."""

from dataclasses import dataclass
from datetime import datetime

from ...tools.audio import GatherDtmf
from ...tools.base import Command
from ...tools.call_audio import GatherFromCall
from ..newest import Newest
from .call_record import Caller

_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class StartedGather:
    """A gather that Telnyx accepted."""

    session: str
    at: datetime
    newest_event: int
    """The number of the newest event that was known then: digits in it were keyed before."""
    is_sensitive: bool


class Gathers:
    """The newest gather of each call that this process started."""

    def __init__(self) -> None:
        self._started = Newest[str, StartedGather](_MAX_REMEMBERED)
        """By call leg."""

    def record(self, command: Command, caller: Caller, at: datetime, newest_event: int) -> None:
        """Note a gather that Telnyx accepted; nothing for another command."""
        if isinstance(command, GatherDtmf | GatherFromCall):
            gather = StartedGather(caller.session, at, newest_event, command.sensitive)
            self._started[command.call_control_id] = gather

    def started(self, caller: Caller, call_control_id: str) -> StartedGather | None:
        """The newest gather of a call, if this caller started it and may see its digits."""
        gather = self._started.get(call_control_id)
        return gather if gather and gather.session == caller.session and not gather.is_sensitive else None
