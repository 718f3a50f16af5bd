"""What the operator page shows, from the ledger, as JSON."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from ....tools.text import clean
from ...events.times import iso
from ...guard.changes import changes
from ...guard.ledger import MAX_QUESTION_LENGTH, AuditRecord, Grant, Ledger, PendingApproval, Stopped

_MAX_PENDING = 50
_MAX_TEXT_LENGTH = 500
_DECIDED_SHOWN_FOR = timedelta(minutes=2)
_ACTION_FIELDS = ("outcome", "tool", "does", "risk", "client", "identity", "why", "by", "reason", "code", "grant")
_APPROVAL_FIELDS = ("by", "answer", "reason", "code", "grant")


async def read_state(
    ledger: Ledger,
    now: datetime,
    changed_since: Callable[[PendingApproval], str | None],
    name_of: Callable[[str], str],
) -> dict[str, Any]:
    """What people decide here: pending requests, those decided a moment ago, grants, and the stop switch.

    `changed_since`: what has changed since a request was asked. `name_of`: the person on a call leg.
    `audit`: the number of the newest record, which grows with every action. Raises what the ledger raises.
    """
    pending = await ledger.pending()
    outdated = [_outdated_view(*pair) for pair in await ledger.asked_again()]
    decided = await ledger.decided_since(now - _DECIDED_SHOWN_FOR)
    stopped = await ledger.stopped()
    newest = await ledger.newest(1)
    return {
        "waiting": len(pending),
        "pending": [_pending_view(approval, changed_since(approval)) for approval in pending[:_MAX_PENDING]],
        "decided": [*outdated, *(approval_view(approval) for approval in decided)],
        "grants": [grant_view(grant, name_of) for grant in await ledger.grants()],
        "stopped": None if stopped is None else _stopped_view(stopped),
        "audit": newest[0].number if newest else 0,
    }


def _pending_view(approval: PendingApproval, changed: str | None) -> dict[str, Any]:
    return approval_view(approval) | ({"changed": changed} if changed else {})


def _outdated_view(approval: PendingApproval, newest: PendingApproval) -> dict[str, Any]:
    """A request that the agent has made again since the facts changed, and what has changed."""
    return approval_view(approval) | {"state": "outdated", "changed": changes(approval.facts, newest.facts)}


def approval_view(approval: PendingApproval) -> dict[str, Any]:
    """An approval request and its state."""
    view = {
        "code": approval.code,
        "tool": approval.tool,
        "risk": approval.risk,
        "question": clean(approval.question, MAX_QUESTION_LENGTH),
        "asked_by": clean(approval.asker, _MAX_TEXT_LENGTH),
        "asked_at": iso(approval.asked_at),
        "expires_at": iso(approval.expires_at),
        "state": approval.state,
        "answer": approval.answer,
        "room": approval.conference_id,
        "decided_at": iso(approval.decided_at) if approval.decided_at else None,
        "by": clean(approval.decided_by or "", _MAX_TEXT_LENGTH) or None,
        "reason": clean(approval.reason or "", _MAX_TEXT_LENGTH) or None,
    }
    return {name: value for name, value in view.items() if value is not None}


def grant_view(grant: Grant, name_of: Callable[[str], str]) -> dict[str, Any]:
    """An open grant, and what is left of it."""
    terms = grant.terms
    limits = {name: ", ".join(name_of(str(value)) for value in values) for name, values in terms.limits.items()}
    return {
        "code": grant.code,
        "tool": terms.tool,
        "limits": {name: clean(text, _MAX_TEXT_LENGTH) for name, text in limits.items()},
        "room": clean(terms.room_name or terms.room or "", _MAX_TEXT_LENGTH),
        "count": terms.count,
        "left": grant.left,
        "asked_by": clean(grant.identity or grant.asked_by, _MAX_TEXT_LENGTH),
        "granted_by": clean(grant.granted_by, _MAX_TEXT_LENGTH),
        "expires_at": iso(grant.expires_at),
    }


def _stopped_view(stopped: Stopped) -> dict[str, Any]:
    return {
        "at": iso(stopped.at),
        "by": clean(stopped.by, _MAX_TEXT_LENGTH),
        "reason": clean(stopped.reason or "", _MAX_TEXT_LENGTH),
    }


def action_views(records: Sequence[AuditRecord]) -> list[dict[str, Any]]:
    """The actions in these records, both newest first.

    Records of the same `call` make one action; the fields of later records replace those of earlier ones.
    """
    groups: dict[str, list[AuditRecord]] = {}
    for record in records:
        call = record.entry.get("call")
        groups.setdefault(f"call {call}" if call else f"record {record.number}", []).append(record)
    return [_action_view(key, group) for key, group in groups.items()]


def _action_view(key: str, group: Sequence[AuditRecord]) -> dict[str, Any]:
    newest = group[0]
    entry: dict[str, Any] = {}
    for record in reversed(group):
        entry.update(record.entry)
    view = {"key": key, "number": newest.number, "at": iso(newest.at), **_text_fields(entry, _ACTION_FIELDS)}
    asked = entry.get("asked")
    if isinstance(asked, Mapping):
        approval = _text_fields(cast("Mapping[str, Any]", asked), _APPROVAL_FIELDS)
        view |= {"asked": approval} if approval else {}
    if isinstance(milliseconds := entry.get("ms"), int | float):
        view["ms"] = milliseconds
    if isinstance(opted_out := entry.get("number"), str):
        view["opted_out"] = clean(opted_out, _MAX_TEXT_LENGTH)
    return view


def _text_fields(entry: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: clean(str(entry[name]), _MAX_TEXT_LENGTH) for name in names if entry.get(name) not in (None, "")}
