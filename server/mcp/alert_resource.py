"""The resource `telnyx://alerts`: the alerts that are raised now."""

from typing import Any

from ..alerts.book import AlertBook
from ..alerts.view import alert_views
from .event_resources import JSON, SCHEME, ResourceKind, ResourceReader, UriVariables


def template(book: AlertBook) -> ResourceKind:
    """The resource over a book of alerts."""

    async def read(reader: ResourceReader, variables: UriVariables) -> dict[str, Any]:
        await reader.service.store()  # which the book is filled from
        return {"alerts": alert_views(book)}

    about = "The operator's alerts that are raised now, newest first, such as a call that waits too long in a queue."
    return ResourceKind(f"{SCHEME}alerts", "alerts", "Raised alerts", about, JSON, read, {})
