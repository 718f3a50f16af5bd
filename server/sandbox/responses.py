"""Answers in Telnyx's shapes."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from starlette.responses import JSONResponse, Response

from .errors import ApiError, invalid

Json = dict[str, Any]
Answer = Json | None
"""A JSON body; None is an empty one (204)."""
Handler = Callable[[Any], Answer]
"""Carries a command out; raises `ApiError` before anything has changed."""

T = TypeVar("T")

PAGE_SIZE = 20


class Paged(Protocol):
    """A list command."""

    @property
    def page_number(self) -> int | None: ...

    @property
    def page_size(self) -> int | None: ...


def json_response(answer: Answer) -> Response:
    """The answer of a command that succeeded."""
    return Response(status_code=204) if answer is None else JSONResponse(answer)


def error_response(refused: ApiError) -> Response:
    return JSONResponse({"errors": list(refused.errors)}, refused.status, refused.headers)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond, with a Z."""
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def data(view: Json) -> Json:
    return {"data": view}


def ok() -> Json:
    return {"data": {"result": "ok"}}


def page(items: Sequence[T], view: Callable[[T], Json], command: Paged) -> Json:
    """One page of a list: the first, of 20, if the command does not say."""
    number = command.page_number or 1
    size = command.page_size or PAGE_SIZE
    shown = items[(number - 1) * size : number * size]
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": math.ceil(len(items) / size),
        "total_results": len(items),
    }
    return {"data": [view(item) for item in shown], "meta": meta}


def without_none(view: Mapping[str, Any]) -> Json:
    """Without the fields that have no value: Telnyx leaves them out."""
    return {key: value for key, value in view.items() if value is not None}


def parse_time(text: str, field: str) -> datetime:
    """A moment from ISO 8601, in UTC if it does not say; raises `ApiError`."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_time(text, field) from None


def _no_time(text: str, field: str) -> ApiError:
    return invalid(field, f"'{text[:40]}' is not a time in ISO 8601.")


_COMPARE: dict[str, Callable[[datetime, datetime], bool]] = {
    "eq": lambda moment, bound: moment == bound,
    "gt": lambda moment, bound: moment > bound,
    "gte": lambda moment, bound: moment >= bound,
    "lt": lambda moment, bound: moment < bound,
    "lte": lambda moment, bound: moment <= bound,
}


def time_filter(period: Mapping[Any, str] | None, field: str) -> Callable[[datetime | None], bool]:
    """A test of moments from a filter such as `{"gte": "2025-01-01T00:00:00Z"}`; raises `ApiError`."""
    bounds = [(_COMPARE[name], parse_time(text, field)) for name, text in (period or {}).items()]

    def falls_in(moment: datetime | None) -> bool:
        if not bounds:
            return True
        return moment is not None and all(compare(moment, bound) for compare, bound in bounds)

    return falls_in
