"""What the hosts' own tools say of the configurations that `install` writes: listing only, no account, no model.

Fetches the tools from npm into .venv/hosts (2.5 gigabytes, once), writes each configuration into an empty home
directory, and prints each tool's version, its command and its words. The exit code is 1 if one of them does not find
the server.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".venv" / "hosts"
PROGRAMS = PLACE / "node_modules" / ".bin"
COMMAND = str(Path(sys.executable).with_name("telnyx-conferencing"))
PACKAGES = {
    "@anthropic-ai/claude-code": "2.1.332",
    "@anthropic-ai/mcpb": "2.1.2",
    "@github/copilot": "1.0.102",
    "@google/gemini-cli": "0.61.0",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@openai/codex": "0.171.0",
    "@qwen-code/qwen-code": "0.24.4",
    "cline": "3.0.65",
    "node": "22.23.3",
    "opencode-ai": "1.18.33",
}
"""Each package and its version. Some need a newer Node.js than the system's, so one comes with them."""
INSPECT = ("mcp-inspector", "--cli", COMMAND, "serve", "--sandbox", "--method")


@dataclass(frozen=True, slots=True)
class Check:
    """One command of a host's own, and what it must say."""

    command: tuple[str, ...]
    says: str
    version: tuple[str, ...] = ()
    install: str = ""
    """The host whose configuration it reads."""
    env: dict[str, str] = field(default_factory=dict[str, str])


CHECKS = (
    Check(("claude", "mcp", "list"), "Connected", ("claude", "--version"), "claude-code"),
    Check(("claude", "plugin", "validate", "--strict", str(ROOT)), "Validation passed"),
    Check(("claude", "plugin", "validate", "--strict", f"{ROOT}/.claude-plugin/plugin.json"), "Validation passed"),
    Check(("mcpb", "validate", f"{ROOT}/.mcpb/manifest.json"), "passes", ("mcpb", "--version")),
    Check(
        ("gemini", "mcp", "list"),
        "Connected",
        ("gemini", "--version"),
        "gemini",
        {"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
    Check(("codex", "mcp", "list"), "telnyx-conferencing", ("codex", "--version"), "codex"),
    Check(
        ("opencode", "mcp", "list"),
        "✓ telnyx-conferencing",
        ("opencode", "--version"),
        "opencode",
        {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    Check(("qwen", "mcp", "list"), "Connected", ("qwen", "--version"), "qwen"),
    Check(
        ("copilot", "mcp", "list"),
        "telnyx-conferencing (local)",
        ("copilot", "--version"),
        "copilot",
        {"COPILOT_OFFLINE": "true"},
    ),
    Check((*INSPECT, "tools/list"), '"list_conferences"'),
    Check((*INSPECT, "tools/call", "--tool-name", "list_queues"), "support"),
)


def run(command: tuple[str, ...], env: dict[str, str], home: str) -> str:
    """What a command of a host prints, on both streams."""
    env = env | {"PATH": f"{PROGRAMS}:{env['PATH']}"}
    program = str(PROGRAMS / command[0])
    ended = subprocess.run([program, *command[1:]], env=env, cwd=home, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def holds(check: Check) -> bool:
    """Print what a check shows, and say whether it is what it must be."""
    with TemporaryDirectory(prefix="host-") as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELNYX", "XDG", "CLAUDE"))}
        env = {**kept, "HOME": home, **check.env}
        if check.install:
            subprocess.run([COMMAND, "install", check.install, "--sandbox"], env=env, check=True, capture_output=True)
        version = run(check.version, env, home).strip().splitlines() if check.version else []
        output = run(check.command, env, home)
    well = check.says in output
    lines = [line for line in output.splitlines() if check.says in line] or output.splitlines()[:10]
    print(f"{'good ' if well else 'WRONG'} {' '.join(check.command)}{f'   [{version[0]}]' if version else ''}")
    for line in lines[:3]:
        print(f"        {line.strip()[:140]}")
    return well


def installed(package: str) -> str:
    """The version of a package that is in place, or nothing."""
    file = PLACE / "node_modules" / package / "package.json"
    return json.loads(file.read_text())["version"] if file.exists() else ""


def main() -> None:
    missing = [f"{package}@{version}" for package, version in PACKAGES.items() if installed(package) != version]
    if missing:
        print(f"Fetching {', '.join(missing)} ...")
        install = ["npm", "install", "--prefix", str(PLACE), "--no-audit", "--no-fund", "--loglevel=error", *missing]
        subprocess.run(install, check=True)
    results = [holds(check) for check in CHECKS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
