"""Cline with a scripted model: a job from a read to an approved end, as `install cline` configures it.

Run it by hand: `python bench/cline_cli.py`. It needs what `bench/hosts.py` fetches from npm (`--cline PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import json
import sys
from pathlib import Path

from host_job import PREFIX, WITHOUT_RESOURCES, Job, host_program, host_version, installed, run_host
from scripted_model import Shown, scripted_model

MODEL = {"provider": "anthropic", "apiKey": "scripted", "model": "claude-sonnet-4-6"}
MARK = "telnyx-conferencing__"
"""What the host puts before the name of a tool."""


def provider(url: str):
    """The file that `cline auth` writes; that command takes no address of another server than Anthropic's."""
    settings = {"settings": MODEL | {"baseUrl": url}, "updatedAt": "2026-11-28T00:00:00.000Z", "tokenSource": "manual"}
    return {"version": 1, "lastUsedProvider": "anthropic", "modes": {}, "providers": {"anthropic": settings}}


def unwrapped(request):
    """The request with the text of each tool result, of which this host shows the model the JSON."""
    for message in request["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_result":
                block["content"] = " ".join(part["text"] for part in parts(block["content"]))
    return request


def parts(content):
    text = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return json.loads(text)["content"] if text.startswith("{") else [{"text": text}]


def main() -> int:
    cline = host_program("cline", __doc__)
    with installed("cline") as (env, database):
        version = host_version(cline, env)
        job = Job(database, WITHOUT_RESOURCES)
        shown = Shown(lambda request: job.turn(unwrapped(request)), lambda name: MARK + name.removeprefix(PREFIX))
        with scripted_model(shown.turn) as url:
            settings = Path(env["HOME"]) / ".cline" / "data" / "settings" / "providers.json"
            settings.write_text(json.dumps(provider(url)))
            try:
                run_host(env, cline, "Do the job.")
            finally:
                run_host(env, cline, "hub", "stop")  # Cline leaves a process behind
    print(f"Cline {version} {shown}")
    return int(not job.report())


if __name__ == "__main__":
    sys.exit(main())
