"""One-time sign-in links, for people who can read the server's terminal."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ...auth.random_secrets import hashed, new_secret

LIFETIME = timedelta(minutes=10)
_MAX_UNUSED_LINKS = 8
"""Any program on this machine can ask for another link to be printed."""


class TooManyLinks(Exception):
    """Too many links are unused; the message says what to do."""


class LoginLinks:
    """The links that were made and not used."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._made_at: dict[bytes, datetime] = {}
        """By the hash of the token."""

    def create(self) -> str:
        """The token of a new link. Raises `TooManyLinks`."""
        self._drop_expired()
        if len(self._made_at) >= _MAX_UNUSED_LINKS:
            minutes = LIFETIME // timedelta(minutes=1)
            raise TooManyLinks(
                f"{_MAX_UNUSED_LINKS} printed links are unused. Use the last one, or wait {minutes} minutes."
            )
        token = new_secret()
        self._made_at[token.hashed] = self._now()
        return token.text

    def is_valid(self, token: str) -> bool:
        """Whether this token can sign in. Does not use it up."""
        self._drop_expired()
        return hashed(token) in self._made_at

    def use(self, token: str) -> bool:
        """Use a token up; whether it was valid."""
        self._drop_expired()
        return self._made_at.pop(hashed(token), None) is not None

    def _drop_expired(self) -> None:
        now = self._now()
        # A clock that is set back must not prolong a link.
        self._made_at = {token: made for token, made in self._made_at.items() if made <= now < made + LIFETIME}
