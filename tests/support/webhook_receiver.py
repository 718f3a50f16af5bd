"""A process that takes webhooks into a store, and nothing else: `python -m support.receiving PORT DATABASE PUBLIC_KEY`.

What the server takes them in with, without what takes it longer to start.
"""

import sys

import anyio

from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.webhooks.port import hold_port
from telnyx_conferencing.server.webhooks.receiver import Receiver
from telnyx_conferencing.server.webhooks.signature import SignatureVerifier


async def main(port: int, database: str, key: str) -> None:
    async with Store.open(database) as store:
        receiver = Receiver(store.add, store.reject, SignatureVerifier([key]), store=database)
        async with hold_port(port, receiver.app, database):
            await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), sys.argv[2], sys.argv[3])
