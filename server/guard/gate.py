"""Decides whether a command is sent: policy, approval, stop switch and limits."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...tools.base import Command, Risk, Tool
from ...tools.calls import Dial, ListActiveCalls, TransferCall
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
from .effects import Assessment, assess, moved_legs
from .gathers import Gathers
from .grants import COMMAND_OF, grant_use, question_facts, terms_of
from .ledger import Grant, GrantUse, Ledger, LimitReached, Stopped
from .moves import Moves
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
        self._moves = Moves()
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
        decision = policy.decide(command, assessment.risk)
        refusal = await self._refusal(policy, decision, assessment, read)
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

    async def _refusal(
        self, policy: Policy, decision: PolicyDecision, assessment: Assessment, read: Read
    ) -> str | None:
        """Why the policy does not allow a command now, apart from its calling rules; a clause. Raises as `check`."""
        command = assessment.situation.command
        refusal = policy.refusal(type(command)) or policy.closed(self._now())
        refusal = refusal or await policy.out_of_scope(command, self._facts, assessment.situation)
        if refusal is not None:
            return refusal
        if command.exposes() and not policy.may_expose():
            return "it would hand out download links, and here you may only read"
        if decision.approval is ApprovalPolicy.REFUSE:
            return "this server's policy always refuses it with these arguments"
        if (limit := decision.most_people) is not None:
            affected = await affected_people(assessment.command, read) + assessment.others
            if affected > limit:
                return _too_many_people(affected, limit)
        if (refusal := await self._too_many_calls(decision.concurrent_calls, command, read)) is not None:
            return refusal
        return await self._use_store(command, consent_refusal(policy.consent, assessment.situation, self._consent))

    async def _broken_rules(self, policy: Policy, situation: Situation) -> list[BrokenRule]:
        """The calling rules that a command breaks. Raises `CallRefused`."""
        numbers = await called_numbers(situation)
        if not numbers.all:
            return []
        return await self._use_store(situation.command, self._calling.broken(policy.calling, numbers))

    async def broken_rules(self, policy: Policy, number: str) -> list[BrokenRule]:
        """The calling rules that a call to a number would break now. Raises `CallRefused` and `StoreError`."""
        return await self._calling.broken(policy.calling, CalledNumbers((number,)))

    async def dial_obstacle(self, policy: Policy, number: str) -> str | None:
        """Why nobody may be called now, apart from the calling rules, as a clause. Raises `StoreError`."""
        if all(policy.refusal(tool) for tool in (Dial, TransferCall)):
            return f"calling is not possible: {policy.refusal(Dial)}"
        if (closed := policy.closed(self._now())) is not None:
            return closed.rstrip(".")
        dial = Dial.model_construct(to=number)
        try:
            self._raise_if_blocked(dial, await self._ledger.look(policy.decide(dial).limits(dial)))
        except CallRefused as refused:
            return str(refused).removeprefix(f"{dial.tool_name()} was not sent: ").rstrip(".")
        return None

    async def _too_many_calls(self, max_calls: int | None, command: Command, read: Read) -> str | None:
        """Why a command may not make its calls, when `max_calls` may be up at once; a clause.

        Raises what `read` raises.
        """
        new_calls = len(command.numbers())
        if max_calls is None or not new_calls:
            return None
        connection = await self._connection_of(command)
        if connection is None:
            return f"the number of calls that are up is not known, and this server's policy allows {max_calls} at once"
        total = await count_of(read, ListActiveCalls(connection_id=connection))
        if total + new_calls <= max_calls:
            return None
        return (
            f"{count(total, 'call')} {'is' if total == 1 else 'are'} up on connection {quoted(connection)} and this "
            f"would add {new_calls}, and this server's policy allows {max_calls} at once (list_active_calls shows "
            "them; there is room when some have ended)"
        )

    async def _connection_of(self, command: Command) -> str | None:
        """The connection that a command calls with: its own, or that of the call it transfers."""
        given: str | None = getattr(command, "connection_id", None)
        leg: str | None = getattr(command, "call_control_id", None)
        return given or (await self._facts.connection_of(leg) if leg else None)

    async def admit_unstopped(self, tool: Tool, policy: Policy, record: CallRecord) -> None:
        """Count a call that the stop switch does not block, and record its start in the audit.

        Raises `CallRefused` when a limit is reached.
        """
        if limits := policy.decide(tool).limits(tool):
            await self._require_admission(tool, self._ledger.admit_read(limits, record.entry("reads")))

    async def admit(self, command: Command, policy: Policy, read: Read, approver: Approver, record: CallRecord) -> None:
        """Check a write, have a person approve it if the policy requires that, count it, and record its start.

        When this returns, the write may be sent, and `answered` must follow. `policy`: the one in force when the call
        arrived. Raises `CallRefused`, what `approver` raises to ask its question, or what `read` raises.
        """
        self._command_ids.check(command)
        assessment = await self._assess(command)
        record.risk = assessment.risk
        decision = await self.check(policy, assessment, read)
        if decision.approval.asks:
            await self._require_admission(command, self._ledger.look(_limits(decision, assessment)))
            assessment, rules = await self._obtain_approval(
                command, assessment, decision.broken_rules, approver, record
            )
            # A person takes their time: the policy and the facts may have changed meanwhile.
            record.risk = assessment.risk
            policy = self._policy(record.caller)
            decision = await self.check(policy, assessment, read)
            if not {rule.facts for rule in decision.broken_rules} <= {rule.facts for rule in rules}:
                raise CallRefused(f"{command.tool_name()} was not sent: {'; '.join(map(str, decision.broken_rules))}.")
        self._command_ids.check(command)
        self._moves.begin(command.tool_name(), assessment.situation.steps)
        self._command_ids.record(command)
        try:
            await self._begin(command, policy, _limits(decision, assessment), record)
        except BaseException:
            self.answered(command)
            raise

    def answered(self, command: Command) -> None:
        """A command that was admitted has been answered, or was not sent after all."""
        self._moves.end(moved_legs(command))

    async def _obtain_approval(
        self,
        command: Command,
        assessment: Assessment,
        rules: Sequence[BrokenRule],
        approver: Approver,
        record: CallRecord,
    ) -> tuple[Assessment, Sequence[BrokenRule]]:
        """Have a person approve a command. Returns the assessment and the broken rules that the question was about."""
        is_first_question = True

        async def composed() -> tuple[Question, Risk]:
            # The first question uses the facts that were just looked up, each later one those of its moment.
            nonlocal assessment, rules, is_first_question
            if not is_first_question:
                assessment = await self._assess(command)
                rules = await self._broken_rules(self._policy(record.caller), assessment.situation)
            is_first_question = False
            return await compose(assessment, rules), assessment.risk

        async def use() -> GrantUse | None:
            return None if rules else await self._grant_use(assessment, record.caller)

        approver = _ClientApprover(approver, lambda: self._policy(record.caller))
        try:
            await self._use_store(command, self._approvals.obtain(command, composed, approver, record, use))
        except PersonDeclined:
            because = "".join(f"It would break a rule of this server's policy: {rule}. " for rule in rules)
            raise PersonDeclined(command, because) from None
        return assessment, rules

    async def admit_group(self, tool: Tool, parts: Sequence[Command], policy: Policy, record: CallRecord) -> None:
        """As `admit`, for a tool that sends these commands, one for each person, and about which nobody is asked.

        Raises `CallRefused`, also while writes are stopped, and what a lookup raises.
        """
        decision, refusal = policy.decide(tool), policy.closed(self._now())
        if refusal is None and decision.most_people is not None and len(parts) > decision.most_people:
            refusal = _too_many_people(len(parts), decision.most_people)
        if refusal is not None:
            raise CallRefused(f"{tool.tool_name()} did nothing: {refusal.rstrip('.')}. {_FINAL}")
        for part in parts:
            await self._require_scope(tool, part, policy, Situation(part, self._live))
        admitting = self._ledger.admit(decision.limits(tool), record.entry("sends", self._newest_event()))
        await self._require_admission(tool, admitting)

    async def _require_scope(self, tool: Tool, part: Command, policy: Policy, situation: Situation) -> None:
        if (why := await policy.out_of_scope(part, self._facts, situation)) is not None:
            raise OutOfScope(f"{tool.tool_name()} was not sent: {why}. {_FINAL}")

    async def _grant_use(self, assessment: Assessment, caller: Caller) -> GrantUse | None:
        """The call as the use of a grant; None if no grant may cover it."""
        decision = self._policy(caller).decide(assessment.command, assessment.risk)
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
        await self._require_admission(request, self._ledger.look(()))
        room = await self._live.room(terms.room) if terms.room is not None else None
        terms = replace(terms, room_name=room.name if room is not None else None)

        async def composed() -> tuple[Question, Risk]:
            facts, record_facts = (
                question_facts(terms, room, lambda leg: self._live.person(leg).who, for_records=for_records)
                for for_records in (False, True)
            )
            return compose_grant(terms, facts, record_facts), Risk.DESTRUCTIVE

        approver = _ClientApprover(approver, lambda: self._policy(record.caller))
        approval, approved_at = await self._use_store(
            request, self._approvals.obtain(request, composed, approver, record)
        )
        asker = record.caller.identity, record.caller.client
        grant = await self._use_store(request, self._ledger.add_grant(terms, asker, approval.by, approved_at))
        approval.grant = grant.code
        return grant

    async def admit_part(self, command: Command, policy: Policy, record: CallRecord, once: Limit | None) -> bool:
        """Count one request of a write that was admitted, and record its start. False if `once` does not allow it, or
        the person must hear something else first.

        Raises `CallRefused` if a limit of the policy or the stop switch does not allow it, `OutOfScope`, and what a
        lookup raises.
        """
        situation = Situation(command, self._live)
        await self._require_scope(command, command, policy, situation)
        if await self._use_store(command, consent_refusal(policy.consent, situation, self._consent)) is not None:
            return False
        limits = (*policy.decide(command).limits(command), *([once] if once is not None else []))
        obstacle = await self._use_store(
            command, self._ledger.admit(limits, record.entry("sends", self._newest_event()))
        )
        if isinstance(obstacle, LimitReached) and obstacle.limit is once:
            return False
        self._raise_if_blocked(command, obstacle)
        return True

    async def admit_follow_up(self, command: Command, policy: Policy, read: Read, record: CallRecord) -> None:
        """As `admit`, for a write that a person has approved together with an earlier one. Raises `CallRefused`."""
        assessment = await self._assess(command)
        record.risk = assessment.risk
        decision = await self.check(policy, assessment, read)
        if decision.broken_rules:
            raise CallRefused(f"{command.tool_name()} was not sent: {'; '.join(map(str, decision.broken_rules))}.")
        await self._begin(command, policy, decision.limits(assessment.command), record)

    async def _begin(self, command: Command, policy: Policy, limits: Sequence[Limit], record: CallRecord) -> None:
        """Count a write and record its start. Raises `CallRefused`."""
        entry = record.entry("sends", self._newest_event())
        await self._require_admission(command, self._ledger.admit(limits, entry))
        # Of two calls that are checked at the same moment, at least one now sees the other's start in the audit.
        if policy.consent.is_required:
            situation = Situation(command, self._live)
            again = consent_refusal(policy.consent, situation, self._consent, is_in_audit=True)
            if (refusal := await self._use_store(command, again)) is not None:
                raise CallRefused(f"{command.tool_name()} was not sent: {refusal}. {_FINAL}")

    async def _assess(self, command: Command) -> Assessment:
        situation = Situation(command, self._live, self._moves.steps(moved_legs(command)))
        return await self._use_store(command, assess(command, situation))

    def note_sent(self, command: Command, body: Any, caller: Caller, at: datetime) -> None:
        """Note a command that Telnyx accepted, also a read. `body`: Telnyx's JSON; `at`: the time by its clock."""
        self._live.record(command, body)
        self.gathers.record(command, caller, at, self._newest_event())
        self._consent.note_sent(command, body)

    async def _use_store(self, command: Tool, operation: Awaitable[T]) -> T:
        """The result of an operation on the store.

        Raises `CallRefused` when the store fails: an action that cannot be recorded is not done.
        """
        try:
            return await operation
        except StoreError as problem:
            why = str(problem).rstrip(".")
            raise CallRefused(
                f"{command.tool_name()} was not sent: this server cannot record what it does ({why}), and changes "
                "nothing until it can. The operator must repair the store."
            ) from None

    async def _require_admission(self, command: Tool, admission: Awaitable[Stopped | LimitReached | None]) -> None:
        """Raises `CallRefused` if writes are stopped, a limit is reached, or the store fails."""
        self._raise_if_blocked(command, await self._use_store(command, admission))

    def _raise_if_blocked(self, command: Tool, obstacle: Stopped | LimitReached | None) -> None:
        match obstacle:
            case Stopped():
                reason = f" ({obstacle.reason})" if obstacle.reason else ""
                raise CallRefused(
                    f"{command.tool_name()} was not sent: a person has stopped all writes of this server{reason}. "
                    "Reading still works. Only they can allow writes again: tell them, and do not try again until "
                    "then.",
                    "Nothing was done: all changes are paused, these buttons too. Resume first.",
                )
            case LimitReached():
                raise CallRefused(
                    f"{command.tool_name()} was not sent: this server's policy allows {obstacle.limit.text}. "
                    + self._retry_time(obstacle),
                    f"Nothing was done: the policy allows {obstacle.limit.text}. {self._retry_time(obstacle)}",
                )
            case None:
                pass

    def _retry_time(self, full: LimitReached) -> str:
        if full.until is None:
            return f"This one call would use {full.limit.amount}, which is never allowed: do less at once."
        seconds = max(1, round((full.until - self._now()).total_seconds()))
        return f"There is room for this call again in {seconds} s, at {full.until:%H:%M:%S} UTC."

    async def dry_run(self, written: Command, command: Command, policy: Policy, read: Read) -> dict[str, Any]:
        """What would be sent, how risky it is and why, and what a person would be asked first. Raises as `check` does.

        `written`: the command as the caller wrote it, which is judged. `command`: the same as it would be sent.
        """
        assessment = await self._assess(written)
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


def _too_many_people(affected: int, limit: int) -> str:
    return f"it would touch {affected} people, and this server's policy allows {limit} at most in one action"


def _limits(decision: PolicyDecision, assessment: Assessment) -> tuple[Limit, ...]:
    return decision.limits(assessment.command, ends_room=assessment.ends_room)


class _ClientApprover:
    """Asks through the client, unless the policy requires that another person approves.

    The policy is read when the question is asked, and again when the answer comes.
    """

    def __init__(self, asker: Approver, policy: Callable[[], Policy]) -> None:
        self._asker = asker
        self._policy = policy

    async def ask(self, question: Question) -> ApprovalAnswer:
        if self._policy().by_another:
            return _ANOTHER_PERSON_APPROVES
        answer = await self._asker.ask(question)
        is_yes = answer.reply is ApprovalOutcome.YES
        return _ANOTHER_PERSON_APPROVES if is_yes and self._policy().by_another else answer


_ANOTHER_PERSON_APPROVES = ApprovalAnswer(
    ApprovalOutcome.NOBODY, "this server's policy requires that another person approves", ""
)
_FINAL = "The operator decides this; do not look for a way around it."
