"""The tool that tells an agent where it is."""

from .base import Risk, Tool
from .results import WhoamiResult


class Whoami(Tool):
    """Start here: account, connection, number, what is allowed, who approves, how events arrive."""

    starts_jobs = True
    risk = Risk.READ
    result = WhoamiResult
