"""What an operator lets an agent do."""

from .approval import Asker, Level, Reply, approve
from .policy import Policy
from .question import compose

__all__ = ["Asker", "Level", "Policy", "Reply", "approve", "compose"]
