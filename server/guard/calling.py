"""Applies the calling rules to the numbers that a command calls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ...tools.calls import BridgeCalls
from ...tools.numbers import party_key, party_keys
from ..errors import CallRefused
from .ledger import Ledger
from .policy import BrokenRule, CallingPolicy, CallingRule, Limit
from .policy.watched_file import FileUnreadable, Seen, read_text, stat_of
from .situation import Situation

_MAX_FILE_BYTES = 16 * 2**20


class OptOutFile:
    """An operator's list of numbers that are never called, one a line. It is read again when it has changed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: Seen | None = None
        self._numbers: frozenset[str] = frozenset()

    def numbers(self) -> frozenset[str]:
        """The numbers in the file. Raises `FileUnreadable`: with a list that cannot be read, nobody is called."""
        stat = stat_of(self._path)
        if stat != self._seen:
            self._numbers = frozenset(_entries(read_text(self._path, _MAX_FILE_BYTES)))
            self._seen = stat
        return self._numbers


def _entries(text: str) -> Iterable[str]:
    for place, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                yield party_key(entry)
            except ValueError:
                raise FileUnreadable(f"Line {place} is not a phone number with + and its country code.") from None


@dataclass(frozen=True, slots=True)
class CalledNumbers:
    """The numbers that a command calls, and those that ring already and that it connects."""

    attempted: tuple[str, ...] = ()
    ringing: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.attempted, *self.ringing)))


async def called_numbers(situation: Situation) -> CalledNumbers:
    """The numbers that the calling rules are about."""
    command = situation.command
    ringing: list[str] = []
    if isinstance(command, BridgeCalls):
        for leg in filter(None, (command.call_control_id, command.other_call_control_id)):
            ringing += filter(None, [await situation.ringing_number(leg)])
    return CalledNumbers(tuple(dict.fromkeys(command.numbers())), tuple(ringing))


class CallingCheck:
    """Finds the calling rules that calls would break, from the policy and from what the store knows of the numbers."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._files: dict[str, OptOutFile] = {}

    async def broken(self, policy: CallingPolicy, numbers: CalledNumbers) -> list[BrokenRule]:
        """The rules that calling these numbers breaks now. Raises `StoreError`, and `CallRefused` when a list of
        opt-outs cannot be read."""
        concerned = [number for number in numbers.all if not policy.is_exempt(number)]
        if not concerned:
            return []
        keys = {key for number in concerned for key in party_keys(number)}
        limits = {number: policy.attempt_limits(number) for number in numbers.attempted if number in concerned}
        full, listed = await self._ledger.look_up_callees(keys, limits)
        in_files = self._in_files(policy)
        rules: list[BrokenRule] = []
        for number in concerned:
            names = party_keys(number)
            if names & in_files:
                rules.append(policy.opted_out(number, "has opted out of calls: it is in the operator's opt-out file"))
            elif names & listed.keys():
                at = max(listed[name] for name in names & listed.keys())
                rules.append(policy.opted_out(number, f"has opted out of calls, on {at:%Y-%m-%d %H:%M} UTC"))
            rules += policy.broken(number, self._now())
            if number in full:
                rules.append(policy.too_many_attempts(number, full[number].limit, full[number].until))
        return rules

    def attempt_limits(
        self, policy: CallingPolicy, command_numbers: Sequence[str], broken: Sequence[BrokenRule]
    ) -> tuple[Limit, ...]:
        """The limits that an attempt to call these numbers counts in. An overridden limit only counts."""
        overridden = {rule.number for rule in broken if rule.rule is CallingRule.ATTEMPTS}
        limits: dict[str, Limit] = {}
        for number in dict.fromkeys(command_numbers):
            for limit in policy.attempt_limits(number, is_counted_only=number in overridden):
                # Two spellings of one number are two attempts.
                earlier = limits.get(limit.key)
                limits[limit.key] = limit if earlier is None else replace(earlier, amount=earlier.amount + limit.amount)
        return tuple(limits.values())

    def _in_files(self, policy: CallingPolicy) -> frozenset[str]:
        numbers: frozenset[str] = frozenset()
        for path in policy.optout_files:
            try:
                numbers |= self._files.setdefault(path, OptOutFile(path)).numbers()
            except FileUnreadable as problem:
                raise CallRefused(
                    f"Nothing was sent: the opt-out list cannot be used, and without it nobody is called. {problem} "
                    "The operator must repair it."
                ) from None
        return numbers
