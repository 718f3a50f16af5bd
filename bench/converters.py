"""How many of the server's tools the converters of well-known agent frameworks load, and what they lose.

Run it by hand: `python bench/converters.py`. It installs the newest versions of the packages in virtual environments
that it removes afterwards, and prints a row a converter: tools loaded, enumerations kept, alternatives (`anyOf`) kept,
the first error. `--repository` measures another checkout, to compare.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = {
    "google-genai": "google-genai mcp<2",
    "litellm": "litellm",
    "smolagents": "smolagents mcpadapt",
    "langchain-google-genai": "langchain-google-genai langchain-mcp-adapters",
    "llama-index": "llama-index-core llama-index-tools-mcp",
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim[mcp,openai]",
}
"""Each converter by its row, and what pip installs for it."""

PROBE = Path(__file__).with_name("converter_probe.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repository", type=Path, help="Another checkout to measure, instead of this one.")
    parser.add_argument("--only", choices=PACKAGES, action="append", help="Only this converter; can be repeated.")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="converters-") as directory:
        definitions = _definitions(Path(directory), arguments.repository)
        print(f"{'converter':24} {'tools':>9} {'enums':>9} {'anyOf':>7}  first error")
        for name in arguments.only or PACKAGES:
            failed |= not _measure(name, Path(directory), definitions)
    return int(failed)


def _definitions(directory: Path, repository: Path | None) -> Path:
    """The tools' definitions as JSON, from the installed package or from a checkout."""
    python = _environment(directory / "server", [str(repository)]) if repository else sys.executable
    file = directory / "tools.json"
    program = (
        "import json; from telnyx_conferencing.tools import TOOLS;"
        "from telnyx_conferencing.server.mcp.tool_definitions import definition;"
        "print(json.dumps([definition(tool).model_dump(mode='json', by_alias=True, exclude_none=True)"
        " for tool in TOOLS if not tool.needs_cards]))"
    )
    file.write_bytes(subprocess.run([python, "-c", program], check=True, stdout=subprocess.PIPE, cwd=directory).stdout)
    return file


def _measure(name: str, directory: Path, definitions: Path) -> bool:
    try:
        python = _environment(directory / name, PACKAGES[name].split())
    except subprocess.CalledProcessError:
        print(f"{name:24} could not be installed")
        return False
    command = [python, str(PROBE), name, str(definitions)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=directory)
    print(f"{name:24} {result.stdout.strip() or (result.stderr.strip().splitlines() or ['no output'])[-1]}", flush=True)
    return result.returncode == 0


def _environment(directory: Path, packages: list[str]) -> str:
    """The Python of a new virtual environment with these packages."""
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    python = str(directory / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(install, check=True, stdout=sys.stderr)
    return python


if __name__ == "__main__":
    sys.exit(main())
