"""The command line as an operator runs it."""

import os
import subprocess
from collections.abc import Mapping

from support.mcp import COMMAND


def run(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run `telnyx-conferencing ARGUMENTS` to its end, with no Telnyx settings but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELNYX")}
    return subprocess.run(
        [COMMAND, *arguments],
        env={**inherited, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
