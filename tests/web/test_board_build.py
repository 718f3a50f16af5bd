"""The pages that are shipped are those that their sources make."""

import shutil
from pathlib import Path

from support.npm import ROOT, run

BUILT = ("board/switchboard.html", "web/operator/static/app.css", "web/operator/static/app.js")
SOURCES = ROOT / "board"


def test_the_shipped_pages_are_current(packages: Path, tmp_path: Path) -> None:
    sources = tmp_path / "board"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(packages)
    run(sources, "npm", "run", "build", "--", str(tmp_path))
    for name in BUILT:
        assert (tmp_path / "server" / name).read_bytes() == (ROOT / "server" / name).read_bytes(), "run `make board`"


def test_the_lock_file_names_every_package_by_its_content() -> None:
    text = (SOURCES / "package-lock.json").read_text("utf-8")
    assert text.count('"integrity": "sha512-') == text.count('    "node_modules/')
