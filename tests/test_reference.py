"""The reference tables in the documents are what the code says."""

import os
from pathlib import Path

from support import reference

DOCS = Path(__file__).parents[1] / "docs"


def test_the_tool_reference_is_current() -> None:
    path = DOCS / "tools.md"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(reference.tools())
    assert path.read_text() == reference.tools(), "run UPDATE_SNAPSHOTS=1 make test"
