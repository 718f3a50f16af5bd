"""The examples of docs/frameworks.md, with the newest versions of the frameworks and a scripted model.

Run it by hand: `python bench/frameworks.py`. It installs each framework in a virtual environment that it removes
afterwards (`--environments` keeps them). The exit code is 1 if an example does not work.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from converters import environment

ROOT = Path(__file__).parents[1]
PROBE = Path(__file__).with_name("framework_probe.py")
PACKAGES = {
    "mcp": "mcp",
    "http": "mcp",
    "http-token": "mcp",
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim[mcp]",
    "langgraph": "langgraph langchain langchain-mcp-adapters",
    "google-adk": "google-adk mcp",
}
"""Each example by its name in the document, and what pip installs for it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=PACKAGES, action="append", help="Only this example; can be repeated.")
    parser.add_argument("--environments", type=Path, help="Keep the virtual environments here, and use them again.")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="frameworks-") as directory:
        for name in arguments.only or PACKAGES:
            python = environment((arguments.environments or Path(directory)) / name, PACKAGES[name].split())
            failed += not works(python, name)
    return int(failed > 0)


def works(python: str, name: str) -> bool:
    """Run one example with the framework of this Python, and print its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [python, str(PROBE), name, str(ROOT / "docs" / "frameworks.md")]
    ended = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    said = ended.stdout.strip() or ended.stderr.strip()[-300:]
    print(f"{'good ' if ended.returncode == 0 else 'WRONG'} {name}: {said}", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
