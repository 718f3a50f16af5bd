"""The operator page in a browser: what happens now, approvals, past conferences, the audit and the stop switch.

Over stdio it has a loopback port of its own, which a tunnel for webhooks does not expose.
"""

from .app import OperatorPage
from .live import LiveCalls
from .server import announce_page, serve_operator_page

__all__ = ["LiveCalls", "OperatorPage", "announce_page", "serve_operator_page"]
