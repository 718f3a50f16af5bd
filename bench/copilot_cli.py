"""GitHub Copilot CLI with a scripted model: a job from a read to an approved end, as `install copilot` configures it.

Run it by hand: `python bench/copilot_cli.py`. It needs what `bench/hosts.py` fetches from npm (`--copilot PROGRAM`
names another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import sys
import threading
import time

from host_job import ENDED, EXPECTED, PREFIX, WITHOUT_RESOURCES, Job, host_program, host_version, installed, run_host
from scripted_model import Shown, scripted_model

from support.terminal import ENTER, at_terminal

MARK = "telnyx-conferencing-"
"""What the host puts before the name of a tool."""
MODEL = {
    "COPILOT_PROVIDER_TYPE": "anthropic",
    "COPILOT_PROVIDER_API_KEY": "scripted",
    "COPILOT_MODEL": "claude-sonnet-4.5",
}
DOWN = "\x1b[B"
READING_S = 4
"""How long the host takes to draw, and a person to read."""
SESSION_S = 90


def main() -> int:
    copilot = host_program("copilot", __doc__)
    with installed("copilot", COPILOT_OFFLINE="true") as (env, database):
        version, listed = host_version(copilot, env).splitlines()[0], run_host(env, copilot, "mcp", "list")
        job, asked = Job(database, WITHOUT_RESOURCES), Job(database, (*EXPECTED[:3], ENDED))
        shown, shown_there = (Shown(one.turn, lambda name: MARK + name.removeprefix(PREFIX)) for one in (job, asked))
        with scripted_model(shown.turn) as url:
            env.update(MODEL, COPILOT_PROVIDER_BASE_URL=url)
            run_host(env, copilot, "-p", "Do the job.", "--allow-all-tools")
        with scripted_model(shown_there.turn) as url:
            env.update(COPILOT_PROVIDER_BASE_URL=url, TERM="xterm-256color", COPILOT_ALLOW_ALL="true")
            approve(copilot, env, asked)
    print(f"{version} lists {' '.join(listed.split())}, and {shown}")
    well = job.report()
    print("In a session at a terminal:")
    return int(not (asked.report() and well))


def approve(copilot: str, env, job: Job) -> None:
    """Start a session, and choose `approve` in the question that the host shows.

    The host redraws only the letters that change, so the script's progress says when the question is there.
    """
    with at_terminal("-C", env["HOME"], "-i", "Do the job.", env=env, program=copilot) as terminal:
        seen = threading.Thread(target=terminal.ended, daemon=True)
        seen.start()
        for keys, answers in (((), len(job.expected) - 1), ((DOWN, ENTER), len(job.expected))):
            for key in keys:
                time.sleep(READING_S)
                terminal.type(key)
            give_up = time.monotonic() + SESSION_S
            while len(job.answers) < answers and time.monotonic() < give_up:
                time.sleep(0.2)
        time.sleep(READING_S)
        terminal.type(f"/exit{ENTER}")
        seen.join(SESSION_S)


if __name__ == "__main__":
    sys.exit(main())
