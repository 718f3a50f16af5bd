"""Which conversation may see the digits that a caller keys."""

from datetime import datetime, timedelta

from ...tools.audio import GatherDtmf
from ...tools.base import Command
from ...tools.call_audio import GatherFromCall
from ..newest import Newest
from .call_record import Caller

_MAX_REMEMBERED = 10_000
_CLOCK_TOLERANCE = timedelta(seconds=2)


class Gathers:
    """The newest gather of each call that this process started."""

    def __init__(self) -> None:
        self._started = Newest[str, tuple[str, datetime, bool]](_MAX_REMEMBERED)
        """By call leg: the session that started it, when, and whether its digits are sensitive."""

    def record(self, command: Command, caller: Caller, at: datetime) -> None:
        """Note a gather that Telnyx accepted; nothing for another command."""
        if isinstance(command, GatherDtmf | GatherFromCall):
            self._started[command.call_control_id] = (caller.session, at, command.sensitive)

    def started(self, caller: Caller, call_control_id: str) -> datetime | None:
        """When a caller started the newest gather of a call, if the caller may see its digits."""
        session, started, is_sensitive = self._started.get(call_control_id, ("", datetime.min, True))
        return started - _CLOCK_TOLERANCE if session == caller.session and not is_sensitive else None
