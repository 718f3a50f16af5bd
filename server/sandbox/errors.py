"""Refusals in Telnyx's error shape, with the codes, titles and statuses that Telnyx documents."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

_CALLER_FIELDS = ("from", "from_", "to")


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
    """One entry of `errors`. `pointer`: a JSON pointer (RFC 6901) to the argument."""
    entry: dict[str, Any] = {"code": code, "title": title, "detail": detail}
    return entry if pointer is None else entry | {"source": {"pointer": pointer}}


def json_pointer(*names: str) -> str:
    """A JSON pointer to a member of the body, escaped."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def unauthenticated() -> ApiError:
    detail = "The required authentication headers were either invalid or not included in the request."
    return ApiError(401, error("10009", "Authentication failed", detail))


def forbidden(detail: str) -> ApiError:
    return ApiError(403, error("10010", "Authorization failed", detail))


def unverified_number(number: str) -> ApiError:
    """403: a caller number that the account does not own. Telnyx names it by D51."""
    detail = f"Unverified origination number D51: {number} is not a number of this account."
    return ApiError(403, error("10010", "Authorization failed", detail, "/from"))


def no_outbound_profile() -> ApiError:
    """403: a connection that cannot call out. Telnyx names it by D38."""
    return forbidden("The call is not permitted D38: the connection has no outbound voice profile.")


def not_found(detail: str) -> ApiError:
    return ApiError(404, error("10007", "Resource not found", detail))


def nothing_at_url() -> ApiError:
    return ApiError(404, error("10005", "Resource not found", "The requested resource or URL could not be found."))


def unknown_conference(conference: str) -> ApiError:
    return ApiError(404, error("90058", "Invalid conference_id", f"The conference {conference} does not exist."))


def unknown_recording(recording_id: str) -> ApiError:
    detail = f"The recording {recording_id} could not be found. Please check the recording_id and try again."
    return ApiError(404, error("10005", "Recording not found", detail, "/recording_id"))


def method_not_allowed(method: str, headers: Mapping[str, str] | None) -> ApiError:
    return ApiError(405, error("10015", "Bad Request", f"{method} is not allowed at this URL."), headers=headers)


def bad_request(detail: str, code: str = "10015", title: str = "Bad Request", status: int = 400) -> ApiError:
    return ApiError(status, error(code, title, detail))


def bad_encoding(position: int) -> ApiError:
    detail = f"Error decoding request body at position {position}."
    return ApiError(400, error("10028", "Character encoding error", detail))


def audio_not_downloaded(field: str) -> ApiError:
    detail = "Provided audio file couldn't be downloaded."
    return ApiError(400, error("90040", "Downloading audio file failed", detail, json_pointer(field)))


def queue_not_empty() -> ApiError:
    return ApiError(400, error("90050", "Unable to delete queue", "Only empty queues can be deleted."))


def invalid(field: str, detail: str) -> ApiError:
    """422: an argument with an impossible value."""
    return ApiError(422, error("10015", "Bad Request", detail, json_pointer(field)))


def invalid_parameter(parameter: str, detail: str) -> ApiError:
    """422: a query parameter with an impossible value."""
    return ApiError(422, error("10015", "Bad Request", detail) | {"source": {"parameter": parameter}})


def unknown_connection(connection_id: str) -> ApiError:
    title = "Invalid value for connection_id (Call Control App ID)"
    detail = f"The requested connection_id (Call Control App ID) {connection_id} is either invalid or does not exist."
    return ApiError(422, error("10015", title, detail, "/connection_id"))


def unknown_call(call_control_id: str, field: str = "call_control_id") -> ApiError:
    detail = f"The {field} provided was not valid: there is no call {call_control_id}."
    return ApiError(422, error("90015", "Invalid Call Control ID", detail, json_pointer(field)))


def call_ended(call_control_id: str) -> ApiError:
    detail = f"Call {call_control_id} is no longer active and can't receive commands."
    return ApiError(422, error("90018", "Call has already ended", detail))


def not_answered(call_control_id: str) -> ApiError:
    detail = f"Call {call_control_id} can't receive this command because it has not been answered yet."
    return ApiError(422, error("90034", "Call not answered yet", detail))


def no_audio_to_record(call_control_id: str) -> ApiError:
    detail = f"Call recording cannot be started until audio has commenced on call {call_control_id}."
    return ApiError(422, error("90020", "Call recording triggered before audio started", detail))


def conference_ended(conference_id: str) -> ApiError:
    detail = f"Conference {conference_id} is no longer active and can't receive commands."
    return ApiError(422, error("90019", "Conference has already ended", detail))


def conference_name_in_use(name: str) -> ApiError:
    detail = f"Conference with given name '{name}' already exists and it's active."
    return ApiError(422, error("90033", "Unable to execute command", detail))


