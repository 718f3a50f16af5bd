"""The operator page: pending approvals, the audit, and the stop switch, in a browser.

Over stdio it has a loopback port of its own, which a tunnel for webhooks does not expose.
"""

from .app import OperatorPage
from .server import serve_operator_page

__all__ = ["OperatorPage", "serve_operator_page"]
