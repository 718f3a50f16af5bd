"""The calls that end at a time limit which a server on this store set, because who is bridged with one is hung up."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from ...tools.base import Command
from ...tools.calls import Dial, TransferCall
from ..guard.effects import is_limit
from ..guard.ledger import AuditRecord, Ledger
from ..newest import Newest
from .audit_follower import AuditFollower

_TOOLS = frozenset({Dial.tool_name(), TransferCall.tool_name()})
_MAX_REMEMBERED = 10_000


class TimeLimits:
    """Call legs and numbers that were called with a time limit.

    A leg's id is known to the process that dialled it, a number to all: it is in the audit before the call is made.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._audit = AuditFollower(ledger, self._note)
        self._limited = Newest[str, None](_MAX_REMEMBERED)

    def record(self, command: Command, call_control_id: str | None) -> None:
        """Note the leg of a dial that Telnyx accepted, and the number called from; nothing for another command."""
        if isinstance(command, Dial) and is_limit(command.time_limit_secs):
            self._remember(name for name in (call_control_id, command.from_) if name)

    async def hold_for(self, call_control_id: str, number: str | None) -> bool:
        """Whether a leg was called with a time limit. `number`: at its far end, if known. Raises `StoreError`."""
        await self._audit.update()
        return call_control_id in self._limited or (number is not None and number in self._limited)

    def _note(self, record: AuditRecord) -> None:
        is_call = record.entry.get("outcome") == "sends" and record.tool in _TOOLS
        if is_call and is_limit(_seconds(record.arguments.get("time_limit_secs"))):
            self._remember(_numbers(record.arguments))

    def _remember(self, names: Iterable[str]) -> None:
        for name in names:
            self._limited[name] = None


def _seconds(argument: Any) -> int | None:
    """The audit keeps an argument as the client gave it: a number, or a text of one."""
    return int(float(argument)) if isinstance(argument, int | float | str) and str(argument) else None


def _numbers(arguments: Mapping[str, Any]) -> list[str]:
    """The numbers that are called, and the one that calls: the leg of an own number shows that one."""
    called = arguments.get("to")
    numbers = cast("list[Any]", called) if isinstance(called, list) else [called]
    return [number for number in (*numbers, arguments.get("from")) if isinstance(number, str)]
