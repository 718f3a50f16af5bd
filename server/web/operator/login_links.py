"""One-time sign-in links: who reads the server's terminal may use one."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ...auth.random_secrets import hashed, new_secret

LASTS = timedelta(minutes=10)
_MOST = 8
"""Unused at once: anybody on this machine can ask for another to be printed."""


class TooManyLinks(Exception):
    """So many links are unused that no other is made; the message says what to do."""


class LoginLinks:
    """The links that were made and not used."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._made: dict[bytes, datetime] = {}
        """By the hash of the token."""

    def new(self) -> str:
        """The token of a new link. Raises `TooManyLinks`."""
        self._forget_old()
        if len(self._made) >= _MOST:
            minutes = LASTS // timedelta(minutes=1)
            raise TooManyLinks(
                f"{_MOST} links were printed and not used. Use the last one; a new one can be had in {minutes} minutes."
            )
        token = new_secret()
        self._made[token.hashed] = self._now()
        return token.text

    def holds(self, token: str) -> bool:
        """Whether this token would let somebody in; it still does afterwards."""
        self._forget_old()
        return hashed(token) in self._made

    def spend(self, token: str) -> bool:
        """Whether this token lets somebody in; no token does so twice."""
        self._forget_old()
        return self._made.pop(hashed(token), None) is not None

    def _forget_old(self) -> None:
        now = self._now()
        # A clock set back must not make a link last longer.
        self._made = {token: made for token, made in self._made.items() if made <= now < made + LASTS}
