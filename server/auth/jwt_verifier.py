"""Verifies the tokens of an OAuth 2.1 issuer: JWTs signed with a key that it publishes (JWKS)."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from ...tools.text import clean
from ..settings import is_safe
from .identity import AuthUnavailable, Identity
from .scopes import scopes_of

SUBJECT_PREFIX = "oauth:"
"""Names of an issuer's tokens begin with this, so that none equals the name of one of this server's own tokens."""
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures by a private key only. With a shared secret, every party that can verify could also sign."""
_TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_CLOCK_SKEW_S = 60
_KEYS_FRESH_S = 600.0
"""Known keys are used this long without fetching the key set again."""
_REFETCH_INTERVAL_S = 10.0
"""The shortest time between two fetches, however many tokens name an unknown key."""
_KEYS_STALE_S = 3600.0
"""Known keys are used this long while the issuer cannot be reached."""
_FETCH_TIMEOUT_S = 5.0
_MAX_RESPONSE_BYTES = 1024 * 1024
_MAX_TOKEN_LENGTH = 16 * 1024
_MAX_NAME_LENGTH = 200

_INVALID = (jwt.PyJWTError, UnsupportedAlgorithm, AttributeError, RecursionError, TypeError, ValueError)
"""What a malformed token, or a key that does not fit its algorithm, makes the libraries raise."""

_log = logging.getLogger(__name__)


class JwtVerifier:
    """Verifies one issuer's tokens."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`issuer`, `audience`: the `iss` and `aud` that a token must have. `jwks_url`: where the
        issuer's keys are; None: where its metadata says."""
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._transport = transport
        self._now = now
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._lock = anyio.Lock()

    async def identify(self, text: str) -> Identity | None:
        """The identity that a token proves, or None. Raises `AuthUnavailable`."""
        if len(text) > _MAX_TOKEN_LENGTH:
            return None
        try:
            header = jwt.get_unverified_header(text)
            key = await self._key(header.get("kid"))
            token_type = header.get("typ", "JWT").lower()
            if key is None or key.algorithm_name not in _ALGORITHMS or token_type not in _TOKEN_TYPES:
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
        except _INVALID:
            return None
        return self._identity(claims)

    def is_valid(self, identity: Identity) -> bool:
        """Whether the token behind an identity has not expired. An issuer's token cannot be revoked here."""
        return identity.expires_at is not None and self._now() < identity.expires_at + timedelta(seconds=_CLOCK_SKEW_S)

    def _identity(self, claims: Mapping[str, Any]) -> Identity | None:
        """The identity in the claims of a correctly signed token, if they are valid now."""
        now = self._now().timestamp()
        not_before, expires = claims.get("nbf", 0), claims["exp"]
        if not isinstance(not_before, int | float) or not isinstance(expires, int | float):
            return None
        if not not_before - _CLOCK_SKEW_S <= now < expires + _CLOCK_SKEW_S:
            return None
        name = claims.get("sub") or claims.get("client_id")
        if not isinstance(name, str) or clean(name, _MAX_NAME_LENGTH) != name:
            return None
        try:
            expires_at = datetime.fromtimestamp(expires, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        scopes = scopes_of(_scope_names(claims))
        return Identity(f"{SUBJECT_PREFIX}{name}", scopes, expires_at=expires_at, issuer=self._issuer)

    async def _key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The issuer's key with this id; its only key where the token names none. Raises `AuthUnavailable`."""
        if not self._is_fresh(key_id):
            async with self._lock:
                if not self._is_fresh(key_id) and anyio.current_time() > self._tried_at + _REFETCH_INTERVAL_S:
                    await self._fetch()
        if anyio.current_time() > self._fetched_at + _KEYS_STALE_S:
            raise AuthUnavailable("the issuer's keys cannot be fetched")
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _is_fresh(self, key_id: str | None) -> bool:
        is_known = key_id in self._keys or (key_id is None and len(self._keys) == 1)
        return is_known and anyio.current_time() <= self._fetched_at + _KEYS_FRESH_S

    async def _fetch(self) -> None:
        self._tried_at = anyio.current_time()
        try:
            self._keys = await self._published_keys()
            self._fetched_at = anyio.current_time()
        except (httpx2.HTTPError, httpx2.InvalidURL, *_INVALID) as problem:
            _log.warning("The keys of %s cannot be fetched: %s", self._issuer, clean(str(problem), _MAX_NAME_LENGTH))

    async def _published_keys(self) -> dict[str | None, jwt.PyJWK]:
        async with httpx2.AsyncClient(timeout=_FETCH_TIMEOUT_S, transport=self._transport) as http:
            if self._jwks_url is None:
                self._jwks_url = await self._discover(http)
            published = jwt.PyJWKSet.from_dict(await _json(http, self._jwks_url))
        # A key with an id that is not a string, or for another use, does not stop the others.
        ids = [(key, cast("object", key.key_id)) for key in published.keys if key.public_key_use in (None, "sig")]
        return {key_id: key for key, key_id in ids if key_id is None or isinstance(key_id, str)}

    async def _discover(self, http: httpx2.AsyncClient) -> str:
        """The address of the keys in the issuer's metadata (RFC 8414, OpenID). Raises `ValueError`, `HTTPError`."""
        issuer = urlsplit(self._issuer)
        path = issuer.path.rstrip("/")
        well_known = f"{issuer.scheme}://{issuer.netloc}/.well-known"
        urls = (
            f"{well_known}/oauth-authorization-server{path}",
            f"{well_known}/openid-configuration{path}",
            f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
        )
        for url in dict.fromkeys(urls):
            try:
                metadata = await _json(http, url)
            except (httpx2.HTTPStatusError, ValueError):
                continue
            jwks_url = metadata.get("jwks_uri")
            if metadata.get("issuer") == self._issuer and isinstance(jwks_url, str) and is_safe(jwks_url):
                return jwks_url
        raise ValueError(f"no metadata of {self._issuer} gives the address of its keys")


def _scope_names(claims: Mapping[str, Any]) -> list[str]:
    """Scopes as issuers write them: `scope`, separated by spaces, or `scp`, also as a list."""
    for name in ("scope", "scp"):
        match claims.get(name):
            case str() as names:
                return names.split()
            case list() as names:  # pyright: ignore[reportUnknownVariableType]
                return [scope for scope in cast("list[Any]", names) if isinstance(scope, str)]
            case _:
                pass
    return []


async def _json(http: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    """The JSON object at a URL. Raises `HTTPError`, `ValueError`."""
    response = await http.get(url, headers={"accept": "application/json"})
    response.raise_for_status()
    if len(response.content) > _MAX_RESPONSE_BYTES:
        raise ValueError("the response is too large")
    content = response.json()
    if not isinstance(content, dict):
        raise ValueError("the response is not a JSON object")
    return cast("dict[str, Any]", content)
