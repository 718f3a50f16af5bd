"""The operator's web page: what waits for a yes, what was done, and the switch that stops every write.

For the person at this machine only: a loopback port of its own, which no tunnel for webhooks shows to the world.
"""

from .app import OperatorPage
from .server import serve_operator_page

__all__ = ["OperatorPage", "serve_operator_page"]
