"""Between a valid command and Telnyx: policy, approval, the stop switch and limits, each a reason not to send it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...tools.base import Command, Tool
from ...tools.calls import ListActiveCalls
from ...tools.text import count, quoted
from ..database import StoreError
from ..errors import CallRefused
from .approvals import ApprovalAnswer, ApprovalOutcome, Approvals, Approver
from .call_record import Caller, CallRecord
from .ledger import Ledger, LimitReached, Stopped
from .policy import ApprovalPolicy, Policy, PolicyDecision, ScopeFacts
from .questions import CallLookup, Question, Read, compose, people_touched

T = TypeVar("T")


class Gate:
    """Lets commands through, or says why not. Reads need no leave beyond being tools of this server."""

    def __init__(
        self,
        policy: Callable[[Caller], Policy],
        ledger: Ledger,
        approvals: Approvals,
        facts: ScopeFacts,
        *,
        about_call: CallLookup,
        newest_event: Callable[[], int] = lambda: 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`policy` gives the one that holds for a caller, `newest_event` the number of the newest that is known."""
        self._about_call = about_call
        self._policy = policy
        self._ledger = ledger
        self._approvals = approvals
        self._facts = facts
        self._newest_event = newest_event
        self._now = now

    async def check(self, policy: Policy, command: Command, read: Read) -> PolicyDecision:
        """What the policy says of this command, if it allows it now. Raises `Refused`, or what `read` raises."""
        judged = policy.judged(command)
        why = policy.refusal(type(command)) or policy.closed(self._now())
        why = why or await policy.out_of_scope(command, self._facts)
        if why is None and judged.approval is ApprovalPolicy.REFUSE:
            why = "this server's policy always refuses it with these arguments"
        if why is None and (most := judged.most_people) is not None:
            touched = await people_touched(command, read)
            if touched > most:
                why = f"it would touch {touched} people, and this server's policy lets one action touch {most} at most"
        if why is None:
            why = await self._too_many_calls(judged.concurrent_calls, command, read)
        if why is not None:
            raise CallRefused(f"{command.tool_name()} was not sent: {why.rstrip('.')}. {_FINAL}")
        return judged

    async def _too_many_calls(self, most: int | None, command: Command, read: Read) -> str | None:
        """Why no more calls may be made now, of which `most` may be up, as a clause. Raises what `read` raises."""
        more = len(command.numbers())
        if most is None or not more:
            return None
        connection = await self._connection_of(command)
        if connection is None:
            return f"it cannot be told how many calls are up, and this server's policy allows {most} at once"
        up = ListActiveCalls.result.read(await read(ListActiveCalls(connection_id=connection, page_size=1)))
        total: int = up["total_results"]
        if total + more <= most:
            return None
        return (
            f"{count(total, 'call')} {'is' if total == 1 else 'are'} up on connection {quoted(connection)} and this "
            f"would add {more}, and this server's policy allows {most} at once (list_active_calls shows them; "
            "there is room when some have ended)"
        )

    async def _connection_of(self, command: Command) -> str | None:
        """The connection that it calls with: its own, or that of the call it passes on."""
        given: str | None = getattr(command, "connection_id", None)
        leg: str | None = getattr(command, "call_control_id", None)
        return given or (await self._facts.connection_of(leg) if leg else None)

    async def admit_read(self, tool: Tool, policy: Policy, record: CallRecord) -> None:
        """Return when this read may be done: only a limit of its own stands in its way. Raises `Refused`."""
        if limits := policy.judged(tool).limits(tool):
            self._none_in_the_way(tool, await self._noted(tool, self._ledger.admit_read(limits, record.entry("reads"))))

    async def admit(self, command: Command, policy: Policy, read: Read, asker: Approver, record: CallRecord) -> None:
        """Return when this write may be sent; then it is counted, and noted as begun.

        `policy`: the one that held when the call came. Raises `Refused`, what `asker` raises to put its question, or
        what `read` raises.
        """
        judged = await self.check(policy, command, read)
        if judged.approval is ApprovalPolicy.ASK:
            self._none_in_the_way(command, await self._noted(command, self._ledger.look(judged.limits(command))))
            asker = _UnlessByAnother(asker, lambda: self._policy(record.caller))
            obtaining = self._approvals.obtain(command, lambda asked: self._question(asked, read), asker, record)
            await self._noted(command, obtaining)
            # A person takes their time, and the policy may have been edited meanwhile.
            policy = self._policy(record.caller)
            judged = await self.check(policy, command, read)
        admitting = self._ledger.admit(judged.limits(command), record.entry("sends", self._newest_event()))
        self._none_in_the_way(command, await self._noted(command, admitting))

    async def _question(self, command: Command, read: Read) -> Question:
        return await compose(command, read, self._about_call)

    async def _noted(self, command: Tool, doing: Awaitable[T]) -> T:
        """What is done with the store. Raises `Refused` when it cannot be used: what cannot be noted is not done."""
        try:
            return await doing
        except StoreError as problem:
            why = str(problem).rstrip(".")
            raise CallRefused(
                f"{command.tool_name()} was not sent: this server cannot note what it does ({why}), and changes "
                "nothing until it can. The operator must mend the store."
            ) from None

    def _none_in_the_way(self, command: Tool, found: Stopped | LimitReached | None) -> None:
        match found:
            case Stopped():
                reason = f" ({found.reason})" if found.reason else ""
                raise CallRefused(
                    f"{command.tool_name()} was not sent: a person has stopped all writes of this server{reason}. "
                    "Reading goes on. Only they can let writes go on: tell them, and do not try again until then."
                )
            case LimitReached():
                raise CallRefused(
                    f"{command.tool_name()} was not sent: this server's policy allows {found.limit.what}. "
                    + self._when(found)
                )
            case None:
                pass

    def _when(self, full: LimitReached) -> str:
        if full.until is None:
            return f"This one call would use {full.limit.amount}, which is never allowed: do less at once."
        seconds = max(1, round((full.until - self._now()).total_seconds()))
        return f"There is room for this call again in {seconds} s, at {full.until:%H:%M:%S} UTC."

    async def dry_run(self, asked: Command, command: Command, policy: Policy, read: Read) -> dict[str, Any]:
        """What would be sent, and what a person would be asked first. Raises as `check` does.

        `asked`: the command as it was asked for, by which it is judged.
        """
        judged = await self.check(policy, asked, read)
        request = command.request()
        would: dict[str, Any] = {"method": request.method, "path": request.path}
        if request.body is not None:
            would["body"] = request.body
        if judged.approval is ApprovalPolicy.ASK:
            would["asks_first"] = (await self._question(asked, read)).text
        return would


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
_FINAL = "The operator decides on that; trying another way around it is not wanted."
