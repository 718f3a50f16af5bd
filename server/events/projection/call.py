"""The state of one call leg, folded from events."""

from dataclasses import dataclass, field
from datetime import datetime

from .moments import Moment, announcement
from .presenter import CallerId

_MAX_HEARD = 50
"""Different sounds that are kept for each call leg."""


@dataclass(slots=True)
class Call:
    """A call leg: who is at the far end, and where the leg has been."""

    started: Moment | None = None
    caller: CallerId = field(default_factory=CallerId)
    hangups: list[Moment] = field(default_factory=list[Moment])
    holds: list[Moment] = field(default_factory=list[Moment])
    """Holds and unholds."""
    consents: list[Moment] = field(default_factory=list[Moment])
    """What the leg heard and keyed about recordings while it was in no conference."""
    last_move: Moment | None = None
    """The newest event that says where the leg is: in a conference, a queue or a bridge."""
    conferences: set[str] = field(default_factory=set[str])
    queues: set[str] = field(default_factory=set[str])
    heard: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """What was played to this leg to its end, and when it last ended."""

    def hear(self, moment: Moment) -> None:
        """Record the end of a sound to this leg. A sound that was broken off does not count."""
        if moment.detail.get("status") not in (None, "completed"):
            return
        sound = announcement(moment)
        if sound in self.heard or len(self.heard) < _MAX_HEARD:
            self.heard[sound] = max(moment.at, self.heard.get(sound, moment.at))

    def start(self, moment: Moment) -> bool:
        """Record the start of the call. The earliest of several events applies. Returns whether this is news."""
        if self.started is not None and self.started.key <= moment.key:
            return False
        before, self.started = self.caller, moment
        number = moment.detail.get("to" if moment.detail.get("direction") == "outgoing" else "from")
        is_incoming = moment.detail.get("direction") == "incoming"
        self.caller = CallerId(number, moment.detail.get("caller_id_name") if is_incoming else None)
        return self.caller != before

    @property
    def on_hold_since(self) -> datetime | None:
        since: datetime | None = None
        for moment in sorted(self.holds, key=lambda hold: hold.key):
            since = (since or moment.at) if moment.type == "call.hold" else None
        return since

    def move(self, moment: Moment) -> None:
        """Record where the leg went, unless a newer event says otherwise."""
        if self.last_move is None or self.last_move.key <= moment.key:
            self.last_move = moment
