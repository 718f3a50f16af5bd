"""Decides whether a command is sent: policy, approval, stop switch and limits."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...tools.base import Command, Risk, Tool
from ...tools.calls import ListActiveCalls
from ...tools.pagination import Read, count_of
from ...tools.permissions import RequestGrant
from ...tools.text import count, quoted
from ..database import StoreError
from ..errors import CallRefused, OutOfScope
from .approvals import ApprovalAnswer, ApprovalOutcome, Approvals, Approver, PersonDeclined
from .call_record import Caller, CallRecord
from .calling import CalledNumbers, CallingCheck, called_numbers
from .command_ids import CommandIds
from .consent import ConsentState, consent_refusal
from .effects import Assessment, assess
from .gathers import Gathers
from .grants import COMMAND_OF, grant_use, question_facts, terms_of
from .ledger import Grant, GrantUse, Ledger, LimitReached, Stopped
from .policy import ApprovalPolicy, BrokenRule, Limit, Policy, PolicyDecision, ScopeFacts
from .questions import Question, affected_people, compose, compose_grant
from .situation import LiveState, Situation

T = TypeVar("T")


class Gate:
    """Admits commands, or refuses them with a reason."""

    def __init__(
        self,
        policy: Callable[[Caller], Policy],
        ledger: Ledger,
        approvals: Approvals,
        facts: ScopeFacts,
        *,
        live: LiveState,
        consent: ConsentState,
        newest_event: Callable[[], int] = lambda: 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`policy` returns the current policy for a caller, `newest_event` the number of the newest known event."""
        self._live = live
        self._consent = consent
        self._command_ids = CommandIds(now)
        self.gathers = Gathers()
        self._calling = CallingCheck(ledger, now)
        self._policy = policy
        self._ledger = ledger
        self._approvals = approvals
        self._facts = facts
        self._newest_event = newest_event
        self._now = now

    async def check(self, policy: Policy, assessment: Assessment, read: Read) -> PolicyDecision:
        """The policy's decision on a command, if it may be sent now. Raises `CallRefused`, or what `read` raises."""
        command = assessment.situation.command
        decision = policy.judged(command, assessment.risk)
        refusal = policy.refusal(type(command)) or policy.closed(self._now())
        refusal = refusal or await policy.out_of_scope(command, self._facts, assessment.situation.place)
        if refusal is None and command.exposes() and not policy.may_expose():
            refusal = "it would hand out download links, and here you may only read"
        if refusal is None and decision.approval is ApprovalPolicy.REFUSE:
            refusal = "this server's policy always refuses it with these arguments"
        if refusal is None and (limit := decision.most_people) is not None:
            affected = await affected_people(assessment.command, read) + assessment.others
            if affected > limit:
                refusal = (
                    f"it would touch {affected} people, and this server's policy allows {limit} at most in one action"
                )
        if refusal is None:
            refusal = await self._too_many_calls(decision.concurrent_calls, command, read)
        if refusal is None:
            consent = consent_refusal(policy.consent, assessment.situation, self._consent)
            refusal = await self._noted(command, consent)
        broken = [] if refusal is not None else await self._broken_rules(policy, assessment.situation)
        if final := [rule for rule in broken if not rule.may_override]:
            refusal = "; ".join(map(str, final))
        if refusal is not None:
            why = refusal.rstrip(".")
            raise CallRefused(f"{command.tool_name()} was not sent: {why}. {_FINAL}", f"Nothing was done: {why}.")
        attempts = self._calling.attempt_limits(policy.calling, command.numbers(), broken)
        if not broken:
            return replace(decision, attempts=attempts) if attempts else decision
        return replace(decision, approval=ApprovalPolicy.ASK_EACH, attempts=attempts, broken_rules=tuple(broken))

    async def _broken_rules(self, policy: Policy, situation: Situation) -> list[BrokenRule]:
        """The calling rules that a command breaks. Raises `CallRefused`."""
        numbers = await called_numbers(situation)
        if not numbers.all:
            return []
        return await self._noted(situation.command, self._calling.broken(policy.calling, numbers))

    async def broken_rules(self, policy: Policy, number: str) -> list[BrokenRule]:
        """The calling rules that a call to a number would break now. Raises `CallRefused` and `StoreError`."""
        return await self._calling.broken(policy.calling, CalledNumbers((number,)))

    async def _too_many_calls(self, max_calls: int | None, command: Command, read: Read) -> str | None:
        """Why no more calls may be made, when at most `most` may be up; a clause. Raises what `read` raises."""
        more = len(command.numbers())
        if max_calls is None or not more:
            return None
        connection = await self._connection_of(command)
        if connection is None:
            return f"the number of calls that are up is not known, and this server's policy allows {max_calls} at once"
        total = await count_of(read, ListActiveCalls(connection_id=connection))
        if total + more <= max_calls:
            return None
        return (
            f"{count(total, 'call')} {'is' if total == 1 else 'are'} up on connection {quoted(connection)} and this "
            f"would add {more}, and this server's policy allows {max_calls} at once (list_active_calls shows them; "
            "there is room when some have ended)"
        )

    async def _connection_of(self, command: Command) -> str | None:
        """The connection that a command calls with: its own, or that of the call it transfers."""
        given: str | None = getattr(command, "connection_id", None)
        leg: str | None = getattr(command, "call_control_id", None)
        return given or (await self._facts.connection_of(leg) if leg else None)

    async def admit_unstopped(self, tool: Tool, policy: Policy, record: CallRecord) -> None:
        """Return when this call may be done, which only a limit can block. Raises `CallRefused`."""
        if limits := policy.judged(tool).limits(tool):
            self._none_in_the_way(tool, await self._noted(tool, self._ledger.admit_read(limits, record.entry("reads"))))

    async def admit(self, command: Command, policy: Policy, read: Read, approver: Approver, record: CallRecord) -> None:
        """Return when this write may be sent; then it is counted, and its start is recorded in the audit.

        `policy`: the one in force when the call arrived. Raises `CallRefused`, what `approver` raises to ask its
        question, or what `read` raises.
        """
        self._command_ids.check(command)
        assessment = await self._assess(command)
        record.risk = assessment.risk
        decision = await self.check(policy, assessment, read)
        if decision.approval.asks:
            self._none_in_the_way(command, await self._noted(command, self._ledger.look(_limits(decision, assessment))))
            approver = _UnlessByAnother(approver, lambda: self._policy(record.caller))
            asked: list[Assessment] = []
            rules: list[Sequence[BrokenRule]] = [decision.broken_rules]

            async def composed() -> tuple[Question, Risk]:
                # The first question uses the facts that were just looked up, each later one those of its moment.
                asked.append(await self._assess(command) if asked else assessment)
                if len(asked) > 1:
                    rules.append(await self._broken_rules(self._policy(record.caller), asked[-1].situation))
                return await compose(asked[-1], rules[-1]), asked[-1].risk

            async def use() -> GrantUse | None:
                return None if rules[-1] else await self._grant_use(asked[-1], record.caller)

            obtaining = self._approvals.obtain(command, composed, approver, record, use)
            try:
                await self._noted(command, obtaining)
            except PersonDeclined:
                because = "".join(f"It would break a rule of this server's policy: {rule}. " for rule in rules[-1])
                raise PersonDeclined(command, because) from None
            # A person takes their time: the policy and the facts may have changed meanwhile.
            assessment = asked[-1]
            record.risk = assessment.risk
            decision = await self.check(self._policy(record.caller), assessment, read)
            if not {rule.facts for rule in decision.broken_rules} <= {rule.facts for rule in rules[-1]}:
                raise CallRefused(f"{command.tool_name()} was not sent: {'; '.join(map(str, decision.broken_rules))}.")
        self._command_ids.record(command)
        admitting = self._ledger.admit(_limits(decision, assessment), record.entry("sends", self._newest_event()))
        self._none_in_the_way(command, await self._noted(command, admitting))

    async def admit_group(self, tool: Tool, parts: Sequence[Command], policy: Policy, record: CallRecord) -> None:
        """As `admit`, for a tool that sends these commands, one for each person, and about which nobody is asked.

        Raises `CallRefused`, also while writes are stopped, and what a lookup raises.
        """
        decision, refusal = policy.judged(tool), policy.closed(self._now())
        if refusal is None and decision.most_people is not None and len(parts) > decision.most_people:
            refusal = (
                f"it would touch {len(parts)} people, and this server's policy allows {decision.most_people} at most "
                "in one action"
            )
        if refusal is not None:
            raise CallRefused(f"{tool.tool_name()} did nothing: {refusal.rstrip('.')}. {_FINAL}")
        for part in parts:
            await self._require_scope(tool, part, policy, Situation(part, self._live))
        admitting = self._ledger.admit(decision.limits(tool), record.entry("sends", self._newest_event()))
        self._none_in_the_way(tool, await self._noted(tool, admitting))

    async def _require_scope(self, tool: Tool, part: Command, policy: Policy, situation: Situation) -> None:
        if (why := await policy.out_of_scope(part, self._facts, situation.place)) is not None:
            raise OutOfScope(f"{tool.tool_name()} was not sent: {why}. {_FINAL}")

    async def _grant_use(self, assessment: Assessment, caller: Caller) -> GrantUse | None:
        """The call as the use of a grant; None if no grant may cover it."""
        decision = self._policy(caller).judged(assessment.command, assessment.risk)
        tool = assessment.command.tool_name()
        if decision.approval is ApprovalPolicy.ASK_EACH or all(
            grant.terms.tool != tool for grant in await self._ledger.grants()
        ):
            return None
        return await grant_use(assessment, caller.identity)

    async def grant(
        self, request: RequestGrant, defaults: Mapping[str, str | None], approver: Approver, record: CallRecord
    ) -> Grant:
        """Ask a person for a grant, and store it. Raises as `admit` does."""
        policy, terms = self._policy(record.caller), terms_of(request, defaults)
        command = COMMAND_OF[terms.tool]
        if (refusal := policy.refusal(command) or policy.closed(self._now())) is not None:
            raise CallRefused(f"{terms.tool} cannot be granted: {refusal.rstrip('.')}. {_FINAL}")
        if policy.approval_at(command, command.worst_risk()) is ApprovalPolicy.ASK_EACH:
            raise CallRefused(f"{terms.tool} cannot be granted: a person is asked about each call of it. {_FINAL}")
        self._none_in_the_way(request, await self._noted(request, self._ledger.look(())))
        room = await self._live.room(terms.room) if terms.room is not None else None
        terms = replace(terms, room_name=room.name if room is not None else None)

        async def composed() -> tuple[Question, Risk]:
            return compose_grant(
                terms, question_facts(terms, room, lambda leg: self._live.person(leg).who)
            ), Risk.DESTRUCTIVE

        approver = _UnlessByAnother(approver, lambda: self._policy(record.caller))
        begun = await self._noted(request, self._approvals.obtain(request, composed, approver, record))
        by = str(record.asked.get("by", ""))
        asker = record.caller.identity, record.caller.client
        grant = await self._noted(request, self._ledger.add_grant(terms, asker, by, begun))
        record.asked["grant"] = grant.code
        return grant

    async def admit_part(self, command: Command, policy: Policy, record: CallRecord, once: Limit | None) -> bool:
        """Count one request of a write that was admitted, and record its start. False if `once` does not allow it, or
        the person must hear something else first.

        Raises `CallRefused` if a limit of the policy or the stop switch does not allow it, `OutOfScope`, and what a
        lookup raises.
        """
        situation = Situation(command, self._live)
        await self._require_scope(command, command, policy, situation)
        if await self._noted(command, consent_refusal(policy.consent, situation, self._consent)) is not None:
            return False
        limits = (*policy.judged(command).limits(command), *([once] if once is not None else []))
        found = await self._noted(command, self._ledger.admit(limits, record.entry("sends", self._newest_event())))
        if isinstance(found, LimitReached) and found.limit is once:
            return False
        self._none_in_the_way(command, found)
        return True

    async def admit_follow_up(self, command: Command, policy: Policy, read: Read, record: CallRecord) -> None:
        """As `admit`, for a write that a person has approved together with an earlier one. Raises `CallRefused`."""
        assessment = await self._assess(command)
        record.risk = assessment.risk
        decision = await self.check(policy, assessment, read)
        if decision.broken_rules:
            raise CallRefused(f"{command.tool_name()} was not sent: {'; '.join(map(str, decision.broken_rules))}.")
        admitting = self._ledger.admit(decision.limits(assessment.command), record.entry("sends", self._newest_event()))
        self._none_in_the_way(command, await self._noted(command, admitting))

    async def _assess(self, command: Command) -> Assessment:
        return await self._noted(command, assess(command, Situation(command, self._live)))

    def sent(self, command: Command, body: Any, caller: Caller, at: datetime) -> None:
        """Note a command that Telnyx accepted, also a read. `body`: Telnyx's JSON; `at`: the time by its clock."""
        self._live.record(command, body)
        self.gathers.record(command, caller, at)
        self._consent.sent(command, body)

    async def _noted(self, command: Tool, doing: Awaitable[T]) -> T:
        """Use the store. Raises `CallRefused` when it fails: an action that cannot be recorded is not done."""
        try:
            return await doing
        except StoreError as problem:
            why = str(problem).rstrip(".")
            raise CallRefused(
                f"{command.tool_name()} was not sent: this server cannot record what it does ({why}), and changes "
                "nothing until it can. The operator must repair the store."
            ) from None

    def _none_in_the_way(self, command: Tool, found: Stopped | LimitReached | None) -> None:
        match found:
            case Stopped():
                reason = f" ({found.reason})" if found.reason else ""
                raise CallRefused(
                    f"{command.tool_name()} was not sent: a person has stopped all writes of this server{reason}. "
                    "Reading still works. Only they can allow writes again: tell them, and do not try again until "
                    "then.",
                    "Nothing was done: all changes are paused, these buttons too. Resume first.",
                )
            case LimitReached():
                raise CallRefused(
                    f"{command.tool_name()} was not sent: this server's policy allows {found.limit.text}. "
                    + self._when(found),
                    f"Nothing was done: the policy allows {found.limit.text}. {self._when(found)}",
                )
            case None:
                pass

    def _when(self, full: LimitReached) -> str:
        if full.until is None:
            return f"This one call would use {full.limit.amount}, which is never allowed: do less at once."
        seconds = max(1, round((full.until - self._now()).total_seconds()))
        return f"There is room for this call again in {seconds} s, at {full.until:%H:%M:%S} UTC."

    async def dry_run(self, asked: Command, command: Command, policy: Policy, read: Read) -> dict[str, Any]:
        """What would be sent, how risky it is and why, and what a person would be asked first. Raises as `check` does.

        `asked`: the command as the caller wrote it, by which it is judged.
        """
        assessment = await self._assess(asked)
        decision = await self.check(policy, assessment, read)
        request = command.request()
        would: dict[str, Any] = {"method": request.method, "path": request.path}
        if request.body is not None:
            would["body"] = request.body
        would["risk"] = str(assessment.risk)
        if assessment.reasons:
            would["because"] = [f"this {reason}" for reason in assessment.reasons]
        if decision.approval.asks:
            would["asks_first"] = (await compose(assessment, decision.broken_rules)).text
        return would


def _limits(decision: PolicyDecision, assessment: Assessment) -> tuple[Limit, ...]:
    return decision.limits(assessment.command, ends_room=assessment.ends_room)


class _UnlessByAnother:
    """Asks through the client, unless the policy requires another person: when asking, or when the answer comes."""

    def __init__(self, asker: Approver, policy: Callable[[], Policy]) -> None:
        self._asker = asker
        self._policy = policy

    async def ask(self, question: Question) -> ApprovalAnswer:
        if self._policy().by_another:
            return _BY_ANOTHER
        answer = await self._asker.ask(question)
        is_yes = answer.reply is ApprovalOutcome.YES
        return _BY_ANOTHER if is_yes and self._policy().by_another else answer


_BY_ANOTHER = ApprovalAnswer(ApprovalOutcome.NOBODY, "this server's policy requires that another person approves", "")
_FINAL = "The operator decides this; do not look for a way around it."
