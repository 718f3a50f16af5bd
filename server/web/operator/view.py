"""What the page shows, from the ledger, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ....tools.words import clean
from ...guard.ledger import AuditRecord, Ledger, PendingApproval, Stopped

_MOST_PENDING = 50
_MOST_ACTIONS = 50
_RECORDS = 3 * _MOST_ACTIONS
"""An action is one record or several."""
_LONGEST = 500
_LONGEST_QUESTION = 8_000
"""More than any question has: a person must see all they decide on."""
_TEXTS = ("outcome", "tool", "does", "risk", "client", "why", "by", "reason", "code")
_TEXTS_OF_ASKED = ("by", "answer", "reason", "code")


async def look(ledger: Ledger) -> dict[str, Any]:
    """Everything that the page shows now. Raises what the ledger raises."""
    waiting = await ledger.pending()
    stopped = await ledger.stopped()
    records = await ledger.newest(_RECORDS)
    return {
        "waiting": len(waiting),
        "pending": [told(approval) for approval in waiting[:_MOST_PENDING]],
        "stopped": None if stopped is None else _stopped(stopped),
        "actions": actions(records)[:_MOST_ACTIONS],
    }


def told(approval: PendingApproval) -> dict[str, Any]:
    """A question, and what became of it."""
    return {
        "code": approval.code,
        "tool": approval.tool,
        "risk": approval.risk,
        "question": clean(approval.question, _LONGEST_QUESTION),
        "asked_by": clean(approval.asker, _LONGEST),
        "asked_at": approval.asked_at.isoformat(),
        "expires_at": approval.expires_at.isoformat(),
        "state": approval.state,
    }


def _stopped(stopped: Stopped) -> dict[str, Any]:
    return {
        "at": stopped.at.isoformat(),
        "by": clean(stopped.by, _LONGEST),
        "reason": clean(stopped.reason or "", _LONGEST),
    }


def actions(records: Sequence[AuditRecord]) -> list[dict[str, Any]]:
    """The actions that records (newest first) tell of, the one with the newest record first.

    Records of the same `call` are one action: a later record says anew what an earlier one said.
    """
    found: dict[str, list[AuditRecord]] = {}
    for record in records:
        call = record.entry.get("call")
        found.setdefault(f"call {call}" if call else f"record {record.number}", []).append(record)
    return [_action(key, group) for key, group in found.items()]


def _action(key: str, group: Sequence[AuditRecord]) -> dict[str, Any]:
    newest = group[0]
    entry: dict[str, Any] = {}
    for record in reversed(group):
        entry.update(record.entry)
    shown = {"key": key, "at": newest.at.isoformat(), **_texts(entry, _TEXTS)}
    asked = entry.get("asked")
    if isinstance(asked, Mapping) and (said := _texts(cast("Mapping[str, Any]", asked), _TEXTS_OF_ASKED)):
        shown["asked"] = said
    if isinstance(milliseconds := entry.get("ms"), int | float):
        shown["ms"] = milliseconds
    return shown


def _texts(entry: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: clean(str(entry[name]), _LONGEST) for name in names if entry.get(name) not in (None, "")}
