"""Sign-ins to the operator page, kept in the store: they outlast the server, and hold for all servers on the store.

A browser needs two secrets. Scripts cannot read the cookie, but it is sent to every server on this host, on any port.
The key is in the page's own storage, which only pages of this port can read, and is sent as a header, which no other
site can make a browser do. Neither is enough alone.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import anyio

from ....tools.text import clean
from ...auth import AuthUnavailable, Identity, TokenScope
from ...auth.random_secrets import hashed, is_same, new_secret
from ...guard.ledger import Ledger, SignIn, new_code, normalized_code

SIGNED_OUT = "You signed out."
ENDED_ELSEWHERE = "This sign-in was ended on another page."
_ENDED = "Your sign-in has ended."
_INVALID = "You were signed out: your token is no longer valid."
_AUTH_UNAVAILABLE = "Your token cannot be checked at the moment."
_TOUCH_INTERVAL = timedelta(minutes=1)
_MAX_PERSON_LENGTH = 200
_CODE_GROUPS = 3
"""57 bits: nobody guesses a code within its ten minutes. So wrong codes need no limit, with which one program could
keep everyone out."""

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


async def create_code(ledger: Ledger, by: str) -> str:
    """A new code for signing in once, within ten minutes. The store keeps its hash. `by`: the user who made it."""
    code = new_code(groups=_CODE_GROUPS)
    await ledger.add_sign_in_code(_hash(code), clean(by, _MAX_PERSON_LENGTH))
    return code


async def use_code(ledger: Ledger, code: str) -> str | None:
    """Use a code up, in any spelling. Returns the user who made it; None when it is not valid."""
    return await ledger.use_sign_in_code(_hash(normalized_code(code)))


def _hash(code: str) -> str:
    return hashed(code).hex()


def browser_name(user_agent: str) -> str:
    """A few words for a browser, such as `Firefox on Linux`, from its User-Agent header."""
    browser = next((name for mark, name in _BROWSERS if re.search(rf"\b{mark}", user_agent)), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser


@dataclass(eq=False)
class Session:
    """One sign-in, as this process uses it."""

    stored: SignIn
    identity: Identity | None
    """Who signed in by a token; None for a sign-in with a code."""
    used_at: datetime
    streams: int = 0
    """Pages that show it live."""
    end_reason: str | None = None
    """A sentence; None while the sign-in holds."""
    checked_at: float = float("-inf")

    @property
    def may_read(self) -> bool:
        """Whether they may see calls, and not only approval requests."""
        return self.identity is None or self.identity.may(TokenScope.READ)


class BrowserSecrets(NamedTuple):
    """What a browser gets at sign-in."""

    cookie: str
    key: str


class Sessions:
    """The sign-ins of one store."""

    def __init__(
        self,
        ledger: Ledger,
        now: Callable[[], datetime],
        is_valid: Callable[[Identity], Awaitable[bool]] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`is_valid`: whether the token behind an identity is still valid; may raise `AuthUnavailable`. `on_end` is
        called when a sign-in ends in this process."""
        self._ledger = ledger
        self._now = now
        self._is_valid = is_valid
        self._on_end = on_end
        self._in_use: WeakValueDictionary[str, Session] = WeakValueDictionary()
        """By id: requests and streams of one sign-in share it."""

    async def start(self, person: str, identity: Identity | None, user_agent: str) -> BrowserSecrets:
        """Sign in."""
        cookie, key, now = new_secret(), new_secret(), self._now()
        sign_in = SignIn(
            id=new_secret().text[:12],
            cookie_hash=cookie.hashed.hex(),
            key_hash=key.hashed.hex(),
            person=clean(person, _MAX_PERSON_LENGTH),
            identity=None if identity is None else _to_json(identity),
            browser=browser_name(user_agent),
            started_at=now,
            used_at=now,
        )
        await self._ledger.add_sign_in(sign_in)
        return BrowserSecrets(cookie.text, key.text)

    async def find(self, cookie: str, key: str) -> Session | None:
        """The sign-in of a browser that has both secrets. Does not check its token."""
        stored = await self._ledger.sign_in(hashed(cookie).hex()) if cookie else None
        if stored is None or not is_same(key, bytes.fromhex(stored.key_hash)):
            return None
        session = self._in_use.get(stored.id)
        if session is None:
            session = Session(stored, _from_json(stored.identity), stored.used_at)
            self._in_use[stored.id] = session
        return session

    async def touch(self, session: Session) -> None:
        """Note that a sign-in is used now."""
        now = self._now()
        if not session.used_at <= now < session.used_at + _TOUCH_INTERVAL:
            session.used_at = now
            await self._ledger.touch_sign_in(session.stored.id)

    async def why_ended(self, session: Session, check_interval_s: float = 0) -> str | None:
        """Why a sign-in has ended, as a sentence; None while it holds. Checked again after this interval.

        A token that cannot be checked gives no access meanwhile.
        """
        now = anyio.current_time()
        if session.end_reason is not None or now < session.checked_at + check_interval_s:
            return session.end_reason
        if await self._ledger.sign_in(session.stored.cookie_hash) is None:
            session.end_reason = session.end_reason or _ENDED
        elif session.identity is not None and self._is_valid is not None:
            try:
                if not await self._is_valid(session.identity):
                    await self.end(session.stored.id, _INVALID)
                    session.end_reason = _INVALID
            except AuthUnavailable:
                return _AUTH_UNAVAILABLE
        session.checked_at = now
        return session.end_reason

    async def visible_to(self, session: Session) -> list[SignIn]:
        """The sign-ins that a person may see and end: all sign-ins with a code, or those of the same token's name."""
        name = session.identity.name if session.identity else None
        return [
            sign_in
            for sign_in in await self._ledger.sign_ins()
            if (sign_in.person == name if name else sign_in.identity is None)
        ]

    async def end(self, sign_in_id: str, reason: str) -> None:
        """End a sign-in in all processes."""
        await self._ledger.end_sign_in(sign_in_id)
        session = self._in_use.get(sign_in_id)
        if session is not None:
            session.end_reason = session.end_reason or reason
            self._on_end()


def _to_json(identity: Identity) -> str:
    expires_at = identity.expires_at.isoformat() if identity.expires_at else None
    return json.dumps(asdict(identity) | {"scopes": sorted(identity.scopes), "expires_at": expires_at})


def _from_json(text: str | None) -> Identity | None:
    if text is None:
        return None
    fields: dict[str, Any] = json.loads(text)
    expires_at = fields["expires_at"]
    return Identity(
        name=fields["name"],
        scopes=frozenset(map(TokenScope, fields["scopes"])),
        token_id=fields["token_id"],
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        issuer=fields["issuer"],
    )
