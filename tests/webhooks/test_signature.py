"""Signatures: what Telnyx's own SDK accepts is accepted, and nothing else."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from telnyx import Telnyx

from support.documented_webhooks import TYPES, Json, envelope_of, event
from support.receiver_client import Key
from support.rows import each_row
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.webhooks.signature import BadSignature, SignatureVerifier

TELNYX = Sandbox(ManualClock(), seed=1)
NOW = TELNYX.clock.now().timestamp()
_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's base point."""


@dataclass
class Webhook:
    """What is posted, and what it is checked with."""

    body: bytes
    signature: str | None
    timestamp: str | None
    key: str
    now: float = NOW


def webhook(envelope: Json | None = None) -> Webhook:
    """One that the sandbox signed."""
    body, headers = TELNYX.signed(envelope or TELNYX.events[0])
    return Webhook(body, headers["telnyx-signature-ed25519"], headers["telnyx-timestamp"], TELNYX.public_key)


def sdk_accepts(signed: Webhook, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether Telnyx's SDK verifies and parses it."""
    sent_headers = {"Telnyx-Signature-Ed25519": signed.signature, "Telnyx-Timestamp": signed.timestamp}
    headers = {name: value for name, value in sent_headers.items() if value is not None}
    with monkeypatch.context() as patched, Telnyx(api_key="KEYtest") as client:
        patched.setattr(time, "time", lambda: signed.now)
        try:
            client.webhooks.unwrap(signed.body.decode(), headers=headers, key=signed.key)
        except (ValueError, ArithmeticError):
            return False
    return True


def refusal(signed: Webhook, *other_keys: str) -> str | None:
    """The reason for which we refuse it."""
    try:
        SignatureVerifier([*other_keys, signed.key], now=lambda: signed.now).verify(
            signed.body, signed.signature, signed.timestamp
        )
    except BadSignature as bad:
        return bad.reason
    except ValueError:
        return "key"
    return None


def signed_at(timestamp: str) -> Webhook:
    """Signed with a timestamp exactly as given."""
    key = Key()
    body = b'{"data": {"id": "1", "event_type": "x"}}'
    return Webhook(body, key.sign(body, timestamp)["telnyx-signature-ed25519"], timestamp, key.public)


def altered_signature(change: Callable[[bytes], bytes]) -> Webhook:
    signed = webhook()
    signature = change(base64.b64decode(signed.signature or ""))
    return replace(signed, signature=base64.b64encode(signature).decode())


def flip_a_bit(signature: bytes) -> bytes:
    """A signature that differs from the given one."""
    return signature[:-1] + bytes([signature[-1] ^ 1])


def add_order(signature: bytes) -> bytes:
    """Another number that means the same modulo the order: a second signature for the same body, if it is let pass."""
    number = int.from_bytes(signature[32:], "little") + _ORDER
    return signature[:32] + number.to_bytes(32, "little")


def forged() -> Webhook:
    """With a public key of small order, this signature fits any body."""
    zero = base64.b64encode(bytes([1]) + bytes(31)).decode()
    return replace(webhook(), key=zero, signature=base64.b64encode(bytes([1]) + bytes(63)).decode())


def text(signed: Webhook) -> str:
    return signed.signature or ""


whole = webhook()
other_body = webhook(TELNYX.events[1])
key_of_another = Key().public

CASES: dict[str, tuple[Webhook, str | None]] = {
    "as sent": (whole, None),
    "a byte changed": (replace(whole, body=whole.body.replace(b"call.", b"Call.")), "mismatch"),
    "a space added in the end": (replace(whole, body=whole.body + b" "), "mismatch"),
    "a line end added": (replace(whole, body=whole.body + b"\n"), "mismatch"),
    "spaces added within": (replace(whole, body=whole.body.replace(b":", b": ")), "mismatch"),
    "no body": (replace(whole, body=b""), "mismatch"),
    "keys in another order": (replace(whole, body=b'{"meta":1,' + whole.body[1:]), "mismatch"),
    "another body's signature": (replace(whole, signature=other_body.signature), "mismatch"),
    "no signature": (replace(whole, signature=None), "missing"),
    "an empty signature": (replace(whole, signature=""), "malformed"),
    "no timestamp": (replace(whole, timestamp=None), "missing"),
    "an empty timestamp": (replace(whole, timestamp=""), "malformed"),
    "another timestamp": (replace(whole, timestamp=str(int(NOW) + 1)), "mismatch"),
    "the timestamp in another spelling": (replace(whole, timestamp=f"0{whole.timestamp}"), "mismatch"),
    "a timestamp that is a date": (signed_at("2025-01-01T12:00:00Z"), "malformed"),
    "a timestamp with a fraction": (signed_at(f"{int(NOW)}.5"), "malformed"),
    "a timestamp in milliseconds": (signed_at(f"{int(NOW)}000"), "stale"),
    "a timestamp below zero": (signed_at("-1"), "stale"),
    "an enormous timestamp": (signed_at("9" * 400), "stale"),
    "a timestamp beyond numbers": (signed_at("9" * 5000), "malformed"),
    "a timestamp with a sign": (signed_at(f"+{int(NOW)}"), None),
    "a timestamp with zeros before": (signed_at(f"000{int(NOW)}"), None),
    "a timestamp with a space": (signed_at(f" {int(NOW)}"), None),
    "300 s old": (replace(whole, now=NOW + 300), None),
    "300 s early": (replace(whole, now=NOW - 300), None),
    "a moment more than 300 s old": (replace(whole, now=NOW + 300.01), "stale"),
    "a moment more than 300 s early": (replace(whole, now=NOW - 300.01), "stale"),
    "another key": (replace(whole, key=key_of_another), "mismatch"),
    "the signature with a letter more": (replace(whole, signature=text(whole) + "A"), "malformed"),
    "the signature without its padding": (replace(whole, signature=text(whole).rstrip("=")), "malformed"),
    "the signature with a space": (replace(whole, signature=text(whole)[:40] + " " + text(whole)[40:]), "malformed"),
    "the signature with a line end": (replace(whole, signature=text(whole) + "\n"), "malformed"),
    "the signature in quotes": (replace(whole, signature=f'"{whole.signature}"'), "malformed"),
    "the signature in hexadecimal": (replace(whole, signature=base64.b64decode(text(whole)).hex()), "malformed"),
    "the signature in other letters": (replace(whole, signature="é" + text(whole)), "malformed"),
    "a signature of 63 bytes": (altered_signature(lambda signature: signature[:63]), "malformed"),
    "a signature of 65 bytes": (altered_signature(lambda signature: signature + b"\0"), "malformed"),
    "a signature with a bit changed": (altered_signature(flip_a_bit), "mismatch"),
    "a signature of zeros": (altered_signature(lambda _: bytes(64)), "mismatch"),
    "a signature in its other form": (altered_signature(add_order), "mismatch"),
    "timestamp and signature swapped": (
        replace(whole, signature=whole.timestamp, timestamp=whole.signature),
        "malformed",
    ),
    "a key anybody can sign for": (forged(), "key"),
    "a key of zeros": (replace(whole, key=base64.b64encode(bytes(32)).decode()), "key"),
    "a key of 31 bytes": (replace(whole, key=base64.b64encode(bytes(31)).decode()), "key"),
    "a key that is not Base64": (replace(whole, key="not a key"), "key"),
    "no key": (replace(whole, key=""), "key"),
}


@pytest.mark.parametrize("case", CASES)
def test_we_accept_exactly_what_the_sdk_accepts(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signed, reason = CASES[case]
    assert refusal(signed) == reason
    assert sdk_accepts(signed, monkeypatch) is (reason is None)


@pytest.mark.parametrize("event_type", TYPES)
@pytest.mark.parametrize("form", [dict, envelope_of])
def test_every_webhook_that_the_sandbox_signs_is_accepted_by_both(
    event_type: str, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = webhook(form(event(event_type)))
    assert refusal(signed) is None
    assert sdk_accepts(signed, monkeypatch)


def test_every_webhook_of_the_sandbox_is_accepted_by_the_server_and_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for envelope in TELNYX.events:
        assert refusal(webhook(envelope)) is None
        assert sdk_accepts(webhook(envelope), monkeypatch)


def test_a_signature_by_any_of_the_keys_is_accepted() -> None:
    assert refusal(whole, key_of_another) is None
    assert refusal(replace(whole, key=key_of_another), TELNYX.public_key) is None
    assert refusal(replace(whole, key=key_of_another), Key().public) == "mismatch"


def test_the_tolerance_can_be_changed() -> None:
    strict = SignatureVerifier([whole.key], tolerance=5, now=lambda: NOW + 6)
    with pytest.raises(BadSignature, match="stale"):
        strict.verify(whole.body, whole.signature, whole.timestamp)


def test_a_body_need_not_be_text() -> None:
    key = Key()
    for body in (b"\xff\0|", b"", b"|"):
        headers = key.sign(body, str(int(NOW)))
        SignatureVerifier([key.public], now=lambda: NOW).verify(body, *headers.values())


def small_order_points() -> list[bytes]:
    """All encodings of points that prove nothing, from libsodium's list."""
    order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    other_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    minus_one, p, p_plus_one = ("ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f")
    known = ["00" * 32, "01" + "00" * 31, order_8, other_8, minus_one, p, p_plus_one]
    plain = [bytes.fromhex(point) for point in known]
    return plain + [point[:31] + bytes([point[31] | 0x80]) for point in plain]


@each_row("raw", small_order_points())
def test_a_key_of_small_order_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="is not one that Ed25519 can have"):
        SignatureVerifier([base64.b64encode(raw).decode()])


@each_row(
    ("keys", "sentence"),
    [
        ([], "there is no public key to verify webhooks with."),
        (["KEY0123456789"], "the public key 'KEY012...' is not Base64."),
        (["AAAA"], "the public key 'AAAA' is Base64 of 3 bytes, not of 32."),
        ([""], "the public key '' is Base64 of 0 bytes, not of 32."),
        ([TELNYX.public_key, "é"], "the public key 'é' is not Base64."),
        ([base64.b64encode(bytes([2]) + bytes(31)).decode()], "is not one that Ed25519 can have: is it mistyped?"),
    ],
)
def test_an_invalid_key_is_refused_in_a_sentence(keys: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match="public key") as refused:
        SignatureVerifier(keys)
    assert sentence in str(refused.value)


def test_real_keys_are_accepted() -> None:
    SignatureVerifier([Key().public for _ in range(50)])
    SignatureVerifier([f" {Key().public}\n"])
