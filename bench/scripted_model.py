"""A model on loopback that follows a script, behind the API that a host calls: no account and no network.

The scripts see Claude's messages. `Chat` is for hosts that call OpenAI's chat API.
"""

# pyright: basic
import asyncio
import json
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from converter_probe import count
from converters import PROGRAM, listed

_JSON, _EVENTS = "application/json", "text/event-stream"
Block = dict[str, Any]
Turn = Callable[[Mapping[str, Any]], Sequence[Block]]
"""What the model says to a request of the host: text, or calls of tools."""


def text(said: str) -> Block:
    return {"type": "text", "text": said}


def tool_use(id_: str, name: str, arguments: Mapping[str, Any]) -> Block:
    return {"type": "tool_use", "id": id_, "name": name, "input": dict(arguments)}


def tool_results(request: Mapping[str, Any]) -> dict[str, Any]:
    """The content of every tool result in a request, by the id of the call."""
    contents = [message["content"] for message in request["messages"] if message["role"] == "user"]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return {block["tool_use_id"]: block.get("content") for block in blocks if block.get("type") == "tool_result"}


@dataclass
class Shown:
    """A script for a host that names the server's tools in its own way, and what the host shows of the server."""

    script: Turn
    as_named: Callable[[str], str]
    """The host's name of a tool, by the script's."""
    first: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The first request."""

    def turn(self, request: Mapping[str, Any]) -> Sequence[Block]:
        self.first = self.first or request
        blocks = self.script(request)
        return [block | {"name": self.as_named(block["name"])} if "name" in block else block for block in blocks]

    def __str__(self) -> str:
        tools = {tool["name"]: tool for tool in self.first.get("tools", ())}
        later = sum(tool.get("defer_loading", False) for tool in tools.values())
        return f"{shown(tools, self.as_named(''), self.first)}; {later} tools once a search has found them"


def shown(definitions: Mapping[str, Block], prefix: str, sent: object) -> str:
    """What a host shows its model of the server.

    `definitions`: all of the host's tools, by name; `prefix`: what it puts before the server's names; `sent`: all that
    it has sent.
    """
    tools = asyncio.run(listed(str(PROGRAM)))
    here = [definitions.get(prefix + tool["name"], {}) for tool in tools]
    whole = sum(tool["description"] == given.get("description") for tool, given in zip(tools, here, strict=True))
    enums, of_enums = (
        sum(count(given, "enum") for given in here),
        sum(count(tool["inputSchema"], "enum") for tool in tools),
    )
    words = json.dumps(sent)
    instructions = ("Start with whoami" in words) + ("People are on the line" in words)
    return (
        f"shows the model {sum(map(bool, here))} of {len(tools)} tools, {whole} with the same description, "
        f"{enums} of {of_enums} enumerations, and of the server's instructions "
        f"{('nothing', 'the first paragraph', 'all')[instructions]}"
    )


def scripted_model(turn: Turn) -> AbstractContextManager[str]:
    """Serve the script until the context ends, as Claude's API; the base URL."""

    def answer(path: str, request: Mapping[str, Any]) -> tuple[str, str]:
        if "count_tokens" in path:
            return _JSON, json.dumps({"input_tokens": 1})
        return (
            (_EVENTS, _stream(turn(request))) if request.get("stream") else (_JSON, json.dumps(_message([text("ok")])))
        )

    return served(answer)


@dataclass
class Chat:
    """A script behind OpenAI's chat API, and the requests of the host."""

    turn: Turn
    as_called: Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
    """A call of the script, name and arguments, as the model of this host makes it."""
    requests: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    """Those that offer tools. Hosts also ask for more than answers, such as for a title."""

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Run the host in its home directory until it ends. It finds this model in OPENAI_BASE_URL."""
        with served(self.answer) as url:
            there = {**env, "OPENAI_BASE_URL": f"{url}/v1"}
            null = subprocess.DEVNULL
            subprocess.run(
                command, env=there, cwd=there["HOME"], stdin=null, capture_output=True, check=False, timeout=180
            )

    def answer(self, path: str, request: Mapping[str, Any]) -> tuple[str, str]:
        """Of `served`."""
        blocks = [text("ok")]
        if request.get("tools"):
            self.requests.append(request)
            blocks = self.turn({"messages": [_of_chat(message) for message in request["messages"]]})
        delta: dict[str, Any] = {"role": "assistant"}
        calls = [block for block in blocks if block["type"] == "tool_use"]
        for number, call in enumerate(calls):
            name, arguments = self.as_called(call["name"], call["input"])
            function = {"name": name, "arguments": json.dumps(dict(arguments))}
            delta.setdefault("tool_calls", []).append(
                {"index": number, "id": call["id"], "type": "function", "function": function}
            )
        if not calls:
            delta["content"] = "".join(block["text"] for block in blocks)
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        chunks = (
            {"delta": delta, "finish_reason": None},
            {"delta": {}, "finish_reason": "tool_calls" if calls else "stop"},
        )
        whole = {"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "usage": usage}
        lines = [json.dumps(whole | {"choices": [{"index": 0, **chunk}]}) for chunk in chunks]
        return _EVENTS, "".join(f"data: {line}\n\n" for line in (*lines, "[DONE]"))


def _of_chat(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message of OpenAI's chat API as one of Claude's; calls of tools are left out."""
    if message["role"] != "tool":
        return message
    content = message["content"]
    words = content if isinstance(content, str) else " ".join(block.get("text", "") for block in content)
    result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": words}
    return {"role": "user", "content": [result]}


@contextmanager
def served(answer: Callable[[str, Mapping[str, Any]], tuple[str, str]]) -> Generator[str]:
    """An HTTP server on loopback until the context ends; its URL. `answer` gives a POST's media type and body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or b"{}")
            self._answer(*answer(self.path, request))

        def do_HEAD(self) -> None:
            self._answer("text/plain", "")

        def _answer(self, kind: str, body: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _message(blocks: Sequence[Block]) -> dict[str, Any]:
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": list(blocks),
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _stream(blocks: Sequence[Block]) -> str:
    whole = _message(blocks)
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}},
    ]
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            start, delta = block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start, delta = (
                block | {"input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        events += [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": stop, "usage": whole["usage"]}, {"type": "message_stop"}]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
