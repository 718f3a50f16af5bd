"""Codex with a scripted model: a job from a read to an approved end, as `install codex` configures it.

Run it by hand: `python bench/codex_cli.py`. It needs what `bench/hosts.py` fetches from npm (`--codex PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import json
import re
import sys
import time
from pathlib import Path

from host_job import CONNECTING_S, PREFIX, Job, host_program, host_version, installed, run_host
from scripted_model import served, shown

SERVER = "telnyx-conferencing"
NAMESPACE = "mcp__telnyx_conferencing"
FIRST = "first"
PROVIDER = """
model = "scripted"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"

"""


class Script:
    """The job as this host's API carries it.

    The host offers a server's tools, as a namespace, once the server has answered: so the first call is one of its own.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.requests = []

    def answer(self, path: str, request) -> tuple[str, str]:
        self.requests.append(request)
        item = self._item(request)
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        events = (
            {"type": "response.created", "response": {"id": "1"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {"id": "1", "output": [item], "usage": usage}},
        )
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return "text/event-stream", body

    def _item(self, request):
        outputs = [item for item in request["input"] if item.get("type") == "function_call_output"]
        if not outputs:
            time.sleep(CONNECTING_S)
            return {"type": "function_call", "call_id": FIRST, "name": "list_mcp_resources", "arguments": "{}"}
        self.job.answers += [said(output["output"]) for output in outputs[1 + len(self.job.answers) :]]
        step = self.job.next()
        if step is None:
            text = {"type": "output_text", "text": "Done.", "annotations": []}
            return {"type": "message", "role": "assistant", "content": [text]}
        name, arguments = step
        call = {"type": "function_call", "call_id": f"step{len(self.job.answers)}"}
        if not name.startswith(PREFIX):
            own = {"server": SERVER, "uri": arguments["uri"]}
            return call | {"name": "read_mcp_resource", "arguments": json.dumps(own)}
        place = {"namespace": NAMESPACE, "name": name.removeprefix(PREFIX)}
        return call | place | {"arguments": json.dumps(dict(arguments))}


def said(output) -> str:
    """What a tool said, without the words that the host puts before it."""
    text = output if isinstance(output, str) else " ".join(part.get("text", "") for part in output)
    return re.sub(r"\AWall time: .*\nOutput:\n", "", text)


def main() -> int:
    codex = host_program("codex", __doc__)
    with installed("codex", SCRIPTED_KEY="scripted") as (env, database):
        version = host_version(codex, env)
        script = Script(Job(database))
        with served(script.answer) as url:
            file = Path(env["HOME"]) / ".codex" / "config.toml"
            file.write_text(PROVIDER.format(url=url) + file.read_text())
            run_host(env, codex, "exec", "--skip-git-repo-check", "-s", "danger-full-access", "Do the job.")
    [namespace] = [tool for tool in script.requests[-1]["tools"] if tool.get("name") == NAMESPACE]
    definitions = {tool["name"]: tool for tool in namespace["tools"]}
    print(f"{version} {shown(definitions, '', script.requests)}")
    return int(not script.job.report())


if __name__ == "__main__":
    sys.exit(main())
