"""What the sandbox refuses, in Telnyx's error shape and with Telnyx's codes where they are known."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_WIRE_NAMES = {"page_number": "page[number]", "page_size": "page[size]"}
_NESTED = frozenset({"filter"})


class ConnectionDropped(Exception):
    """A fault: the connection broke before an answer came."""


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, *errors: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, *errors)
        self.status = status
        self.errors = errors
        self.headers = headers


def error(code: str, title: str, detail: str, pointer: str | None = None) -> dict[str, Any]:
    """One entry of `errors`."""
    entry: dict[str, Any] = {"code": code, "title": title, "detail": detail}
    return entry if pointer is None else entry | {"source": {"pointer": pointer}}


def unauthenticated() -> ApiError:
    return ApiError(401, error("10009", "Authentication failed", "The API key is missing or not valid."))


def forbidden(detail: str) -> ApiError:
    return ApiError(403, error("10010", "Authorization failed", detail))


def not_found(detail: str) -> ApiError:
    return ApiError(404, error("10005", "Resource not found", detail))


def method_not_allowed(method: str, headers: Mapping[str, str] | None) -> ApiError:
    return ApiError(405, error("10015", "Bad Request", f"{method} is not allowed at this URL."), headers=headers)


def bad_request(detail: str, code: str = "10015", title: str = "Bad Request", status: int = 400) -> ApiError:
    return ApiError(status, error(code, title, detail))


def invalid(field: str, detail: str) -> ApiError:
    """422: an argument that cannot be."""
    return ApiError(422, error("10015", "Bad Request", detail, f"/{field}"))


def unknown_call(call_control_id: str, field: str = "call_control_id") -> ApiError:
    """422: a body names a call that does not exist."""
    return ApiError(422, error("90015", "Invalid Call Control ID", f"There is no call {call_control_id}.", f"/{field}"))


def call_ended(call_control_id: str) -> ApiError:
    detail = f"Call {call_control_id} is no longer active and can't receive commands."
    return ApiError(422, error("90018", "Call has already ended", detail))


def not_answered(call_control_id: str) -> ApiError:
    detail = f"Call {call_control_id} has not been answered yet and can't receive this command."
    return ApiError(422, error("90034", "Call not answered yet", detail))


def impossible(title: str, detail: str, field: str | None = None) -> ApiError:
    """422: a command that cannot be carried out in this state."""
    return ApiError(422, error("90055", title, detail, None if field is None else f"/{field}"))


def missing(fields: list[str]) -> ApiError:
    """422: arguments that must be given."""
    return ApiError(422, *(_missing(field) for field in fields))


def _missing(name: str) -> dict[str, Any]:
    return error("10004", "Missing required parameter", f"The parameter '{name}' is required.", f"/{name}")


def unprocessable(refused: ValidationError) -> ApiError:
    """422: one error for each argument that pydantic refused."""
    by_field: dict[str, list[str]] = {}
    missing: set[str] = set()
    for found in refused.errors(include_url=False, include_input=False, include_context=False):
        place = [_WIRE_NAMES.get(str(part), str(part)) for part in found["loc"]]
        depth = 2 if place and place[0] in _NESTED else 1
        pointer = "/" + "/".join(place[:depth])
        said = by_field.setdefault(pointer, [])
        message = found["msg"].removeprefix("Value error, ")
        if message not in said:
            said.append(message)
        if found["type"] == "missing" and len(place) <= depth:
            missing.add(pointer)
    return ApiError(422, *(_unacceptable(pointer, said, pointer in missing) for pointer, said in by_field.items()))


def _unacceptable(pointer: str, said: list[str], is_missing: bool) -> dict[str, Any]:
    name = pointer.strip("/")
    if is_missing:
        return _missing(name)
    about = f"The parameter '{name}' is not acceptable" if name else "The parameters are not acceptable"
    return error("10015", "Bad Request", f"{about}: {'; or '.join(said)}.", pointer)
