"""The command line as an operator runs it: in a process of its own, from its arguments to its exit code."""

import subprocess
from collections.abc import Mapping

from support.commands import forked
from support.mcp_stdio import environment


def run(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run `telnyx-conferencing ARGUMENTS` to its end, with no Telnyx settings but those given."""
    command, whole = forked(*arguments), environment(env or {})
    return subprocess.run(command, input=stdin, env=whole, capture_output=True, text=True, timeout=timeout, check=False)
