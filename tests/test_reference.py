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


_SECTIONS = [("security.md", "risk rules", reference.risk_rules), ("hosts.md", "sizes", reference.sizes)]


@pytest.mark.parametrize(("page", "name", "made"), _SECTIONS)
def test_a_generated_section_is_current(page: str, name: str, made: Callable[[], str]) -> None:
    path = DOCS / page
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = path.read_text().partition(begin)
    current, _, after = rest.partition(end)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        current = made()
        path.write_text(f"{before}{begin}{current}{end}{after}")
    assert current == made(), "run UPDATE_SNAPSHOTS=1 make test"
