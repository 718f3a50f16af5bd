"""A process that wants the webhook port, for tests: `port_holder.py PORT STORE`.

Says in a line that it holds the port, that it waits to try again, and which webhooks it takes. A line on its input is
the time to try again; the end of its input is the time to leave.
"""

import sys

import anyio

from telnyx_conferencing.server.events.event import Event
from telnyx_conferencing.server.webhooks.port import Port, hold_port
from telnyx_conferencing.server.webhooks.receiver import Receiver


async def add(event: Event, body: bytes) -> int:
    print(f"took {event.id}", flush=True)
    return 1


async def set_aside(body: bytes, why: str) -> None:
    print(f"set aside: {why}", flush=True)


async def tell(port: Port) -> None:
    await port.wait_until_held()
    print("holding", port.number, flush=True)


async def main(number: int, store: str) -> None:
    receiver = Receiver(add, set_aside, None, store=store)
    tick = anyio.Event()

    async def next_tick(_: float) -> None:
        nonlocal tick
        print("waiting", number, flush=True)
        await tick.wait()
        tick = anyio.Event()

    async with hold_port(number, receiver.app, store, sleep=next_tick) as port, anyio.create_task_group() as tasks:
        tasks.start_soon(tell, port)
        while await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            tick.set()
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), sys.argv[2])
