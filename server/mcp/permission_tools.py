"""Answers the tools of the toolset `permissions`: who may be called, opting out, and grants."""

from typing import Any

from ...tools.base import Tool
from ...tools.numbers import reached
from ...tools.numbers import refusal as refused_always
from ...tools.permissions import AddOptout, MayCall, RequestGrant
from ...tools.recordings import AnnounceRecording
from ...tools.text import clean_id, count, listed
from ..adapters.recording_consent import RecordingConsent
from ..database import StoreError
from ..errors import CallRefused
from ..guard import Approver, Caller, CallRecord, Guard
from ..guard.ledger import Grant
from .default_arguments import DefaultArguments

TOOLSET = MayCall.toolset()


class PermissionTools:
    """Answers from the guard; nothing is sent to Telnyx."""

    def __init__(self, guard: Guard, defaults: DefaultArguments, consent: RecordingConsent) -> None:
        self._guard = guard
        self._consent = consent
        self._defaults = defaults

    async def answer(self, tool: Tool, caller: Caller) -> dict[str, Any]:
        """The structured content of a tool. Raises `CallRefused`."""
        try:
            match tool:
                case MayCall():
                    return await self._may_call(tool, caller)
                case AddOptout():
                    return await self._add_optout(tool, caller)
                case RequestGrant():
                    return {"summary": f"Dry run: this would ask a person to grant {tool.tool}.", "grant": {}}
                case _:
                    raise TypeError(f"{tool.tool_name()} is not a tool of the toolset {TOOLSET}")
        except StoreError as problem:
            raise CallRefused(f"{tool.tool_name()} cannot be answered now: {problem}") from None

    async def _may_call(self, tool: MayCall, caller: Caller) -> dict[str, Any]:
        numbers = [await self._judge_number(number, caller) for number in dict.fromkeys(tool.numbers)]
        allowed = [entry["number"] for entry in numbers if entry["allowed"]]
        refused = [f"not {clean_id(entry['number'])}: {'; '.join(entry['why'])}" for entry in numbers if entry["why"]]
        summary = f"{count(len(allowed), 'number')} of {len(numbers)} may be called now"
        return {"summary": ". ".join([summary, *([listed(refused, 5, ". ")] if refused else [])]), "numbers": numbers}

    async def _judge_number(self, number: str, caller: Caller) -> dict[str, Any]:
        policy = self._guard.policy(caller)
        if (never := refused_always(number)) is not None:
            return {"number": number, "allowed": False, "why": [never]}
        if policy.scope.numbers.lists and (problem := policy.scope.numbers.problem("number to call", number)):
            return {"number": number, "allowed": False, "why": [problem]}
        broken = await self._guard.gate.broken_rules(policy, number)
        if (obstacle := await self._guard.gate.dial_obstacle(policy, number)) is not None:
            return {"number": number, "allowed": False, "why": [obstacle, *map(str, broken)]}
        view: dict[str, Any] = {"number": number, "allowed": not broken, "why": [str(rule) for rule in broken]}
        opening_times = [rule.until for rule in broken if rule.until is not None]
        if broken and len(opening_times) == len(broken):
            view["allowed_from"] = max(opening_times).isoformat()
        if broken and all(rule.may_override for rule in broken):
            view["a_person_may_allow_it"] = True
        return view

    async def grant(self, tool: RequestGrant, approver: Approver, record: CallRecord) -> dict[str, Any]:
        """Ask a person for a grant; the structured content of the tool. Raises `CallRefused` and `CallFailed`."""
        grant = await self._guard.gate.grant(tool, self._defaults.values, approver, record)
        summary = f"{grant.terms.tool} is granted {count(grant.left, 'time')} until {grant.expires_at:%H:%M:%S} UTC"
        return {"summary": f"{summary}: call it within these limits.", "grant": grant_view(grant)}

    async def announce(self, tool: AnnounceRecording, record: CallRecord) -> dict[str, Any]:
        """Play the recording announcement; the structured content of the tool. Raises `CallFailed`."""
        if self._guard.dry_run:
            return {"summary": "Dry run: this would play the recording announcement.", "playing_to": [], "heard_by": []}
        policy = self._guard.policy(record.caller)
        return await self._consent.announce(
            tool, lambda parts: self._guard.gate.admit_group(tool, parts, policy, record)
        )

    async def _add_optout(self, tool: AddOptout, caller: Caller) -> dict[str, Any]:
        by = f"agent {caller.identity or caller.client}"
        if self._guard.dry_run:
            return {"summary": f"Dry run: this would put {tool.number} on the opt-out list.", "number": tool.number}
        is_new = await self._guard.ledger.add_optout(tool.number, by, "opt-out added", caller.session)
        was = "" if is_new else "already "
        summary = f"{tool.number} is {was}on the opt-out list: it is not called."
        if tool.number.startswith("+") and not reached(tool.number):
            summary += " It cannot exist in the number plan of its country: ask the person for it again."
        return {"summary": summary, "number": tool.number}


def grant_view(grant: Grant) -> dict[str, Any]:
    """A grant as an agent sees it."""
    terms = grant.terms
    view: dict[str, Any] = {"code": grant.code, "tool": terms.tool, "limits": terms.limits, "left": grant.left}
    if terms.room is not None:
        view["conference_id"] = terms.room
    return view | {"until": grant.expires_at.isoformat()}
