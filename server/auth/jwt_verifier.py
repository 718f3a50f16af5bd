"""Tokens of an OAuth 2.1 authorization server: JWTs, signed with a key that the issuer publishes (JWKS)."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt

from ...tools.words import clean
from ..settings import is_safe
from .identity import AuthUnavailable, Identity
from .scopes import scopes_of

SUBJECT = "oauth:"
"""What names of issuers' tokens begin with: none of them can be taken for one of this server's own."""
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures by a private key. With a shared secret, or none, whoever can read could also sign."""
_SKEW = 60
"""Seconds that two clocks may be apart."""
_FRESH = 600.0
"""Seconds for which keys are used without looking whether they are still published."""
_PAUSE = 10.0
"""Seconds between two looks, however many tokens name a key that is not known."""
_STALE = 3600.0
"""Seconds for which keys are used while the issuer cannot be reached."""
_PATIENCE = 5.0
_LARGEST = 1024 * 1024
_LONGEST = 16 * 1024
_LONGEST_NAME = 200

_log = logging.getLogger(__name__)


class JwtVerifier:
    """Tells whom an issuer's tokens prove."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`issuer`: as its tokens name it. `audience`: what a token must be made for. `jwks_url`: where its keys are;
        None: where its metadata says."""
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._transport = transport
        self._now = now
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._looked = self._found = float("-inf")
        self._lock = anyio.Lock()

    async def identity(self, text: str) -> Identity | None:
        """Whom a token proves; None: nobody. Raises `CannotTell`."""
        if len(text) > _LONGEST:
            return None
        try:
            header = jwt.get_unverified_header(text)
            key = await self._key(header.get("kid"))
            if key is None or key.algorithm_name not in _ALGORITHMS or header.get("typ", "JWT").lower() not in _TYPES:
                return None
            claims = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidTokenError, AttributeError):
            return None
        return self._proved(claims)

    def holds(self, identity: Identity) -> bool:
        """Whether a token that was good still is; an issuer's token ends when it says so."""
        return identity.expires_at is not None and self._now() < identity.expires_at + timedelta(seconds=_SKEW)

    def _proved(self, claims: Mapping[str, Any]) -> Identity | None:
        """Whom the claims of a well signed token prove now."""
        now = self._now().timestamp()
        begins, ends = claims.get("nbf", 0), claims["exp"]
        if not isinstance(begins, int | float) or not isinstance(ends, int | float):
            return None
        if not begins - _SKEW <= now < ends + _SKEW:
            return None
        name = claims.get("sub") or claims.get("client_id")
        if not isinstance(name, str) or clean(name, _LONGEST_NAME) != name:
            return None
        try:
            expires = datetime.fromtimestamp(ends, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return Identity(f"{SUBJECT}{name}", scopes_of(_scope_names(claims)), expires_at=expires, issuer=self._issuer)

    async def _key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The issuer's key with this id, or its only one. Raises `CannotTell` when its keys cannot be had."""
        if not self._is_fresh(key_id):
            async with self._lock:
                if not self._is_fresh(key_id) and anyio.current_time() > self._looked + _PAUSE:
                    await self._look()
        if anyio.current_time() > self._found + _STALE:
            raise AuthUnavailable("the issuer's keys cannot be had")
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _is_fresh(self, key_id: str | None) -> bool:
        is_known = key_id in self._keys or (key_id is None and len(self._keys) == 1)
        return is_known and anyio.current_time() <= self._found + _FRESH

    async def _look(self) -> None:
        self._looked = anyio.current_time()
        try:
            self._keys = await self._published()
            self._found = anyio.current_time()
        except (httpx2.HTTPError, ValueError, jwt.PyJWTError) as problem:
            _log.warning("The keys of %s cannot be had: %s", self._issuer, clean(str(problem), _LONGEST_NAME))

    async def _published(self) -> dict[str | None, jwt.PyJWK]:
        async with httpx2.AsyncClient(timeout=_PATIENCE, transport=self._transport) as http:
            if self._jwks_url is None:
                self._jwks_url = await self._named(http)
            published = jwt.PyJWKSet.from_dict(await _json(http, self._jwks_url))
        return {key.key_id: key for key in published.keys if key.public_key_use in (None, "sig")}

    async def _named(self, http: httpx2.AsyncClient) -> str:
        """Where the issuer's metadata says its keys are. Raises `ValueError`, `HTTPError`."""
        at = urlsplit(self._issuer)
        path = at.path.rstrip("/")
        host = f"{at.scheme}://{at.netloc}/.well-known"
        places = (
            f"{host}/oauth-authorization-server{path}",
            f"{host}/openid-configuration{path}",
            f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
        )
        for place in dict.fromkeys(places):
            try:
                told = await _json(http, place)
            except (httpx2.HTTPStatusError, ValueError):
                continue
            where = told.get("jwks_uri")
            if told.get("issuer") == self._issuer and isinstance(where, str) and is_safe(where):
                return where
        raise ValueError(f"no metadata of {self._issuer} names its keys")


_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


def _scope_names(claims: Mapping[str, Any]) -> list[str]:
    """As issuers write them: `scope`, separated by spaces, or `scp`, also as a list."""
    for name in ("scope", "scp"):
        match claims.get(name):
            case str() as names:
                return names.split()
            case list() as names:  # pyright: ignore[reportUnknownVariableType]
                return [one for one in cast("list[Any]", names) if isinstance(one, str)]
            case _:
                pass
    return []


async def _json(http: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    """The JSON object at a URL. Raises `HTTPError`, `ValueError`."""
    answer = await http.get(url, headers={"accept": "application/json"})
    answer.raise_for_status()
    if len(answer.content) > _LARGEST:
        raise ValueError("it is too large")
    told = answer.json()
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")
    return cast("dict[str, Any]", told)
