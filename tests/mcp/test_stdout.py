"""Standard output while MCP uses it."""

import subprocess
import sys

SIZES = [10, 300_000, *[3_000] * 100, 10]
"""Bytes of lines: more together than a pipe holds, alone or in parts."""

PROGRAM = f"""
import anyio, faulthandler, sys
from telnyx_conferencing.server.mcp.stdout import Stdout

async def write(stdout):
    for number, size in enumerate({SIZES}):
        await stdout.write(f"{{number}}:".ljust(size, "x") + "\\n")

async def main():
    stdout = Stdout()
    print("printed by mistake", flush=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, stdout)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        print("goes on", file=sys.stderr, flush=True)

faulthandler.dump_traceback_later(20, exit=True)
anyio.run(main)
"""


def test_a_host_that_reads_late_gets_every_line_whole_and_stops_nothing_meanwhile() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stderr
        assert [server.stderr.readline() for _ in range(2)] == ["printed by mistake\n", "goes on\n"]
        lines = server.stdout.read().splitlines()
    assert [(line.partition(":")[0], len(line)) for line in lines] == [
        (str(number), size) for number, size in enumerate(SIZES)
    ]
