"""This server's own tokens: made, and found again by what is kept of them.

A token is `tcx_ID_SECRET`. The id finds it, so that no name is ever looked up by what a stranger sends; of the whole
only a hash is kept.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from hmac import compare_digest

from ..database import StoreError
from ..errors import CallFailed
from ..guard.ledger import Token
from .identity import AuthUnavailable, Identity
from .random_secrets import hashed
from .scopes import TokenScope, scopes_of

BEGINS = "tcx_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""Names have no colon, which those of issuers' tokens have."""
_WRITTEN = re.compile(r"tcx_([a-z2-7]{16})_[A-Za-z0-9_-]{43}")
_ID = "abcdefghijklmnopqrstuvwxyz234567"
_NOBODYS = hashed("nobody's").hex()

Find = Callable[[str], Awaitable[Token | None]]
"""The token with an id. Raises what the ledger raises."""


def new_token(name: str, scopes: Iterable[TokenScope], now: datetime, lasts: timedelta | None) -> tuple[str, Token]:
    """The text of a new token, to be shown once, and what is kept of it. `lasts`: None is for ever."""
    token_id = "".join(secrets.choice(_ID) for _ in range(16))
    text = f"{BEGINS}{token_id}_{secrets.token_urlsafe(32)}"
    expires = None if lasts is None else now + lasts
    return text, Token(token_id, name, hashed(text).hex(), " ".join(sorted(scopes)), now, expires)


class AccessTokens:
    """Tells whom this server's own tokens prove."""

    def __init__(self, find: Find, now: Callable[[], datetime]) -> None:
        self._find = find
        self._now = now

    async def identity(self, text: str) -> Identity | None:
        """Whom a token proves; None: nobody. Raises `CannotTell`."""
        written = _WRITTEN.fullmatch(text)
        token = await self._found(written[1]) if written else None
        # What is not there is compared as well: an answer takes as long.
        is_same = compare_digest(hashed(text).hex(), token.hash if token else _NOBODYS)
        if token is None or not is_same or token.why_over(self._now()):
            return None
        return Identity(token.name, scopes_of(token.scopes.split()), token.id, token.expires_at)

    async def holds(self, token_id: str) -> bool:
        """Whether a token that was good still is. Raises `CannotTell`."""
        token = await self._found(token_id)
        return token is not None and token.why_over(self._now()) is None

    async def _found(self, token_id: str) -> Token | None:
        try:
            return await self._find(token_id)
        except (StoreError, CallFailed) as problem:
            raise AuthUnavailable(f"tokens cannot be looked up: {problem}") from None
