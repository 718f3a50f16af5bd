"""Sign-ins to the operator page.

A browser needs two secrets. Scripts cannot read the cookie, but it is sent to every server on this host, on any port.
The key is in the page's own storage, which only pages of this port can read, and is sent as a header, which no other
site can make a browser do. Neither is enough alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import anyio

from ...auth import AuthUnavailable, Identity
from ...auth.random_secrets import hashed, is_same, new_secret

IDLE_TIMEOUT = timedelta(minutes=30)
MAX_DURATION = timedelta(hours=12)

_WAS_IDLE = f"You were signed out after {IDLE_TIMEOUT // timedelta(minutes=1)} minutes without activity."
_TOO_LONG = f"You were signed out: a sign-in lasts {MAX_DURATION // timedelta(hours=1)} hours."
SIGNED_OUT = "You signed out."
_INVALID = "You were signed out: your token is no longer valid."
_AUTH_UNAVAILABLE = "Your token cannot be checked at the moment."


@dataclass(eq=False, slots=True)
class SignInSession:
    """One sign-in."""

    key_hash: bytes
    identity: Identity | None
    """Who signed in; None for a sign-in link."""
    started_at: datetime
    used_at: datetime
    streams: int = 0
    """Pages that show it live."""
    end_reason: str | None = None
    """A sentence; None while the session is open."""
    token_checked_at: float = float("-inf")
    has_ended: anyio.Event = field(default_factory=anyio.Event)
    """Set by `end`. A timeout does not set it until someone checks."""

    def end(self, reason: str) -> None:
        """Sign out and wake the streams."""
        self.end_reason = self.end_reason or reason
        self.has_ended.set()


class BrowserSecrets(NamedTuple):
    """What a browser gets at sign-in."""

    cookie: str
    key: str


class Sessions:
    """The open sign-ins."""

    def __init__(
        self, now: Callable[[], datetime], is_valid: Callable[[Identity], Awaitable[bool]] | None = None
    ) -> None:
        """`is_valid`: whether the token behind an identity is still valid. May raise `AuthUnavailable`."""
        self._now = now
        self._is_valid = is_valid
        self._sessions: dict[bytes, SignInSession] = {}
        """By the hash of the cookie."""

    def start(self, identity: Identity | None = None) -> BrowserSecrets:
        """Sign in."""
        cookie, key, now = new_secret(), new_secret(), self._now()
        self._sessions = {hash_: session for hash_, session in self._sessions.items() if not self.why_over(session)}
        self._sessions[cookie.hashed] = SignInSession(key.hashed, identity, started_at=now, used_at=now)
        return BrowserSecrets(cookie.text, key.text)

    def by_cookie(self, cookie: str) -> SignInSession | None:
        """The open session of a cookie. The cookie alone may open an empty page, nothing else."""
        session = self._sessions.get(hashed(cookie))
        return session if session is not None and not self.why_over(session) else None

    def find(self, cookie: str, key: str) -> SignInSession | None:
        """The open session of a browser that has both secrets."""
        session = self.by_cookie(cookie)
        return session if session is not None and is_same(key, session.key_hash) else None

    def touch(self, session: SignInSession) -> None:
        """Note activity: the idle timeout starts again."""
        session.used_at = self._now()

    def why_over(self, session: SignInSession) -> str | None:
        """Why a session has ended, as a sentence; None while it is open. Does not check the token."""
        now = self._now()
        # A clock that is set back must not prolong a sign-in.
        if not session.started_at <= now < session.started_at + MAX_DURATION:
            session.end(_TOO_LONG)
        elif not session.used_at <= now < session.used_at + IDLE_TIMEOUT:
            session.end(_WAS_IDLE)
        return session.end_reason

    async def why_ended(self, session: SignInSession, token_check_interval_s: float = 0) -> str | None:
        """`why_over`, after checking the token unless it was checked this recently. A token that cannot be checked
        gives no access meanwhile."""
        identity, now = session.identity, anyio.current_time()
        is_due = now >= session.token_checked_at + token_check_interval_s
        if identity is not None and self._is_valid is not None and is_due:
            try:
                if not await self._is_valid(identity):
                    session.end(_INVALID)
            except AuthUnavailable:
                return _AUTH_UNAVAILABLE
            session.token_checked_at = now
        return self.why_over(session)

    def end_all(self, reason: str) -> None:
        """Sign everyone out."""
        for session in self._sessions.values():
            session.end(reason)
        self._sessions.clear()
