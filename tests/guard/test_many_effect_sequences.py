"""The same as `test_effect_sequences.py`, for many more sequences."""

import pytest
from hypothesis import given, settings

from support.effect_sequences import SEEDS, check, steps
from telnyx_conferencing.server.guard import gate

from .test_effect_sequences import by_tool, violations

pytestmark = pytest.mark.slow


@settings(max_examples=1000)
@given(SEEDS, steps(12))
def test_every_effect_of_many_sequences_was_approved(start: int, sequence: list[tuple[str, int, bool]]) -> None:
    check(start, sequence)


def test_the_oracle_finds_every_kind_of_hole_of_a_rule_that_judges_by_the_tools_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "assess", by_tool)
    found = violations(range(120))
    assert found.keys() >= {"conference ended", "hung up", "overheard", "place lost"}
    assert found.total() >= 20
