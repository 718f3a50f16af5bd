"""The tool that reports figures over a time."""

from typing import Annotated

from pydantic import Field

from .base import Risk, Tool
from .results import ReportResult
from .types import NotEmpty, described


class Report(Tool):
    """Report a day or longer: calls, waits, abandoned calls, talk, hold and muted time, recordings, approvals."""

    search_hint = "how many calls were abandoned today, statistics for last week"
    risk = Risk.READ
    result = ReportResult

    since: Annotated[NotEmpty, described("ISO 8601 time; default: today 00:00 UTC.")] | None = None
    until: Annotated[NotEmpty, described("ISO 8601 time; default: now.")] | None = None
    limit: Annotated[int, Field(ge=1, le=100), described("Maximum rows of each kind.")] = 20
