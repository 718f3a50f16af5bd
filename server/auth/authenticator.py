"""Checks the bearer token of a request, and ends requests whose token is revoked or expires."""

import logging
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import anyio
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from .access_tokens import AccessTokens
from .identity import AuthUnavailable, Identity
from .scopes import AGENT_SCOPES, TokenScope

if TYPE_CHECKING:
    from .jwt_verifier import JwtVerifier

_REVALIDATION_INTERVAL_S = 1.0
_MAX_HEADER_BYTES = 16 * 1024
_MISSING = "A bearer token is required. `telnyx-conferencing tokens create` makes one."
_INVALID = "The token is not valid."

_log = logging.getLogger(__name__)


class Authenticator:
    """Identifies who makes a request by this server's own tokens, or by those of an OAuth issuer."""

    def __init__(
        self, own: AccessTokens, issuer: "JwtVerifier | None", *, is_required: bool, metadata_url: str = ""
    ) -> None:
        """`metadata_url`: where a client finds which issuer gives out tokens."""
        self._own = own
        self._issuer = issuer
        self.is_required = is_required
        self._metadata_url = metadata_url
        self._open_requests: dict[Identity, set[anyio.CancelScope]] = {}

    async def identify(self, token: str) -> Identity | None:
        """The identity that a token proves, or None. Raises `AuthUnavailable`."""
        identity = await self._own.identify(token)
        if identity is None and self._issuer is not None:
            identity = await self._issuer.identify(token)
        return identity

    async def is_valid(self, identity: Identity) -> bool:
        """Whether the token behind an identity is still valid. Raises `AuthUnavailable`."""
        if identity.token_id is not None:
            return await self._own.is_valid(identity.token_id)
        return self._issuer is not None and self._issuer.is_valid(identity)

    async def authenticate(self, request: Scope, scope: TokenScope) -> Identity | Response | None:
        """The identity of a request, the response that refuses it, or None: anonymous, where no token is required.

        A token that is sent must be valid even where none is required. `scope`: what the token must allow.
        """
        headers = [value for name, value in request["headers"] if name == b"authorization"]
        if not headers and not self.is_required:
            return None
        try:
            identity = await self._identify_bearer(headers)
        except AuthUnavailable as problem:
            _log.warning("Tokens cannot be checked: %s", problem)
            return PlainTextResponse("Tokens cannot be checked at the moment. Try again.", 503, {"retry-after": "5"})
        if identity is None:
            error, description = ("invalid_token", _INVALID) if headers else ("", _MISSING)
            return self._challenge(401, error, description, AGENT_SCOPES)
        if not identity.may(scope):
            return self._challenge(403, "insufficient_scope", f"The token needs the scope {scope}.", (scope,))
        return identity

    async def _identify_bearer(self, headers: list[bytes]) -> Identity | None:
        if len(headers) != 1 or len(headers[0]) > _MAX_HEADER_BYTES:
            return None
        kind, _, token = headers[0].decode("latin-1").partition(" ")
        return await self.identify(token.strip()) if kind.lower() == "bearer" else None

    def _challenge(self, status: int, error: str, description: str, scopes: tuple[TokenScope, ...]) -> Response:
        """A refusal in the form of RFC 6750 and RFC 9728."""
        parameters = {
            "error": error,
            "error_description": description if error else "",
            "scope": " ".join(scopes),
            "resource_metadata": self._metadata_url,
        }
        challenge = ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value)
        body = {"error": error or "unauthorized", "error_description": description}
        return JSONResponse(body, status, {"www-authenticate": f"Bearer {challenge}"})

    def while_valid(self, identity: Identity | None) -> AbstractContextManager[None]:
        """Cancels the block when the identity's token becomes invalid. None, an anonymous request: never."""
        return nullcontext() if identity is None else self._open_request(identity)

    @contextmanager
    def _open_request(self, identity: Identity) -> Generator[None]:
        with anyio.CancelScope() as scope:
            scopes = self._open_requests.setdefault(identity, set())
            scopes.add(scope)
            try:
                yield
            finally:
                scopes.discard(scope)
                if not scopes:
                    self._open_requests.pop(identity, None)

    async def watch(self) -> None:
        """Once a second, end the open requests whose token has become invalid. Runs until cancelled."""
        while True:
            await anyio.sleep(_REVALIDATION_INTERVAL_S)
            for identity in list(self._open_requests):
                try:
                    is_valid = await self.is_valid(identity)
                except AuthUnavailable:
                    continue  # new requests are refused meanwhile; open ones survive a pause of the store
                for scope in () if is_valid else list(self._open_requests.get(identity, ())):
                    scope.cancel()