def conference_full(max_participants: int) -> ApiError:
    detail = f"The maximum allowed value of `max_participants` has been reached at {max_participants}."
    return ApiError(422, error("90032", "Maximum number of participants reached", detail))


def queue_full(name: str) -> ApiError:
    return ApiError(422, error("90036", "Queue full", f"The '{name}' queue is full and can't accept more calls."))


def already_queued() -> ApiError:
    return ApiError(422, error("90038", "Call already in queue", "Call can't be added to a queue it's already in."))


def transcription_active() -> ApiError:
    detail = "Call transcription can not be started more than once."
    return ApiError(422, error("90054", "Call transcription is already in progress", detail))


def srtp_not_supported() -> ApiError:
    detail = "SRTP media encryption is not supported for PSTN calls."
    return ApiError(422, error("10011", "Media encryption not supported for PSTN calls", detail, "/media_encryption"))


def impossible(title: str, detail: str, field: str | None = None) -> ApiError:
    """422: a state for which Telnyx documents no specific code."""
    return ApiError(422, error("10015", title, detail, None if field is None else json_pointer(field)))


def missing(fields: list[str]) -> ApiError:
    """422: arguments that must be given."""
    return ApiError(422, *(_missing_field(json_pointer(field), field) for field in fields))


def _missing_field(pointer: str, name: str) -> dict[str, Any]:
    detail = f"The '{name}' parameter is required and cannot be blank."
    return error("10004", "Missing required parameter", detail, pointer)


class _Reason(NamedTuple):
    """Why one value was refused."""

    code: str
    title: str
    detail: str


def unprocessable(refused: ValidationError, wire_name: Callable[[str], str] = str, is_query: bool = False) -> ApiError:
    """422: one error for each argument that pydantic refused.

    `wire_name` gives Telnyx's name of an argument. `is_query`: the arguments were in the query, whose errors name a
    parameter (`filter[status]`) instead of a pointer.
    """
    by_argument: dict[tuple[str, ...], list[_Reason]] = {}
    for details in refused.errors(include_url=False, include_input=False):
        names = _names(details["loc"], wire_name)
        reasons = by_argument.setdefault(names, [])
        reason = _reason(names, details["type"], details["msg"], details.get("ctx", {}))
        if reason not in reasons:
            reasons.append(reason)
    return ApiError(422, *(_unacceptable(names, reasons, is_query) for names, reasons in by_argument.items()))


def _names(location: tuple[int | str, ...], wire_name: Callable[[str], str]) -> tuple[str, ...]:
    """The path to an argument by Telnyx's names; the members of `filter` and `page` are arguments of their own."""
    parts = [str(part) for part in location]
    depth = 2 if parts and parts[0] in ("filter", "page", "conference_config") else 1
    return tuple([wire_name(part) for part in parts[:1]] + parts[1:depth])


def _reason(names: tuple[str, ...], kind: str, message: str, context: Mapping[str, Any]) -> _Reason:
    message = message.removeprefix("Value error, ")
    name = names[-1] if names else ""
    if kind == "missing":
        return _Reason("10004", "Missing required parameter", f"The '{name}' parameter is required and cannot be blank")
    if kind in ("literal_error", "enum"):
        values = ", ".join(sorted(re.findall(r"'([^']*)'", str(context.get("expected", "")))))
        return _Reason("10032", "Invalid enumerated value", f"The value must be one of: {values}")
    if kind.startswith(("greater_than", "less_than")) or message.startswith(("must be 1 or more", "must be a whole")):
        detail = f"The value of '{name}' is outside of allowed range: {message}"
        return _Reason("10033", "Value outside of range", detail)
    if name in _CALLER_FIELDS and message.startswith("must be a phone number"):
        detail = f"The '{name}' parameter must be in E164 format"
        return _Reason("10016", "Phone number must be in +E164 format", detail)
    subject = f"The parameter '{name}'" if names else "The request"
    return _Reason("10015", "Bad Request", f"{subject} is not acceptable: {message}")


def _unacceptable(names: tuple[str, ...], reasons: list[_Reason], is_query: bool) -> dict[str, Any]:
    """An error with the code of the first reason and the details of all."""
    # Where a value may have two forms, pydantic reports both: the general code counts only if there is no other.
    reasons = [reason for reason in reasons if reason.code != "10015"] or reasons
    detail = "; or ".join(reason.detail for reason in reasons)
    entry = error(reasons[0].code, reasons[0].title, f"{detail}.")
    if not names:  # it is about several arguments
        return entry
    if is_query:
        first, *rest = names
        return entry | {"source": {"parameter": first + "".join(f"[{name}]" for name in rest)}}
    return entry | {"source": {"pointer": json_pointer(*names)}}
