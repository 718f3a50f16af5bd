"""GitHub Copilot CLI with a scripted model: a job from a read to an approved end, as `install copilot` configures it.

Run it by hand: `python bench/copilot_cli.py`. It needs what `bench/hosts.py` fetches from npm (`--copilot PROGRAM`
names another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import argparse
import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from claude_code import ENDED, ENTER, EXPECTED, PREFIX, PROGRAM, ROOT, WITHOUT_RESOURCES, Job, at_terminal
from scripted_model import Shown, scripted_model

COPILOT = ROOT / ".venv" / "hosts" / "node_modules" / ".bin" / "copilot"
MARK = "telnyx-conferencing-"
"""What the host puts before the name of a tool."""
MODEL = {
    "COPILOT_PROVIDER_TYPE": "anthropic",
    "COPILOT_PROVIDER_API_KEY": "scripted",
    "COPILOT_MODEL": "claude-sonnet-4.5",
}
DOWN = "\x1b[B"
READING_S = 3
"""How long a person, or the host, takes for a step."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--copilot", default=str(COPILOT), help="The program of GitHub Copilot CLI.")
    copilot = parser.parse_args().copilot
    with TemporaryDirectory(prefix="copilot-") as home:
        database = f"sqlite:///{home}/events.db"
        env = {"PATH": os.environ["PATH"], "HOME": home, "COPILOT_OFFLINE": "true"}
        install = [PROGRAM, "install", "copilot", "--sandbox", "--database", database]
        subprocess.run(install, env=env, check=True, capture_output=True)

        def run(*arguments: str) -> str:
            ended = subprocess.run(
                [copilot, *arguments], env=env, cwd=home, capture_output=True, text=True, check=False, timeout=180
            )
            return ended.stdout + ended.stderr

        version, listed = run("--version").splitlines()[0], run("mcp", "list")
        job, asked = Job(database, WITHOUT_RESOURCES), Job(database, (*EXPECTED[:3], ENDED))
        shown, shown_there = (Shown(one.turn, lambda name: MARK + name.removeprefix(PREFIX)) for one in (job, asked))
        with scripted_model(shown.turn) as url:
            env |= MODEL | {"COPILOT_PROVIDER_BASE_URL": url}
            run("-p", "Do the job.", "--allow-all-tools")
        with scripted_model(shown_there.turn) as url:
            env |= {"COPILOT_PROVIDER_BASE_URL": url, "TERM": "xterm-256color"}
            approve(copilot, env)
    print(f"{version} lists {' '.join(listed.split())}, and {shown}")
    well = job.report()
    print("In a session at a terminal:")
    return int(not (asked.report() and well))


def approve(copilot: str, env) -> None:
    """Start a session, and choose `approve` in the question that the host shows."""
    with at_terminal("-C", env["HOME"], "-i", "Do the job.", "--allow-all-tools", env=env, program=copilot) as terminal:
        for question, keys in (("Confirm folder trust", (ENTER,)), ("Approve this?", (DOWN, ENTER))):
            terminal.until(question)
            for key in keys:
                time.sleep(READING_S)
                terminal.type(key)
        time.sleep(READING_S)


if __name__ == "__main__":
    sys.exit(main())
