"""Qwen Code with a scripted model: a job from a read to an approved end, as `install qwen` configures it.

Run it by hand: `python bench/qwen_code.py`. It needs what `bench/hosts.py` fetches from npm (`--qwen PROGRAM` names
another; a `node` beside it runs it), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import json
import os
import re
import sys
import time
from pathlib import Path

from host_job import CONNECTING_S, PREFIX, Job, Prompt, host_program, host_version, installed
from scripted_model import Chat, shown, tool_results, tool_use

SERVER = "telnyx-conferencing"
OWN = {
    "security": {"auth": {"selectedType": "openai"}},
    "model": {"name": "scripted"},
    "privacy": {"usageStatisticsEnabled": False},
}
SEARCH = "tool_search"
MAX_RESULTS = 20
"""A search finds no more."""
PROMPT = "/work_the_queue --queue=support"


class Script:
    """The job as this host's model does it: it reads the definitions of tools by search, and calls them by another."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.found: list[str] = []

    def turn(self, request):
        results = tool_results(request)
        if not results:
            time.sleep(CONNECTING_S)
            names = re.findall(rf'"(mcp__{SERVER}__\w+)"', json.dumps(request).replace("\\", ""))
            pages = [names[at : at + MAX_RESULTS] for at in range(0, len(names), MAX_RESULTS)]
            queries = ({"query": f"select:{','.join(page)}", "max_results": MAX_RESULTS} for page in pages)
            return [tool_use(f"{SEARCH}{number}", SEARCH, query) for number, query in enumerate(queries)]
        self.found = [results[id_] for id_ in results if id_.startswith(SEARCH)]
        return self.job.turn(request)

    def definitions(self):
        texts = re.findall("<function>(.*)</function>", "\n".join(self.found))
        return {definition["name"]: definition for definition in map(json.loads, texts)}


def as_called(name: str, arguments):
    if name == SEARCH:
        return name, arguments
    if name.startswith(PREFIX):
        return "tool_call", {"name": f"mcp__{SERVER}__{name.removeprefix(PREFIX)}", "arguments": arguments}
    return "tool_call", {
        "name": "read_mcp_resource",
        "arguments": {"server_name": SERVER, "uri": arguments["uri"]},
    }


def main() -> int:
    qwen = host_program("qwen", __doc__)
    path = f"{Path(qwen).parent}:{os.environ['PATH']}"
    with installed("qwen", PATH=path, OPENAI_API_KEY="scripted") as (env, database):
        file = Path(env["HOME"]) / ".qwen" / "settings.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | OWN))
        version = host_version(qwen, env)
        script, prompt = Script(Job(database)), Prompt()
        chat = Chat(script.turn, as_called)
        chat.run([qwen, "-p", "Do the job.", "--approval-mode", "yolo"], env)
        Chat(prompt.turn, as_called).run([qwen, "-p", PROMPT], env)
    print(f"Qwen Code {version} {shown(script.definitions(), f'mcp__{SERVER}__', chat.requests)}")
    well = script.job.report()
    return int(not prompt.report(PROMPT) or not well)


if __name__ == "__main__":
    sys.exit(main())
