"""What is shipped is what is in the tree."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = (".py", ".md", ".typed", ".html", ".css", ".js", ".svg")


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_tree_and_no_other(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, source], check=True, capture_output=True)
    subprocess.run([*build, "--no-build-isolation", "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wanted = {
        f"telnyx_conferencing/{path.relative_to(source)}"
        for directory in ("tools", "prompts", "server")
        for path in (source / directory).rglob("*")
        if path.suffix in SHIPPED or path.name == "py.typed"
    }
    assert packed == wanted


def test_the_version_is_the_one_in_pyproject() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("telnyx-conferencing") == declared


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_starting_the_stdio_server_loads_neither_a_web_server_nor_the_sandbox_nor_a_template_engine() -> None:
    ours = loaded_by("telnyx_conferencing.server.cli.serve") - loaded_by("mcp.server.stdio, mcp.server")
    assert "telnyx_conferencing.server.app" in ours
    assert not {"uvicorn.server", "telnyx_conferencing.server.sandbox", "telnyx", "jinja2", "yaml"} & ours


def test_every_dependency_is_pinned_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=!~ ;\[]", requirement)[0].lower() for requirement in wanted}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if "==" in line}
    assert names <= pinned
