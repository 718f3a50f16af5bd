"""The reference pages of the documents are what the code says."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support import reference

DOCS = Path(__file__).parents[1] / "docs"
_PAGES = [reference.tools, reference.configuration, reference.resources, reference.prompts]


@pytest.mark.parametrize("made", _PAGES)
def test_a_reference_page_is_current(made: Callable[[], str]) -> None:
    path = DOCS / f"{made.__name__}.md"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(made())
    assert path.read_text() == made(), "run UPDATE_SNAPSHOTS=1 make test"


def test_the_risks_in_the_security_page_are_those_of_the_code() -> None:
    path = DOCS / "security.md"
    begin, end = "<!-- risk rules -->\n", "\n<!-- end of risk rules -->"
    before, _, rest = path.read_text().partition(begin)
    current, _, after = rest.partition(end)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        current = reference.risk_rules()
        path.write_text(f"{before}{begin}{current}{end}{after}")
    assert current == reference.risk_rules(), "run UPDATE_SNAPSHOTS=1 make test"
