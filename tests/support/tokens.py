"""Tokens as an operator hands them out, in the store of a server that starts later or runs already."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger
from telnyx_conferencing.server.identity import Scope
from telnyx_conferencing.server.identity.tokens import new_token

READ, CONTROL, APPROVE = Scope.READ, Scope.CONTROL, Scope.APPROVE


async def given(
    home: Path, name: str, *scopes: Scope, lasts: timedelta | None = None, at: datetime | None = None
) -> str:
    """The text of a new token in the store at home. `at`: when it was made; now if not given."""
    text, token = new_token(name, scopes, at or datetime.now(UTC), lasts)
    async with Ledger.open(url_of(home / "events.db")) as ledger:
        await ledger.add_token(token, "tests")
    return text


async def revoked(home: Path, name: str) -> None:
    """Take back every token of a name."""
    async with Ledger.open(url_of(home / "events.db")) as ledger:
        assert await ledger.revoke(name, "tests")
