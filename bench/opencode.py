"""OpenCode with a scripted model: a job from a read to an approved end, as `install opencode` configures it.

Run it by hand: `python bench/opencode.py`. It needs what `bench/hosts.py` fetches from npm (`--opencode PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import json
import sys
from pathlib import Path

from host_job import PREFIX, Job, Prompt, host_program, host_version, installed
from scripted_model import Chat, shown

SERVER = "telnyx-conferencing"
OWN = {
    "provider": {
        "scripted": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "{env:OPENAI_BASE_URL}", "apiKey": "scripted"},
            "models": {"scripted": {}},
        }
    },
    "model": "scripted/scripted",
}
PROMPT = f"{SERVER}:work_the_queue"


def as_called(name: str, arguments):
    if name.startswith(PREFIX):
        return f"{SERVER}_{name.removeprefix(PREFIX)}", arguments
    return "read_mcp_resource", {"server": SERVER, "uri": arguments["uri"]}


def main() -> int:
    opencode = host_program("opencode", __doc__)
    # The host would fetch a list of models.
    with installed("opencode", OPENCODE_DISABLE_MODELS_FETCH="1") as (env, database):
        file = Path(env["HOME"]) / ".config" / "opencode" / "opencode.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | OWN))
        version = host_version(opencode, env)
        job, prompt = Job(database), Prompt()
        chat = Chat(job.turn, as_called)
        chat.run([opencode, "run", "Do the job."], env)
        Chat(prompt.turn, as_called).run([opencode, "run", "--command", PROMPT, "support"], env)
    definitions = {tool["function"]["name"]: tool["function"] for tool in chat.requests[0]["tools"]}
    print(f"OpenCode {version} {shown(definitions, f'{SERVER}_', chat.requests)}")
    well = job.report()
    return int(not prompt.report(PROMPT) or not well)


if __name__ == "__main__":
    sys.exit(main())
