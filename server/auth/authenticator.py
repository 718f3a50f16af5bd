"""Who is let in over HTTP: by a bearer token, and where none is required, whoever comes from this machine."""

import logging
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope as HttpScope

from ...tools.words import listed
from .access_tokens import AccessTokens
from .identity import AuthUnavailable, Identity
from .scopes import TokenScope

if TYPE_CHECKING:
    from .jwt_verifier import JwtVerifier

_EVERY = 1.0
"""Seconds between two looks whether the token behind an answer that goes on still holds."""
_LONGEST = 16 * 1024
_MISSING = "A bearer token is needed: `telnyx-conferencing tokens create` makes one."
_UNFIT = "This token is not valid."

carried = AuthContextMiddleware
"""An app that knows of each request who makes it, as the SDK's sessions and sealed states ask."""

_log = logging.getLogger(__name__)


class Authenticator:
    """Proves who makes a request, and ends what goes on for somebody whose token holds no longer."""

    def __init__(
        self, own: AccessTokens, issuer: "JwtVerifier | None", *, is_required: bool, metadata_url: str = ""
    ) -> None:
        """`metadata_url`: where a client finds who gives out tokens."""
        self._own = own
        self._issuer = issuer
        self.is_required = is_required
        self._metadata_url = metadata_url
        self._visits: dict[Identity, set[anyio.CancelScope]] = {}

    async def identity(self, text: str) -> Identity | None:
        """Whom a token proves; None: nobody. Raises `CannotTell`."""
        found = await self._own.identity(text)
        if found is None and self._issuer is not None:
            found = await self._issuer.identity(text)
        return found

    async def holds(self, identity: Identity) -> bool:
        """Whether what proved this name still does. Raises `CannotTell`."""
        if identity.token_id is not None:
            return await self._own.holds(identity.token_id)
        return self._issuer is not None and self._issuer.holds(identity)

    async def refusal(self, scope: HttpScope, needs: TokenScope) -> Response | None:
        """Why a request is not let in; None: it is, and says from then on who makes it.

        Without a token everything is open where none is required; one that is sent must hold all the same.
        """
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not given and not self.is_required:
            return None
        try:
            identity = await self._bearer(given)
        except AuthUnavailable as problem:
            _log.warning("Nobody can be let in: %s", problem)
            return PlainTextResponse("Tokens cannot be checked now. Try again.", 503, {"retry-after": "5"})
        if identity is None:
            return self._challenge(401, "invalid_token" if given else "", _UNFIT if given else _MISSING, _USUAL)
        if not identity.may(needs):
            return self._challenge(403, "insufficient_scope", f"This takes the scope {needs}.", (needs,))
        scope["user"] = AuthenticatedUser(_as_the_sdk_has_it(identity))
        scope["auth"] = AuthCredentials(sorted(identity.scopes))
        scope["identity"] = identity
        return None

    async def _bearer(self, given: list[bytes]) -> Identity | None:
        if len(given) != 1 or len(given[0]) > _LONGEST:
            return None
        kind, _, text = given[0].decode("latin-1").partition(" ")
        return await self.identity(text.strip()) if kind.lower() == "bearer" else None

    def _challenge(self, status: int, error: str, why: str, scopes: tuple[TokenScope, ...]) -> Response:
        about = {
            "error": error,
            "error_description": why if error else "",
            "scope": " ".join(scopes),
            "resource_metadata": self._metadata_url,
        }
        said = ", ".join(f'{name}="{value}"' for name, value in about.items() if value)
        body = {"error": error or "unauthorized", "error_description": why}
        return JSONResponse(body, status, {"www-authenticate": f"Bearer {said}"})

    def while_holding(self, scope: HttpScope) -> AbstractContextManager[None]:
        """Leaves the block when the token that let a request in holds no longer."""
        identity: Identity | None = scope.get("identity")
        return nullcontext() if identity is None else self._visit(identity)

    @contextmanager
    def _visit(self, identity: Identity) -> Generator[None]:
        with anyio.CancelScope() as visit:
            visits = self._visits.setdefault(identity, set())
            visits.add(visit)
            try:
                yield
            finally:
                visits.discard(visit)
                if not visits:
                    self._visits.pop(identity, None)

    async def watch(self) -> None:
        """Look again and again whether those who are being answered still may be, until cancelled."""
        while True:
            await anyio.sleep(_EVERY)
            for identity in list(self._visits):
                try:
                    goes_on = await self.holds(identity)
                except AuthUnavailable:
                    continue  # new requests are refused meanwhile; what goes on is not cut off by a pause of the store
                for visit in () if goes_on else list(self._visits.get(identity, ())):
                    visit.cancel()


_USUAL = (TokenScope.READ, TokenScope.CONTROL)
"""What an agent asks for. Approving is for people, who are given it by themselves."""


def _as_the_sdk_has_it(identity: Identity) -> AccessToken:
    """By name alone: whoever was given a new token goes on with the session of the old one."""
    issued = {"iss": identity.issuer} if identity.issuer else {}
    return AccessToken(
        token="", client_id=identity.name, scopes=sorted(identity.scopes), subject=identity.name, claims=issued
    )


def metadata(resource: str, issuer: str) -> dict[str, Any]:
    """What RFC 9728 has a protected resource say of itself."""
    return {
        "resource": resource,
        "authorization_servers": [issuer],
        "scopes_supported": [str(scope) for scope in _USUAL],
        "bearer_methods_supported": ["header"],
        "resource_name": f"Telnyx conferencing ({listed(list(map(str, _USUAL)))})",
    }
