"""The page that is shipped is the one that its sources make."""

import shutil
from pathlib import Path

from support.npm import ROOT, run

BUILT = ROOT / "server" / "board" / "switchboard.html"
SOURCES = ROOT / "board"


def test_the_shipped_page_is_current(packages: Path, tmp_path: Path) -> None:
    sources = tmp_path / "board"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(packages)
    run(sources, "npm", "run", "build", "--", str(tmp_path / "built.html"))
    assert (tmp_path / "built.html").read_bytes() == BUILT.read_bytes(), "it is not: run `make board`"


def test_the_lock_file_names_every_package_by_its_content() -> None:
    text = (SOURCES / "package-lock.json").read_text("utf-8")
    assert text.count('"integrity": "sha512-') == text.count('    "node_modules/')
