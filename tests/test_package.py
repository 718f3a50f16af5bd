"""What is shipped is what is in the tree."""

import ast
import re
import subprocess
import sys
import tarfile
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
    files = {
        f"telnyx_conferencing/{path.relative_to(source)}"
        for directory in ("tools", "prompts", "server")
        for path in (source / directory).rglob("*")
        if path.suffix in SHIPPED or path.name == "py.typed"
    }
    assert packed == files


def test_the_version_is_the_one_in_pyproject() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("telnyx-conferencing") == declared


def modules_loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_starting_the_stdio_server_does_not_load_what_only_later_calls_need() -> None:
    ours = modules_loaded_by("telnyx_conferencing.server.cli.serve") - modules_loaded_by("mcp.server.stdio, mcp.server")
    assert "telnyx_conferencing.server.app" in ours
    own = {f"telnyx_conferencing.server.{name}" for name in ("sandbox", "reports", "events.projection.projection")}
    assert not {"uvicorn.server", "telnyx", "jinja2", "yaml", *own} & ours


@pytest.mark.slow
def test_the_source_distribution_has_the_docs_and_the_skill(tmp_path: Path) -> None:
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, source], check=True, capture_output=True)
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    documents = {str(path.relative_to(source)) for path in (source / "docs").rglob("*") if path.is_file()}
    assert documents | {"README.md", "SKILL.md", "CHANGELOG.md", "LICENSE", "server/cli/main.py"} <= packed


_DISTRIBUTIONS = {"jwt": "pyjwt", "opentelemetry": "opentelemetry-api", "yaml": "pyyaml"}
"""Of imports that have another name."""


def test_every_import_is_declared_and_every_library_with_a_version_1_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = {re.split(r"[<>=!~ ;\[]", line)[0]: line for line in [*project["dependencies"], *optional]}
    files = [file for folder in ("server", "tools", "prompts") for file in Path(ROOT, folder).rglob("*.py")]
    trees = [ast.parse(file.read_text()) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    imported = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    names = {_DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in imported}
    assert names <= declared.keys()
    unbounded = {"cryptography", "phonenumbers", "tzdata"}  # a new major version of these is data or a security fix
    assert {name for name, line in declared.items() if "<" not in line} <= unbounded


def test_every_dependency_is_pinned_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=!~ ;\[]", requirement)[0].lower() for requirement in requirements}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if "==" in line}
    assert names <= pinned
    assert (ROOT / "requirements-dev.txt").read_text().count("--hash=") >= len(pinned)
