"""One call leg's part in a conference, over all its stays."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .facts import HoldTime, KnownFact


@dataclass(slots=True)
class Participant:
    call: str
    joined_at: datetime | None = None
    """None: before anything that is known."""
    left_at: datetime | None = None
    left_because: str | None = None
    is_in: bool = False
    joined_from_api: bool = False
    left_from_api: bool = False
    stays: int = 0
    past_time: timedelta = field(default_factory=timedelta)
    """In stays that are over."""
    facts: dict[str, KnownFact] = field(default_factory=dict[str, KnownFact])
    """muted, on_hold, role, whisper_to and what its leaving does, in this stay; label, participant_id."""
    hold_time: HoldTime = field(default_factory=HoldTime)
    talk_turns: int = 0

    def enter(self, at: datetime | None, from_api: bool) -> None:
        """Begin a stay. What was known of the one before no longer holds."""
        lasting = {name: self.facts[name] for name in ("label", "participant_id") if name in self.facts}
        self.facts = lasting
        self.is_in = True
        self.joined_at, self.joined_from_api = at, from_api
        self.left_at, self.left_because, self.left_from_api = None, None, False
        self.stays += 1

    def leave(self, at: datetime, because: str, from_api: bool) -> None:
        self.is_in = False
        self.left_at, self.left_because, self.left_from_api = at, because, from_api
        self.hold_time.stop(at)
        if self.joined_at is not None:
            self.past_time += max(at - self.joined_at, timedelta())

    def record_fact(self, name: str, known: KnownFact) -> None:
        """A fact about this stay; of two, the newer stands."""
        before = self.facts.get(name)
        if before is not None and before.as_of > known.as_of:
            return
        if name == "role" and before is not None and before.value == "monitor" != known.value:
            self._drop_monitor_mute()
        self.facts[name] = known
        if name == "on_hold":
            since = known.as_of if self.joined_at is None else max(known.as_of, self.joined_at)
            self.hold_time.set(known.value, since)

    def _drop_monitor_mute(self) -> None:
        """A monitor is muted; the API's `muted` does not say whether it also was by itself."""
        muted = self.facts.get("muted")
        if muted is not None and muted.source == "api" and muted.value:
            del self.facts["muted"]

    def muted(self) -> KnownFact | None:
        """Muted by itself, or as a monitor."""
        muted, role = self.facts.get("muted"), self.facts.get("role")
        if role is None or role.value != "monitor":
            return muted
        api_is_newer = muted is not None and muted.source == "api" and muted.as_of > role.as_of
        return muted if api_is_newer else KnownFact(True, role.source, role.as_of)

    def time_in(self, now: datetime) -> timedelta | None:
        """In all stays; None where the only one began before anything that is known."""
        if not self.is_in:
            return self.past_time if self.joined_at is not None or self.stays > 1 else None
        if self.joined_at is None:
            return self.past_time if self.stays > 1 else None
        return self.past_time + max(now - self.joined_at, timedelta())
