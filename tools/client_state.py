"""Telnyx's `client_state`: Base64 on the wire, plain text for the model."""

import base64


def as_base64(text: str) -> str:
    """A `client_state` for Telnyx: canonical Base64 of printable UTF-8 as it is, any other text encoded."""
    return text if _decoded(text) is not None else base64.b64encode(text.encode()).decode()


def client_state_text(value: str | None) -> str | None:
    """A `client_state` from Telnyx as text; as it is if it does not contain printable UTF-8."""
    return value if value is None else _decoded(value) or value


def _decoded(value: str) -> str | None:
    try:
        content = base64.b64decode(value, validate=True)
        text = content.decode()
    except ValueError:
        return None
    is_canonical = base64.b64encode(content).decode() == value
    return text if is_canonical and text.isprintable() else None
