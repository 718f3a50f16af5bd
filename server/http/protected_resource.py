"""OAuth 2.0 protected resource metadata (RFC 9728): tells a client which issuer its tokens come from."""

from mcp.server.auth.handlers.metadata import ProtectedResourceMetadataHandler
from mcp.server.auth.routes import build_resource_metadata_url, cors_middleware
from mcp.shared.auth import ProtectedResourceMetadata
from pydantic import AnyHttpUrl
from starlette.routing import Route

from ...tools.text import listed
from ..auth import AGENT_SCOPES

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(audience: str) -> str:
    """Where RFC 9728 places the metadata of the resource with this URL."""
    return str(build_resource_metadata_url(AnyHttpUrl(audience)))


def metadata_routes(audience: str, issuer: str) -> list[Route]:
    """Routes for the metadata, open to pages of any origin: at the root, and at the resource's own path."""
    scopes = [str(scope) for scope in AGENT_SCOPES]
    # Validated from strings: unlike the SDK's route helper, this keeps the issuer exactly as its tokens name it.
    metadata = ProtectedResourceMetadata.model_validate(
        {
            "resource": audience,
            "authorization_servers": [issuer],
            "scopes_supported": scopes,
            "resource_name": f"Telnyx conferencing ({listed(scopes)})",
        }
    )
    endpoint = cors_middleware(ProtectedResourceMetadataHandler(metadata).handle, ["GET", "OPTIONS"])
    paths = (WELL_KNOWN, AnyHttpUrl(metadata_url(audience)).path or WELL_KNOWN)
    return [Route(path, endpoint, methods=["GET", "OPTIONS"]) for path in dict.fromkeys(paths)]
