"""This server's own access tokens.

A token is `tcx_ID_SECRET`. The id looks it up, and only a hash of the whole is stored.
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

PREFIX = "tcx_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""Names have no colon, unlike those of an issuer's tokens."""
_TOKEN = re.compile(r"tcx_([a-z2-7]{16})_[A-Za-z0-9_-]{43}")
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_DUMMY_HASH = hashed("dummy").hex()

FindToken = Callable[[str], Awaitable[Token | None]]
"""Looks up a token by its id. Raises what the ledger raises."""


def new_token(name: str, scopes: Iterable[TokenScope], now: datetime, lifetime: timedelta | None) -> tuple[str, Token]:
    """The text of a new token, to show once, and the record to store. `lifetime`: None means no expiry."""
    token_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
    text = f"{PREFIX}{token_id}_{secrets.token_urlsafe(32)}"
    expires_at = None if lifetime is None else now + lifetime
    return text, Token(token_id, name, hashed(text).hex(), " ".join(sorted(scopes)), now, expires_at)


class AccessTokens:
    """Verifies this server's own tokens."""

    def __init__(self, find: FindToken, now: Callable[[], datetime]) -> None:
        self._find = find
        self._now = now

    async def identify(self, text: str) -> Identity | None:
        """The identity that a token proves, or None. Raises `AuthUnavailable`."""
        match = _TOKEN.fullmatch(text)
        token = await self._look_up(match[1]) if match else None
        # Compare even when there is no token, so that the answer takes the same time.
        is_same = compare_digest(hashed(text).hex(), token.hash if token else _DUMMY_HASH)
        if token is None or not is_same or token.why_invalid(self._now()):
            return None
        return Identity(token.name, scopes_of(token.scopes.split()), token.id, token.expires_at)

    async def is_valid(self, token_id: str) -> bool:
        """Whether a token is neither revoked nor expired. Raises `AuthUnavailable`."""
        token = await self._look_up(token_id)
        return token is not None and token.why_invalid(self._now()) is None

    async def _look_up(self, token_id: str) -> Token | None:
        try:
            return await self._find(token_id)
        except (StoreError, CallFailed) as problem:
            raise AuthUnavailable(f"tokens cannot be looked up: {problem}") from None
