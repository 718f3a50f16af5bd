"""Packages from npm, as a lock file pins them: fetched once, and kept in .venv."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from support.skipping import skip_without

ROOT = Path(__file__).parents[2]
_NAMES = ("package.json", "package-lock.json")
_PATIENCE = 300


def run(directory: Path, *command: str) -> None:
    """Run a command that must succeed."""
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def install_packages(project: Path = ROOT / "board") -> Path:
    """The packages of a project. Skips where they cannot be fetched, which must not happen in CI."""
    files = b"".join((project / name).read_bytes() for name in _NAMES)
    place = ROOT / ".venv" / f"{project.name}-{hashlib.sha256(files).hexdigest()[:12]}"
    if not place.exists():
        _install(project, place)
    return place / "node_modules"


def _install(project: Path, place: Path) -> None:
    if not shutil.which("npm"):
        skip_without("Node.js is not installed: apt-get install nodejs npm")
    draft = Path(mkdtemp(prefix=f"{project.name}-", dir=place.parent))
    for name in _NAMES:
        shutil.copy(project / name, draft)
    try:
        run(draft, "npm", "ci", "--no-audit", "--no-fund")
    except AssertionError as failed:
        shutil.rmtree(draft)
        skip_without(f"npm cannot fetch the packages of {project.name}: {failed}")
    try:
        draft.rename(place)
    except OSError:  # another worker was first
        shutil.rmtree(draft)
