"""The server without its guard's work: no policy, no limits, no audit. What the guard costs is measured against it.

Takes the command line of `telnyx-conferencing`.
"""

from typing import Any

from telnyx_conferencing.server.cli import main as cli
from telnyx_conferencing.server.guard import AuditWriter, CallRecord, Gate


async def _admit(*_: Any) -> None:
    pass


def _ignore(*_: Any) -> None:
    pass


def _nothing(*_: Any) -> dict[str, Any]:
    return {"outcome": "", "ms": 0}


if __name__ == "__main__":
    for part, name, instead in (
        (Gate, "admit", _admit),
        (AuditWriter, "add", _ignore),
        (CallRecord, "entry", _nothing),
    ):
        setattr(part, name, instead)
    cli.main()
