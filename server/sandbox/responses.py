"""Answers in Telnyx's shapes."""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from ...tools.base import Command
from .commands import CursorPaged, ListActiveCalls, PageCursor
from .errors import ApiError, invalid_parameter

Json = dict[str, Any]
Answer = Json | None
"""A JSON body; None is an empty one (204)."""
Handler = Callable[[Any], Answer]
"""Carries a command out; raises `ApiError` before anything has changed."""

T = TypeVar("T")

PAGE_SIZE = 20


class Paged(Protocol):
    """A list command. One that can be read by cursor is a `CursorPaged` too."""

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
    """One page of a list, by page number or by cursor: the first, of 20 items, if the command gives neither."""
    cursor = command.position() if isinstance(command, CursorPaged) else None
    if isinstance(command, CursorPaged) and cursor:
        views = [view(item) for item in items]
        start, end, size = _page_at(views, cursor, command.page_size)
        meta = _number_meta(len(views), start // size + 1, size)
        return {"data": views[start:end], "meta": meta | _cursor_meta(views, start, end, size, command)}
    number = command.page_number or 1
    size = command.page_size or PAGE_SIZE
    page_items = items[(number - 1) * size : number * size]
    return {"data": [view(item) for item in page_items], "meta": _number_meta(len(items), number, size)}


def active_calls_page(views: Sequence[Json], command: ListActiveCalls) -> Json:
    """A page of active calls, whose `meta` has cursors.

    It also has page numbers if a page was asked for by number: Telnyx's SDKs read this list so, and without the number
    of the last page they never end.
    """
    cursor = command.position()
    numbers: Json = {}
    if cursor is None:
        size = command.page_size or PAGE_SIZE
        start = ((command.page_number or 1) - 1) * size
        end = min(start + size, len(views))
        if command.page_number:
            numbers = _number_meta(len(views), command.page_number, size)
    else:
        start, end, size = _page_at(views, cursor, command.page_size)
    return {"data": views[start:end], "meta": numbers | _cursor_meta(views, start, end, size, command)}


def _number_meta(total: int, number: int, size: int) -> Json:
    return {
        "page_number": number,
        "page_size": size,
        "total_pages": math.ceil(total / size),
        "total_results": total,
    }


def _page_at(views: Sequence[Json], cursor: PageCursor, page_size: int | None) -> tuple[int, int, int]:
    """The start, the end and the size of a page after or before a cursor. Raises `ApiError`."""
    size = cursor.limit or page_size or PAGE_SIZE
    if cursor.before is not None:
        end = _position(views, cursor.before, "before")
        return max(end - size, 0), end, size
    start = 0 if cursor.after is None else _position(views, cursor.after, "after") + 1
    return start, min(start + size, len(views)), size


def _cursor_meta(views: Sequence[Json], start: int, end: int, size: int, command: Command) -> Json:
    """The cursors of a page that holds `views[start:end]`. `next` and `previous` are paths; empty: no such page."""
    path = f"/v2{command.route.fill(vars(command))}"
    after = _cursor_of(views[end - 1], end - 1) if 0 < end < len(views) else ""
    before = _cursor_of(views[start], start) if 0 < start < len(views) else ""
    return {
        "cursors": {"after": after, "before": before},
        "next": f"{path}?page[after]={after}&page[limit]={size}" if after else "",
        "previous": f"{path}?page[before]={before}&page[limit]={size}" if before else "",
        "total_items": len(views),
    }


def _cursor_of(view: Json, position: int) -> str:
    return base64.urlsafe_b64encode(f"{position} {_key(view)}".encode()).decode().rstrip("=")


def _key(view: Json) -> str:
    return str(view.get("id") or view.get("call_control_id") or "")


def _position(views: Sequence[Json], cursor: str, name: str) -> int:
    """Where the item that a cursor names is, or was if it is gone. Raises `ApiError`."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        position = int(text.partition(" ")[0])
    except ValueError:
        raise invalid_parameter(f"page[{name}]", f"'{cursor[:40]}' is not a cursor of this list.") from None
    key = text.partition(" ")[2]
    return next((index for index, view in enumerate(views) if key and _key(view) == key), position)


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
    return invalid_parameter(field, f"'{text[:40]}' is not a time in ISO 8601.")


_COMPARE: dict[str, Callable[[datetime, datetime], bool]] = {
    "eq": lambda moment, bound: moment == bound,
    "gt": lambda moment, bound: moment > bound,
    "gte": lambda moment, bound: moment >= bound,
    "lt": lambda moment, bound: moment < bound,
    "lte": lambda moment, bound: moment <= bound,
}


def time_filter(period: BaseModel | None, field: str) -> Callable[[datetime | None], bool]:
    """A test of moments from a filter such as `{"gte": "2025-01-01T00:00:00Z"}`; raises `ApiError`."""
    criteria: dict[str, str] = {} if period is None else period.model_dump(exclude_none=True)
    bounds = [(_COMPARE[name], parse_time(text, field)) for name, text in criteria.items()]

    def falls_in(moment: datetime | None) -> bool:
        if not bounds:
            return True
        return moment is not None and all(compare(moment, bound) for compare, bound in bounds)

    return falls_in
