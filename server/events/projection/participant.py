"""One call leg's part in a conference, over all its stays."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .facts import HoldTime, KnownFact

_LASTING_FACTS = ("label", "participant_id")
"""Facts that survive when a participant leaves and joins again."""


@dataclass(slots=True)
class Participant:
    call: str
    joined_at: datetime | None = None
    """None: not known."""
    left_at: datetime | None = None
    left_because: str | None = None
    is_in: bool = False
    joined_from_api: bool = False
    left_from_api: bool = False
    stays: int = 0
    past_time: timedelta = field(default_factory=timedelta)
    """In stays that have ended."""
    facts: dict[str, KnownFact] = field(default_factory=dict[str, KnownFact])
    """Of this stay: muted, on_hold, role, whisper_to, what happens on exit. Lasting: label, participant_id."""
    hold_time: HoldTime = field(default_factory=HoldTime)
    talk_turns: int = 0
    heard: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """What was played to this participant to its end in this stay, and when it ended: see `moments.announcement`."""

    def enter(self, at: datetime | None, from_api: bool) -> None:
        """Begin a stay. Facts of an earlier stay no longer hold."""
        self.facts = {name: self.facts[name] for name in _LASTING_FACTS if name in self.facts}
        self.heard = {}
        self.is_in = True
        self.joined_at, self.joined_from_api = at, from_api
        self.left_at, self.left_because, self.left_from_api = None, None, False
        self.stays += 1

    def date_stay(self, at: datetime, from_api: bool) -> None:
        """Record when the current stay began. An event is more exact than the API."""
        if self.joined_at is None or (self.joined_from_api and not from_api):
            self.joined_at, self.joined_from_api = at, from_api

    def leave(self, at: datetime, because: str, from_api: bool) -> None:
        self.is_in = False
        self.left_at, self.left_because, self.left_from_api = at, because, from_api
        self.hold_time.stop(at)
        if self.joined_at is not None:
            self.past_time += max(at - self.joined_at, timedelta())

    def record_fact(self, name: str, fact: KnownFact) -> None:
        """Record a fact about this stay. The newer of two facts applies."""
        earlier = self.facts.get(name)
        if earlier is not None and earlier.as_of > fact.as_of:
            return
        if name == "role" and earlier is not None and earlier.value == "monitor" != fact.value:
            self._drop_monitor_mute()
        self.facts[name] = fact.after(earlier)
        if name == "on_hold":
            at = fact.as_of if self.joined_at is None else max(fact.as_of, self.joined_at)
            self.hold_time.set(fact.value, at)

    def _drop_monitor_mute(self) -> None:
        """A monitor is always muted. The API's `muted` does not say whether the leg was also muted by a command."""
        muted = self.facts.get("muted")
        if muted is not None and muted.source == "api" and muted.value:
            del self.facts["muted"]

    def muted(self) -> KnownFact | None:
        """Muted by a command, or because it is a monitor."""
        muted, role = self.facts.get("muted"), self.facts.get("role")
        if role is None or role.value != "monitor":
            return muted
        api_is_newer = muted is not None and muted.source == "api" and muted.as_of > role.as_of
        return muted if api_is_newer else KnownFact(True, role.source, role.as_of, role.began)

    def time_in(self, now: datetime) -> timedelta | None:
        """Time in the conference, in all stays. None if the only stay began at an unknown time."""
        if not self.is_in:
            return self.past_time if self.joined_at is not None or self.stays > 1 else None
        if self.joined_at is None:
            return self.past_time if self.stays > 1 else None
        return self.past_time + max(now - self.joined_at, timedelta())
