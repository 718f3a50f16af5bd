"""The same as `test_effect_sequences.py` under random policies, for many more sequences."""

import pytest
from hypothesis import given, settings

from support.effect_sequences import SEEDS, check, steps
from support.random_policies import RandomPolicy

pytestmark = pytest.mark.slow


@settings(max_examples=1000)
@given(SEEDS, SEEDS, steps(12))
def test_no_sequence_touches_what_any_of_many_policies_does_not_allow(
    start: int, policy: int, sequence: list[tuple[str, int, bool]]
) -> None:
    check(start, sequence, RandomPolicy.made(policy))
