"""No sequence of calls has an effect that nobody approved, or touches what the policy does not allow."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings

from support.effect_oracle import KINDS, Violation, oracle
from support.effect_sequences import SEEDS, check, steps
from support.random_policies import RandomPolicy
from telnyx_conferencing.server.guard import gate
from telnyx_conferencing.server.guard.effects import Assessment
from telnyx_conferencing.server.guard.situation import Situation
from telnyx_conferencing.tools.base import Command


@settings(max_examples=30, derandomize=True)
@given(SEEDS, steps(8))
def test_every_effect_of_a_sequence_of_calls_was_approved(start: int, sequence: list[tuple[str, int, bool]]) -> None:
    check(start, sequence)


@settings(max_examples=30, derandomize=True)
@given(SEEDS, SEEDS, steps(8))
def test_no_sequence_of_calls_touches_what_a_random_policy_does_not_allow(
    start: int, policy: int, sequence: list[tuple[str, int, bool]]
) -> None:
    check(start, sequence, RandomPolicy.made(policy))


async def by_tool(command: Command, situation: Situation) -> Assessment:
    """The rule before effects were judged: the risk of the tool and its own arguments."""
    return Assessment(command, command.current_risk(), (), situation)


def violations(seeds: range) -> Counter[str]:
    """How often the oracle finds each kind of effect that nobody approved, in a sequence a seed."""
    found: Counter[str] = Counter()
    for seed in seeds:
        chance = random.Random(seed)
        sequence = [(chance.choice(KINDS), chance.randrange(2**32), chance.random() < 0.5) for _ in range(8)]
        try:
            check(seed, sequence)
        except Violation as violation:
            found[violation.kind] += 1
    return found


def test_the_oracle_finds_the_holes_of_a_rule_that_judges_by_the_tools_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "assess", by_tool)
    assert violations(range(20)).total() >= 4


@pytest.mark.anyio
async def test_a_use_of_a_grant_is_an_effect_that_was_approved() -> None:
    async with oracle(10) as checked:
        await checked.run([("grant", 1, True), *(("hangup_call", seed, False) for seed in range(25))])
        used = [step for step in checked.steps if step.startswith("hangup_call") and step.endswith("done, not asked")]
    assert used
    assert len(used) == sum(grant.times - grant.left for grant in checked.grants)
