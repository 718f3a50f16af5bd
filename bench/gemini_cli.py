"""Gemini CLI with a scripted model: a job from a read to an approved end, as `install gemini` configures it.

Run it by hand: `python bench/gemini_cli.py`. It needs what `bench/hosts.py` fetches from npm (`--gemini PROGRAM` names
another), and uses no account and no network. The exit code is 1 if a step fails.
"""

# pyright: basic
import json
import re
import sys
from pathlib import Path

from host_job import PREFIX, Job, host_program, host_version, installed, run_host
from scripted_model import served, shown

HOST_TOOLS = {"ReadMcpResourceTool": "read_mcp_resource"}
"""The host's own tool for a step, where it is not the server's."""

OWN_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
}


class Script:
    """The job as this host's API carries it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.requests = []
        """Those that offer tools."""

    def answer(self, path: str, request) -> tuple[str, str]:
        if "countTokens" in path:
            return "application/json", json.dumps({"totalTokens": 1})
        if request.get("tools"):
            self.requests.append(request)
        body = json.dumps(
            {"candidates": [{"content": {"role": "model", "parts": [self._part(request)]}, "finishReason": "STOP"}]}
        )
        return ("text/event-stream", f"data: {body}\r\n\r\n") if "stream" in path else ("application/json", body)

    def _part(self, request):
        tools = [tool["name"] for tool in declared(request)]
        parts = [part for content in request["contents"] for part in content["parts"]]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        self.job.answers += [said(result) for result in results[len(self.job.answers) :]]
        step = self.job.next() if tools else None
        if step is None:
            return {"text": "Done."}
        wanted = HOST_TOOLS.get(step[0], step[0].removeprefix(PREFIX))
        return {"functionCall": {"name": next(name for name in tools if name.endswith(wanted)), "args": step[1]}}


def declared(request):
    return [tool for group in request.get("tools", ()) for tool in group.get("functionDeclarations", ())]


def said(result) -> str:
    """What a tool said, without the words that the host puts around it."""
    response = result["response"]
    return re.sub(r"\s*</?untrusted_context>\s*", "", response.get("output") or response.get("error") or "")


def main() -> int:
    gemini = host_program("gemini", __doc__)
    with installed("gemini", GEMINI_CLI_TRUST_WORKSPACE="true", GEMINI_API_KEY="scripted") as (env, database):
        file = Path(env["HOME"]) / ".gemini" / "settings.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | OWN_SETTINGS))
        version = host_version(gemini, env)
        script = Script(Job(database))
        with served(script.answer) as url:
            env["GOOGLE_GEMINI_BASE_URL"] = url
            run_host(env, gemini, "-p", "Do the job.", "--approval-mode", "yolo", "-m", "gemini-2.5-flash")
    definitions = {tool["name"]: tool for tool in declared(script.requests[-1])}
    print(f"Gemini CLI {version} {shown(definitions, 'mcp_telnyx-conferencing_', script.requests)}")
    return int(not script.job.report())


if __name__ == "__main__":
    sys.exit(main())
