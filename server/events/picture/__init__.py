"""What events mean: the live picture, a conference's summary and timeline, one event in words."""

from .lines import kind, line
from .picture import Picture
from .summary import summarize, timeline
from .views import (
    ConferenceSummary,
    ConferenceView,
    Fact,
    ParticipantView,
    Person,
    QueueView,
    WaitingCall,
)

__all__ = [
    "ConferenceSummary",
    "ConferenceView",
    "Fact",
    "ParticipantView",
    "Person",
    "Picture",
    "QueueView",
    "WaitingCall",
    "kind",
    "line",
    "summarize",
    "timeline",
]
