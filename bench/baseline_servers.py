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

UNGUARDED = (sys.executable, str(_HERE / "unguarded_server.py"), "serve")
"""The same without its guard's work."""

DATABASE = "TELNYX_CONFERENCING_DATABASE"


class NotMeasured(Exception):
    """What was to be measured did not run; the message says why."""


class Server:
    """An MCP server on stdio, as a host runs it; `errors` takes its stderr."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], errors: IO[bytes]) -> None:
        self._errors = errors
        self._process = _start(command, env, errors)
        self._last = 0
        self._unread = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def open(self) -> None:
        """The handshake of 2025-11-25, then the tools: what a host does before anything else."""
        self.request("initialize", _INITIALIZE)
        self._write(_encoded({"method": "notifications/initialized"}))
        if not self.request("tools/list", {})["tools"]:
            raise NotMeasured("it lists no tools")

    def timed_call(self, name: str, arguments: Mapping[str, Any]) -> float:
        """Seconds from the line that asks to the line that answers."""
        line = self._call(name, arguments)
        started = perf_counter()
        self._write(line)
        return self.returned() - started

    def begin_call(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Ask, and leave the answer to `returned`."""
        self._write(self._call(name, arguments))

    def returned(self) -> float:
        """The time at which the tool called last answered, on the clock of `perf_counter`."""
        at, answer = self._answer()
        result = answer.get("result", {})
        if result.get("isError", not result):
            raise NotMeasured(f"a tool failed: {json.dumps(answer)[:300]}")
        return at

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        self._write(self._line(method, params))
        _, answer = self._answer()
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

    def _call(self, name: str, arguments: Mapping[str, Any]) -> bytes:
        return self._line("tools/call", {"name": name, "arguments": arguments})

    def _line(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._last += 1
        return _encoded({"id": self._last, "method": method, "params": params})

    def _write(self, line: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise NotMeasured(self._why_it_ended()) from None

    def _answer(self) -> tuple[float, Any]:
        """The answer to the last request, and when it came; what is sent unasked is passed over."""
        while True:
            line = self._read_line()
            at = perf_counter()
            message = json.loads(line)
            if message.get("id") == self._last:
                return at, message

    def _read_line(self) -> bytes:
        assert self._process.stdout
        while b"\n" not in self._unread:
            if not select.select([self._process.stdout], [], [], _ANSWERS_WITHIN)[0]:
                raise NotMeasured(f"no answer within {_ANSWERS_WITHIN:.0f} s")
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                raise NotMeasured(self._why_it_ended())
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

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
def helper(script: str, *arguments: str) -> Generator[int]:
    """A server of the bench's own, in a process of its own; yields its port."""
    command = (sys.executable, str(_HERE / script), *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            port = process.stdout.readline()
            if not port:
                raise NotMeasured(f"{script} did not start")
            yield int(port)
        finally:
            process.kill()


@contextmanager
def workplace() -> Generator[dict[str, str]]:
    """The environment of the servers that are measured: a Telnyx that accepts everything, and a store of their own."""
    with helper("local_telnyx.py") as port, on_disk() as directory:
        yield environment(f"http://127.0.0.1:{port}/v2", directory)


@contextmanager
def on_disk() -> Generator[Path]:
    """A directory that goes at the end; on a disk, where /tmp may be memory."""
    lasting = Path("/var/tmp")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=lasting if lasting.is_dir() else None) as directory:
        yield Path(directory)


def resident(server: Server) -> float:
    """Bytes of memory in use that are in RAM."""
    rollup = Path(f"/proc/{server.pid}/smaps_rollup")
    if rollup.exists():  # exact; what Linux shows elsewhere lags behind
        sizes = dict(line.split(":", 1) for line in rollup.read_text().splitlines() if line.startswith("Rss:"))
        return float(sizes["Rss"].split()[0]) * 1024
    listed = subprocess.run(("ps", "-o", "rss=", "-p", str(server.pid)), capture_output=True, text=True, check=True)
    return float(listed.stdout) * 1024


def environment(base_url: str, directory: Path) -> dict[str, str]:
    """This process's environment, with a Telnyx account at this URL and no other of the server's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")}
    account = {"TELNYX_API_KEY": "KEYbench", "TELNYX_BASE_URL": base_url}
    return inherited | account | {DATABASE: database(directory)}


def database(directory: Path) -> str:
    """The URL of the store in this directory."""
    return f"sqlite:///{directory / 'events.db'}"


def _start(command: Sequence[str], env: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env)
    except FileNotFoundError:
        raise NotMeasured(f"{command[0]} is not there") from None


def _encoded(message: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
