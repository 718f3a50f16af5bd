"""The policy file as types. A missing entry sets no rule."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ....tools.base import ApprovalLevel
from .alert_rules import AlertRule
from .approval_level import ApprovalPolicy
from .field_types import (
    AbsolutePath,
    AnnouncementUrl,
    AskedTool,
    Connections,
    Count,
    Countries,
    Flag,
    HostPatterns,
    IdentityPattern,
    Key,
    LimitedRisk,
    NamePatterns,
    NumberPrefixes,
    OverridableRules,
    Regions,
    SpokenAnnouncement,
    SpokenLanguage,
    SpokenVoice,
    ToolName,
    ToolPatterns,
    Toolsets,
    Windows,
    Zone,
)
from .hours import Hours, Window


class ConsentMode(StrEnum):
    """What a person must have done before they are recorded, from lax to strict."""

    NONE = "none"
    ANNOUNCE = "announce"
    """They have heard the announcement to its end."""
    KEYED = "keyed"
    """They have also pressed the key."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class ToolRules(_Table):
    """Which tools exist. Patterns are of tool names, such as `list_*`."""

    toolsets: Toolsets | None = None
    """Only these; None: all."""
    allow: ToolPatterns | None = None
    """Only these; None: all."""
    deny: ToolPatterns = ()
    """None of these. Deny beats allow."""
    read_only: Flag = False
    """Only those that change nothing."""


class ScopeRules(_Table):
    """What a write may touch. None allows anything; an empty list allows nothing."""

    conferences: NamePatterns | None = None
    queues: NamePatterns | None = None
    connections: Connections | None = None
    regions: Regions | None = None
    numbers: NumberPrefixes | None = None
    """Prefixes of the numbers that may be called, in E.164."""
    audio_hosts: HostPatterns | None = None
    """Public hosts that an audio URL may name."""
    audio_http: Flag | None = None
    """Whether an audio URL may be http."""


class Measures(_Table):
    """Limits. None sets no limit."""

    calls_per_minute: Count | None = None
    whole_room_per_hour: Count | None = None
    """Actions that concern everyone in a conference."""
    speech_characters_per_hour: Count | None = None
    most_people: Count | None = None
    """People that one action affects."""
    dials_per_hour: Count | None = None
    """Numbers called; a dial to three numbers counts three."""
    concurrent_calls: Count | None = None
    """Calls that are up on the connection, including those that the action adds."""


class LimitRules(Measures):
    """Limits on all writes together, on a risk, and on a tool."""

    risk: Mapping[LimitedRisk, Measures] = Field(default_factory=dict[str, Measures])
    tool: Mapping[ToolName, Measures] = Field(default_factory=dict[str, Measures])


class HourRules(_Table):
    """The hours in which writes are allowed."""

    zone: Zone | None = None
    """An IANA time zone, such as Europe/Berlin."""
    open: Windows | None = None
    """Windows such as `mon-fri 08:00-18:00`; None means always."""

    @model_validator(mode="after")
    def _check_zone_and_open(self) -> Self:
        if (self.zone is None) is not (self.open is None):
            missing = "zone" if self.zone is None else "open"
            raise ValueError(f"{missing} is missing: give zone and open, or neither")
        return self

    def hours(self) -> Hours | None:
        """The hours; None when writes are always allowed."""
        if self.zone is None or self.open is None:
            return None
        return Hours(ZoneInfo(self.zone), tuple(map(Window.parse, self.open)))


class CallingRules(_Table):
    """Whom this server may call, and when. They hold for every number that it calls, unless it is exempt."""

    open: Windows | None = None
    """Windows such as `mon-fri 09:00-20:00`, in the time zone of the number that is called; None means always."""
    countries: Countries | None = None
    """Two-letter codes; None allows every country."""
    attempts_per_day: Count | None = None
    """How often one number may be called in 24 hours."""
    optout_file: AbsolutePath | None = None
    """A file with numbers that are never called, one a line."""
    optout_digit: Key | None = None
    """The key with which a person on a call opts out of further calls."""
    exempt: NamePatterns = ()
    """Numbers that these rules do not concern, such as the agents' own; `*` stands for any characters."""
    override: OverridableRules = ("countries", "hours", "attempts")
    """The rules that a person may override for one call."""


class RecordingRules(_Table):
    """What people must have heard before they are recorded."""

    consent: ConsentMode = ConsentMode.NONE
    announcement: SpokenAnnouncement | None = None
    """The words that the server says to each person."""
    announcement_url: AnnouncementUrl | None = None
    """Or an audio file that it plays."""
    voice: SpokenVoice = "female"
    """A voice of `speak_to_call`, for the words."""
    language: SpokenLanguage | None = None
    """The language of the words; a voice without a name needs it."""
    digit: Key | None = None
    """The key by which a person agrees, for consent `keyed`."""

    @model_validator(mode="after")
    def _check_announcement(self) -> Self:
        if self.consent is ConsentMode.NONE:
            return self
        if (self.announcement is None) is (self.announcement_url is None):
            raise ValueError("give either announcement or announcement_url")
        if self.consent is ConsentMode.KEYED and self.digit is None:
            raise ValueError("digit is missing: the key by which a person agrees")
        return self


class ApprovalRules(_Table):
    """Which calls need a person's approval."""

    level: ApprovalLevel | None = None
    """For tools without an entry of their own; None sets no level."""
    by_another: Flag = False
    """Another person than the caller must answer."""
    tool: Mapping[AskedTool, ApprovalPolicy] = Field(default_factory=dict[str, ApprovalPolicy])

    def for_tool(self, tool: str) -> ApprovalPolicy | ApprovalLevel | None:
        """The rule for a tool: its own entry, else the level."""
        return self.tool.get(tool, self.level)


class OwnRules(_Table):
    """The rules of one source for a set of callers."""

    tools: ToolRules = ToolRules()
    scope: ScopeRules = ScopeRules()
    limits: LimitRules = LimitRules()
    hours: HourRules = HourRules()
    calling: CallingRules = CallingRules()
    approval: ApprovalRules = ApprovalRules()


class Rules(OwnRules):
    """The rules of one source, a file or the command line: for all callers, and for some identities."""

    identity: Mapping[IdentityPattern, OwnRules] = Field(default_factory=dict[str, OwnRules])
    """By patterns of authenticated names, such as `anna` or `oauth:*`. All matching rules hold, beside the general."""
    recording: RecordingRules = RecordingRules()
    """For all callers: the people on a call belong to none of them."""
    alerts: tuple[AlertRule, ...] = ()

    @model_validator(mode="after")
    def _check_unique_names(self) -> Self:
        names = [alert.name for alert in self.alerts]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"alerts: two alerts have the name {twice[0]}")
        return self
