"""Where the agent is: the account, what it may do, how it hears of events."""

from .base import Risk, Tool
from .results import WhoamiResult


class Whoami(Tool):
    """Start here: account, connection, number, what is allowed, who is asked, how events arrive."""

    risk = Risk.READ
    result = WhoamiResult
