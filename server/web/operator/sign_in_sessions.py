"""Who is signed in, and for how long.

A browser proves it with two secrets. The cookie is out of reach of every script, but goes to any server on this host,
whatever its port. The key is in the page's own storage, which only pages of this very port can read, and is sent as a
header, which no other site can make a browser do. Either alone opens nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import anyio

from ...auth import AuthUnavailable, Identity
from ...auth.random_secrets import hashed, is_same, new_secret

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)

_TOO_IDLE = f"You were signed out after {IDLE // timedelta(minutes=1)} minutes in which nobody used this page."
_TOO_LONG = f"You were signed out: a sign-in lasts {LONGEST // timedelta(hours=1)} hours."
SIGNED_OUT = "You signed out."
_UNPROVED = "You were signed out: your token holds no longer."
_CANNOT_TELL = "Your token cannot be checked now."


@dataclass(eq=False, slots=True)
class SignInSession:
    """One sign-in."""

    key: bytes
    """Hashed."""
    identity: Identity | None
    """Who signed in, where that was proved."""
    begun: datetime
    used: datetime
    streams: int = 0
    """How many pages show it live."""
    ended: str | None = None
    """Why, as a sentence."""
    looked: float = float("-inf")
    """When it was found out last that their token holds."""
    over: anyio.Event = field(default_factory=anyio.Event)
    """Set when it was ended; running out of time sets nothing."""

    def end(self, why: str) -> None:
        """End it, for all that holds it."""
        self.ended = self.ended or why
        self.over.set()


class Handed(NamedTuple):
    """What a browser is given on signing in."""

    cookie: str
    key: str


class Sessions:
    """Everybody who is signed in."""

    def __init__(self, now: Callable[[], datetime], holds: Callable[[Identity], Awaitable[bool]] | None = None) -> None:
        """`holds`: whether what proved who somebody is still does. May raise `CannotTell`."""
        self._now = now
        self._holds = holds
        self._known: dict[bytes, SignInSession] = {}
        """By the hash of the cookie."""

    def begin(self, identity: Identity | None = None) -> Handed:
        """Sign somebody in."""
        cookie, key, now = new_secret(), new_secret(), self._now()
        self._known = {known: session for known, session in self._known.items() if not self.why_over(session)}
        self._known[cookie.hashed] = SignInSession(key.hashed, identity, begun=now, used=now)
        return Handed(cookie.text, key.text)

    def of_cookie(self, cookie: str) -> SignInSession | None:
        """The session that a cookie names. Enough to show an empty page, and nothing else."""
        session = self._known.get(hashed(cookie))
        return session if session is not None and not self.why_over(session) else None

    def of(self, cookie: str, key: str) -> SignInSession | None:
        """The session of somebody who has both secrets."""
        session = self.of_cookie(cookie)
        return session if session is not None and is_same(key, session.key) else None

    def use(self, session: SignInSession) -> None:
        """Note that a person did something: it does not end for being idle."""
        session.used = self._now()

    def why_over(self, session: SignInSession) -> str | None:
        """Why a session has ended, as a sentence; None: it goes on."""
        now = self._now()
        # A clock set back must not make a sign-in last longer.
        if not session.begun <= now < session.begun + LONGEST:
            session.end(_TOO_LONG)
        elif not session.used <= now < session.used + IDLE:
            session.end(_TOO_IDLE)
        return session.ended

    async def look(self, session: SignInSession, within: float = 0) -> str | None:
        """The same, after a look whether their token still holds, if there was none within so many seconds. While that
        cannot be told, nobody is let in."""
        proved, now = session.identity, anyio.current_time()
        if proved is not None and self._holds is not None and now >= session.looked + within:
            try:
                if not await self._holds(proved):
                    session.end(_UNPROVED)
            except AuthUnavailable:
                return _CANNOT_TELL
            session.looked = now
        return self.why_over(session)

    def end_all(self, why: str) -> None:
        """Sign everybody out."""
        for session in self._known.values():
            session.end(why)
        self._known.clear()
