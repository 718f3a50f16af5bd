"""Tokens of an OAuth issuer: verification, discovery and rotation of keys, and the resource metadata."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.http import serve_app
from support.mcp import call
from support.mcp_http import site
from telnyx_conferencing.server.auth import AuthUnavailable, TokenScope
from telnyx_conferencing.server.auth.jwt_verifier import JwtVerifier

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUDIENCE = "https://calls.example.com/mcp"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def key_set(**keys: Key) -> list[dict[str, Any]]:
    """Public keys as an issuer publishes them, by id."""
    return [_public(key) | {"kid": key_id, "use": "sig"} for key_id, key in keys.items()]


def _public(key: Key) -> dict[str, Any]:
    match key:
        case rsa.RSAPrivateKey():
            return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)


@dataclass
class Authority:
    """An authorization server: its metadata and its keys, and how often each was asked for."""

    url: str = "http://127.0.0.1:1/realm"
    keys: list[dict[str, Any]] = field(default_factory=lambda: key_set(one=RSA_KEY, two=EC_KEY, three=ED_KEY))
    asked: list[str] = field(default_factory=list[str])
    is_down: bool = False
    metadata_at: str = "/.well-known/oauth-authorization-server/realm"
    says: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def app(self) -> Starlette:
        async def metadata(request: Request) -> JSONResponse:
            self.asked.append(request.url.path)
            known = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.says
            return JSONResponse(known, 503 if self.is_down else 200)

        async def jwks(request: Request) -> JSONResponse:
            self.asked.append(request.url.path)
            return JSONResponse({"keys": self.keys}, 503 if self.is_down else 200)

        return Starlette(routes=[Route(self.metadata_at, metadata), Route("/realm/keys", jwks)])

    def issuer(self, at: datetime = NOON, **given: Any) -> JwtVerifier:
        transport = httpx2.ASGITransport(self.app)
        return JwtVerifier(self.url, AUDIENCE, transport=transport, now=lambda: at, **given)


def token(
    key: Any = RSA_KEY, algorithm: str = "RS256", key_id: str | None = "one", typ: str | None = None, **claims: Any
) -> str:
    usual = {
        "iss": "http://127.0.0.1:1/realm",
        "aud": AUDIENCE,
        "sub": "anna",
        "exp": NOON.timestamp() + 60,
        "scope": "openid conferences:control",
    }
    given = {name: value for name, value in (usual | claims).items() if value is not None}
    headers = {name: value for name, value in {"kid": key_id, "typ": typ}.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers=headers)


AT = NOON.timestamp()
GOOD: Mapping[str, Callable[[], str]] = {
    "RSA": token,
    "elliptic curve": lambda: token(EC_KEY, "ES256", "two"),
    "Ed25519": lambda: token(ED_KEY, "EdDSA", "three"),
    "several audiences": lambda: token(aud=["https://other.example", AUDIENCE]),
    "a clock that is 50 s ahead": lambda: token(exp=AT - 50),
    "a clock that is 50 s behind": lambda: token(nbf=AT + 50),
    "an access token by its type": lambda: token(typ="at+jwt"),
    "a program": lambda: token(sub=None, client_id="anna"),
    "scopes as a list": lambda: token(scope=None, scp=["conferences:control"]),
}
PUBLIC = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def by_hand(header: Mapping[str, Any], signature: str = "") -> str:
    """A token of this header, with the usual claims, signed so."""
    _, claims, _ = token().split(".")
    return f"{base64url_encode(json.dumps(header).encode()).decode()}.{claims}.{signature}"


def signed_with_the_public_key() -> str:
    head = by_hand({"alg": "HS256", "kid": "one"}).rpartition(".")[0]
    secret = HMACAlgorithm(HMACAlgorithm.SHA256)
    return f"{head}.{base64url_encode(secret.sign(head.encode(), PUBLIC)).decode()}"


BAD: Mapping[str, Callable[[], str]] = {
    "expired": lambda: token(exp=AT - 61),
    "of later": lambda: token(nbf=AT + 61),
    "without an end": lambda: token(exp=None),
    "an end that is no time": lambda: by_hand({"alg": "none"}),
    "for another service": lambda: token(aud="https://other.example"),
    "for nobody in particular": lambda: token(aud=None),
    "of another issuer": lambda: token(iss="https://login.example"),
    "of no issuer": lambda: token(iss=None),
    "of nobody": lambda: token(sub=None),
    "of a name that would run over a line": lambda: token(sub="anna\nben"),
    "unsigned": lambda: by_hand({"alg": "none", "kid": "one"}),
    "signed with the public key as a secret": signed_with_the_public_key,
    "signed by another with a known key's id": lambda: token(OTHER_RSA_KEY),
    "of an unknown key": lambda: token(OTHER_RSA_KEY, key_id="nine"),
    "of no named key among several": lambda: token(key_id=None),
    "by one key's way with another's id": lambda: token(RSA_KEY, "RS256", "two"),
    "swapped claims": lambda: ".".join([token().split(".")[0], token(sub="ben").split(".")[1], token().split(".")[2]]),
    "a sign-in and no access": lambda: token(typ="logout+jwt"),
    "no token at all": lambda: "abc",
    "too long": lambda: "a" * 20_000,
}


async def test_valid_tokens_identify_their_subject_and_scopes() -> None:
    identities = {kind: await Authority().issuer().identify(made()) for kind, made in GOOD.items()}
    found = {kind: identity and (identity.name, set(identity.scopes)) for kind, identity in identities.items()}
    assert found == dict.fromkeys(GOOD, ("oauth:anna", {TokenScope.CONTROL, TokenScope.READ}))


async def test_invalid_tokens_identify_no_one() -> None:
    identities = {kind: await Authority().issuer().identify(made()) for kind, made in BAD.items()}
    assert identities == dict.fromkeys(BAD, None)


def small_or_wrong_keys() -> Mapping[str, dict[str, Any]]:
    rsa_key, ec_key = _public(RSA_KEY), _public(EC_KEY)
    return {
        "an RSA key for elliptic curves": rsa_key | {"alg": "ES256"},
        "an elliptic curve key for RSA": ec_key | {"alg": "RS256"},
        "a modulus of a few bits": rsa_key | {"n": "AQAB"},
        "a modulus that is not base64": rsa_key | {"n": "!!"},
        "a point that is not on the curve": ec_key | {"x": ec_key["y"]},
        "no key at all": {},
        "a shared secret": {"kty": "oct", "k": "AAAA"},
    }


async def test_an_unusable_key_of_the_issuer_identifies_no_one_and_raises_no_error() -> None:
    for name, key in small_or_wrong_keys().items():
        authority = Authority(keys=[key | {"kid": "odd"}, *key_set(one=RSA_KEY)])
        issuer = authority.issuer()
        for made in (token(key_id="odd"), token(EC_KEY, "ES256", "odd")):
            assert await issuer.identify(made) is None, name
        assert await issuer.identify(token()) is not None, name


async def test_unexpected_json_of_the_issuer_or_in_a_token_raises_no_error() -> None:
    ids: list[Any] = [[], {}, 7]
    for odd in ids:
        authority = Authority(keys=[_public(OTHER_RSA_KEY) | {"kid": odd}, *key_set(one=RSA_KEY)])
        assert await authority.issuer().identify(token()) is not None
    deep = base64url_encode(b"[" * 9_000).decode()
    assert await Authority().issuer().identify(f"{deep}.{deep}.") is None
    assert await Authority().issuer().identify(by_hand({"alg": "RS256", "kid": [], "typ": 7})) is None
    for jwks_url in ("https://keys.example:99999/", "https://[", "https://keys.example/\x00"):
        with pytest.raises(AuthUnavailable):
            await Authority(says={"jwks_uri": jwks_url}).issuer().identify(token())


async def test_scopes_of_other_services_give_no_rights() -> None:
    found = await Authority().issuer().identify(token(scope="openid profile"))
    assert found is not None
    assert found.scopes == frozenset()


async def test_new_keys_are_fetched_when_a_token_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1_000.0]
    monkeypatch.setattr("anyio.current_time", lambda: at[0])
    authority = Authority()
    issuer = authority.issuer()
    assert await issuer.identify(token()) is not None
    authority.keys = key_set(nine=OTHER_RSA_KEY)
    renewed = token(OTHER_RSA_KEY, key_id="nine")
    assert await issuer.identify(renewed) is None, "looked up a moment ago: a stranger must not make it ask again"
    asked = len(authority.asked)
    for _ in range(20):
        await issuer.identify(token(OTHER_RSA_KEY, key_id="whatever"))
    assert len(authority.asked) == asked
    at[0] += 11
    assert await issuer.identify(renewed) is not None
    assert await issuer.identify(token()) is None, "a key that is published no longer"


async def test_known_keys_are_used_for_a_while_when_the_issuer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1_000.0]
    monkeypatch.setattr("anyio.current_time", lambda: at[0])
    authority = Authority()
    issuer = authority.issuer()
    authority.is_down = True
    with pytest.raises(AuthUnavailable):
        await issuer.identify(token())
    authority.is_down = False
    at[0] += 11
    assert await issuer.identify(token()) is not None
    authority.is_down = True
    at[0] += 3_000
    assert await issuer.identify(token()) is not None
    at[0] += 601
    with pytest.raises(AuthUnavailable):
        await issuer.identify(token())


async def test_keys_are_found_through_each_place_for_metadata() -> None:
    places = (
        "/.well-known/oauth-authorization-server/realm",
        "/.well-known/openid-configuration/realm",
        "/realm/.well-known/openid-configuration",
    )
    identities = {place: await Authority(metadata_at=place).issuer().identify(token()) for place in places}
    assert [place for place, identity in identities.items() if identity is None] == []


async def test_metadata_of_another_issuer_or_with_an_unsafe_key_address_is_not_used() -> None:
    for says in ({"issuer": "http://127.0.0.1:1/other"}, {"jwks_uri": "http://keys.example/keys"}, {"jwks_uri": None}):
        with pytest.raises(AuthUnavailable):
            await Authority(says=says).issuer().identify(token())


async def test_a_configured_key_address_replaces_discovery() -> None:
    authority = Authority(metadata_at="/nowhere")
    assert await authority.issuer(jwks_url=f"{authority.url}/keys").identify(token()) is not None
    assert authority.asked == ["/realm/keys"]


async def test_an_issuers_token_expires() -> None:
    authority = Authority()
    found = await authority.issuer().identify(token())
    assert found is not None
    assert authority.issuer().is_valid(found)
    assert not authority.issuer(NOON + timedelta(minutes=3)).is_valid(found)


async def test_a_client_discovers_the_issuer_and_connects_with_its_token(tmp_path: Path, era: str) -> None:
    authority = Authority()
    with serve_app(authority.app) as url:
        authority.url = f"{url}/realm"
        options = ("--sandbox", "--oauth-issuer", authority.url, "--oauth-audience", AUDIENCE)
        async with site(*options, home=tmp_path, env={}) as server:
            refused = await server.request("POST", "/mcp")
            answer = [await server.get(f"/.well-known/oauth-protected-resource{path}") for path in ("", "/mcp")]
            now = datetime.now(UTC).timestamp()
            comes = token(iss=authority.url, exp=now + 600, scope="conferences:read")
            async with server.client(era, token=comes) as client:
                known = await call(client, "whoami")
            stale = await server.request("POST", "/mcp", {"authorization": f"Bearer {token(iss=authority.url)}"})
            log = server.log.read_text()
    assert refused.status_code == stale.status_code == 401
    where = "https://calls.example.com/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
    assert answer[0].json() == answer[1].json()
    assert answer[0].json()["resource"] == AUDIENCE
    assert answer[0].json()["authorization_servers"] == [authority.url]
    assert known["client"].endswith(", as oauth:anna")
    assert comes not in log
