"""What an operator writes: the policy file as types. What is not written says nothing."""

from collections.abc import Mapping
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .approval_level import ApprovalLevel, ApprovalPolicy
from .field_types import (
    AskedTool,
    Connections,
    Count,
    Flag,
    HostPatterns,
    IdentityPattern,
    LimitedRisk,
    NamePatterns,
    NumberPrefixes,
    Regions,
    ToolName,
    ToolPatterns,
    Toolsets,
    Windows,
    Zone,
)
from .hours import Hours, Window


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ToolRules(_Table):
    """Which tools exist. Patterns are of tool names, such as `list_*`."""

    toolsets: Toolsets | None = None
    """Only these; None: all."""
    allow: ToolPatterns | None = None
    """Only these; None: all."""
    deny: ToolPatterns = ()
    """None of these, whatever else allows them."""
    read_only: Flag = False
    """Only those that change nothing."""


class ScopeRules(_Table):
    """What a write may touch. None: anything; an empty list: nothing."""

    conferences: NamePatterns | None = None
    queues: NamePatterns | None = None
    connections: Connections | None = None
    regions: Regions | None = None
    numbers: NumberPrefixes | None = None
    """How a number that is called begins, in E.164."""
    audio_hosts: HostPatterns | None = None
    """Where the URL of an audio file may point, of what is public."""
    audio_http: Flag | None = None
    """Whether it may be http and not only https."""


class Measures(_Table):
    """How much of something there may be. None: as much as there is."""

    calls_per_minute: Count | None = None
    whole_room_per_hour: Count | None = None
    """Actions that concern everyone in a conference."""
    speech_characters_per_hour: Count | None = None
    most_people: Count | None = None
    """The people that one action touches."""
    dials_per_hour: Count | None = None
    """Numbers that are called, each by itself."""
    concurrent_calls: Count | None = None
    """Calls that are up on the connection, with those that an action is to add."""


class LimitRules(Measures):
    """How much all writes together may do, those of a risk, and those of a tool."""

    risk: Mapping[LimitedRisk, Measures] = Field(default_factory=dict[str, Measures])
    tool: Mapping[ToolName, Measures] = Field(default_factory=dict[str, Measures])


class HourRules(_Table):
    """When writes are open."""

    zone: Zone | None = None
    """Whose clocks: a name of the IANA database, such as Europe/Berlin."""
    open: Windows | None = None
    """Such as `mon-fri 08:00-18:00`; None: always."""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.zone is None) is not (self.open is None):
            missing = "zone" if self.zone is None else "open"
            raise ValueError(f"{missing} is missing: give zone and open, or neither")
        return self

    def hours(self) -> Hours | None:
        """The hours it names, if any."""
        if self.zone is None or self.open is None:
            return None
        return Hours(ZoneInfo(self.zone), tuple(map(Window.parse, self.open)))


class ApprovalRules(_Table):
    """When a person is asked."""

    level: ApprovalLevel | None = None
    """For the tools that are not named; None: says nothing of them."""
    by_another: Flag = False
    """Whoever asks is not asked: the question waits for somebody else."""
    tool: Mapping[AskedTool, ApprovalPolicy] = Field(default_factory=dict[str, ApprovalPolicy])

    def says(self, tool: str) -> ApprovalPolicy | ApprovalLevel | None:
        """What it says of a tool: its own entry, else the level."""
        return self.tool.get(tool, self.level)


class OwnRules(_Table):
    """What one source says of somebody."""

    tools: ToolRules = ToolRules()
    scope: ScopeRules = ScopeRules()
    limits: LimitRules = LimitRules()
    hours: HourRules = HourRules()
    approval: ApprovalRules = ApprovalRules()


class Rules(OwnRules):
    """What one source, a file or the command line, says of everybody, and beside that of some."""

    identity: Mapping[IdentityPattern, OwnRules] = Field(default_factory=dict[str, OwnRules])
    """By patterns of proved names, such as `anna` or `oauth:*`. All that match hold, on top of what holds for all."""
