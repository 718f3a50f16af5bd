"""A model on loopback that follows a script, behind the API that a host calls: no account and no network."""

# pyright: basic
import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


def scripted_model(turn: Turn) -> AbstractContextManager[str]:
    """Serve the script until the context ends, as Claude's API; the base URL."""

    def answer(path: str, request: Mapping[str, Any]) -> tuple[str, str]:
        if "count_tokens" in path:
            return _JSON, json.dumps({"input_tokens": 1})
        return (
            (_EVENTS, _stream(turn(request))) if request.get("stream") else (_JSON, json.dumps(_message([text("ok")])))
        )

    return served(answer)


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
