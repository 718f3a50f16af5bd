"""Sequences of calls for the effect oracle, drawn by Hypothesis, which finds the shortest failing one."""

import anyio
from hypothesis import strategies as st

from support.effect_oracle import KINDS, Step, Violation, oracle
from support.random_policies import RandomPolicy

SEEDS = st.integers(0, 2**32 - 1)


def steps(length: int) -> st.SearchStrategy[list[Step]]:
    """Sequences of at most this many steps."""
    step = st.tuples(st.sampled_from(KINDS), SEEDS, st.booleans())
    return st.lists(step, min_size=length // 2, max_size=length)


def check(start: int, sequence: list[Step], policy: RandomPolicy | None = None) -> None:
    """Run a sequence from a random start. Raises `Violation` for an effect that nothing covers."""
    found: list[Violation] = []

    async def run() -> None:
        async with oracle(start, policy) as checked:
            try:
                await checked.run(sequence)
                await checked.check_audit()
            except Violation as violation:  # by itself, not in the groups of the tasks that end with it
                found.append(violation)

    anyio.run(run)
    if found:
        raise found[0]
