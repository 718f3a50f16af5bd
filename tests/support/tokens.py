"""Tokens as an operator hands them out, in the store of a server that starts later or runs already."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.webhooks import url_of
from telnyx_conferencing.server.auth import TokenScope
from telnyx_conferencing.server.auth.access_tokens import new_token
from telnyx_conferencing.server.guard.ledger import Ledger

READ, CONTROL, APPROVE = TokenScope.READ, TokenScope.CONTROL, TokenScope.APPROVE


async def create_token(
    home: Path, name: str, *scopes: TokenScope, lasts: timedelta | None = None, at: datetime | None = None
) -> str:
    """The text of a new token in the store at home. `at`: when it was made; now if not given."""
    text, token = new_token(name, scopes, at or datetime.now(UTC), lasts)
    async with Ledger.open(url_of(home / "events.db")) as ledger:
        await ledger.add_token(token, "tests")
    return text


async def revoke_tokens(home: Path, name: str) -> None:
    """Take back every token of a name."""
    async with Ledger.open(url_of(home / "events.db")) as ledger:
        assert await ledger.revoke(name, "tests")
