"""Processes that the bench measures: spoken to in plain JSON-RPC lines, so that no client's work is in the figures."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO, Any

_HERE = Path(__file__).parent
_ANSWERS_WITHIN = 30.0
_STOPS_WITHIN = 10.0
_INITIALIZE: Mapping[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "bench", "version": "1"},
}

BARE = (sys.executable, str(_HERE / "bare_server.py"))
SERVE = (str(Path(sys.executable).with_name("telnyx-conferencing")), "serve")
"""The console script that was installed with the interpreter running the bench."""


class NotMeasured(Exception):
    """What was to be measured did not run; the message says why."""


class Server:
    """An MCP server on stdio, as a host runs it; `errors` takes its stderr."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], errors: IO[bytes]) -> None:
        self._errors = errors
        self._process = _start(command, env, errors)
        self._last = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def open(self) -> None:
        """The handshake of 2025-11-25, then the tools: what a host does before anything else."""
        self.request("initialize", _INITIALIZE)
        self._write({"method": "notifications/initialized"})
        if not self.request("tools/list", {})["tools"]:
            raise NotMeasured("it lists no tools")

    def timed_call(self, name: str, arguments: Mapping[str, Any]) -> float:
        """Seconds from the line that asks to the line that answers."""
        line = self._line("tools/call", {"name": name, "arguments": arguments})
        started = perf_counter()
        answer = self._exchange(line)
        took = perf_counter() - started
        result = json.loads(answer).get("result", {})
        if result.get("isError", not result):
            raise NotMeasured(f"{name} failed: {answer.decode()[:300]}")
        return took

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        answer = json.loads(self._exchange(self._line(method, params)))
        if "result" not in answer:
            raise NotMeasured(f"{method} failed: {answer}")
        return answer["result"]

    def close(self) -> None:
        """Ends as a host ends it: by closing stdin."""
        try:
            self._process.communicate(timeout=_STOPS_WITHIN)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()

    def _line(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._last += 1
        return _encoded({"id": self._last, "method": method, "params": params})

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(_encoded(message))
        self._process.stdin.flush()

    def _exchange(self, line: bytes) -> bytes:
        """Nothing is sent unasked by the servers measured here: the next line is the answer."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise NotMeasured(self._why_it_ended()) from None
        if not select.select([self._process.stdout], [], [], _ANSWERS_WITHIN)[0]:
            raise NotMeasured(f"no answer within {_ANSWERS_WITHIN:.0f} s")
        answer = self._process.stdout.readline()
        if not answer:
            raise NotMeasured(self._why_it_ended())
        return answer

    def _why_it_ended(self) -> str:
        code = self._process.wait(_STOPS_WITHIN)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"it ended with code {code}: {lines[-1] if lines else 'nothing on stderr'}"


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str]) -> Generator[Server]:
    """A server, opened: its tools have been listed once."""
    with tempfile.TemporaryFile() as errors:
        server = Server(command, env, errors)
        try:
            server.open()
            yield server
        finally:
            server.close()


@contextmanager
def local_telnyx() -> Generator[str]:
    """A Telnyx that accepts everything, in a process of its own; yields its base URL."""
    command = (sys.executable, str(_HERE / "local_telnyx.py"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v2"
        finally:
            process.kill()


def resident(server: Server) -> float:
    """Bytes of memory in use that are in RAM."""
    rollup = Path(f"/proc/{server.pid}/smaps_rollup")
    if rollup.exists():  # exact; what Linux shows elsewhere lags behind
        sizes = dict(line.split(":", 1) for line in rollup.read_text().splitlines() if line.startswith("Rss:"))
        return float(sizes["Rss"].split()[0]) * 1024
    listed = subprocess.run(("ps", "-o", "rss=", "-p", str(server.pid)), capture_output=True, text=True, check=True)
    return float(listed.stdout) * 1024


def environment(base_url: str) -> dict[str, str]:
    """This process's environment, with a Telnyx account at this URL and no other of the server's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")}
    return inherited | {"TELNYX_API_KEY": "KEYbench", "TELNYX_BASE_URL": base_url}


def _start(command: Sequence[str], env: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env)
    except FileNotFoundError:
        raise NotMeasured(f"{command[0]} is not there") from None


def _encoded(message: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
