"""Finds events. Each search follows one index and stops when it has enough."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ...database import Transaction, microseconds
from ..event import MAX_COUNT, EventFilter, StoredEvent
from .rows import READ, event_of, stored_text

Field = Literal["conference_id", "call_control_id", "queue", "type", "id"]

_FIELDS_WITH_FEW_VALUES = ("type", "queue")
_RECENT_EVENTS = 20_000
_MAX_BRANCHES = 64
_COLUMNS = ", ".join(READ)


def get(transaction: Transaction, event_id: str) -> StoredEvent | None:
    """The event with this id."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM events WHERE id = :id", id=stored_text(event_id))  # noqa: S608
    return event_of(rows[0]) if rows else None


def latest_number(transaction: Transaction) -> int:
    """The number of the newest event, 0 if there is none."""
    ((number,),) = transaction.rows("SELECT coalesce(max(number), 0) FROM events")
    return number


def find(transaction: Transaction, event_filter: EventFilter, limit: int, *, newest_first: bool) -> list[StoredEvent]:
    """The first `limit` events that match, in the order of their numbers."""
    search = _search(transaction, event_filter, newest_first=newest_first)
    direction = "DESC" if newest_first else "ASC"
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM events "  # noqa: S608 - constants
        f"WHERE number IN ({search.numbers(f'ORDER BY {search.order_by} {direction}')}) "
        f"ORDER BY number {direction} LIMIT :limit",
        limit=limit,
        **search.parameters,
    )
    return [event_of(row) for row in rows]


def newest(transaction: Transaction, event_filter: EventFilter, limit: int, before: int | None) -> list[StoredEvent]:
    """The `limit` newest events that match, by the time when they occurred and then by number.

    `before`: only those older than the event with this number. If that is no longer stored, numbers are compared.
    """
    # Sort them where they are few; where they are many, following the times soon finds enough.
    are_few = count(transaction, event_filter) < MAX_COUNT
    search = _search(transaction, event_filter, newest_first=True, by_time=not are_few)
    time, number = (
        (_without_index("occurred_at"), _without_index("number")) if are_few else (search.time, search.order_by)
    )
    conditions = [f"number IN ({search.numbers()})"] if are_few else search.branches
    if before is not None:
        place = search.parameter(before)
        occurred = transaction.rows("SELECT occurred_at FROM events WHERE number = :number", number=before)
        older = [f"({time}, {number}) < ({search.parameter(moment)}, {place})" for (moment,) in occurred]
        conditions = [*conditions, *(older or [f"{number} < {place}"])]
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants
        f"ORDER BY {time} DESC, {number} DESC LIMIT :page",
        limit=MAX_COUNT,
        page=limit,
        **search.parameters,
    )
    return [event_of(row) for row in rows]


def count(transaction: Transaction, event_filter: EventFilter) -> int:
    """How many events match, at most `MAX_COUNT`."""
    search = _search(transaction, event_filter, newest_first=True)
    ((total,),) = transaction.rows(
        f"SELECT count(*) FROM (SELECT 1 FROM ({search.numbers()}) AS matching LIMIT :limit) AS counted",  # noqa: S608
        limit=MAX_COUNT,
        **search.parameters,
    )
    return total


@dataclass(slots=True)
class _Search:
    """A search, written so that the database follows the index that we choose.

    The database does not know that events arrive nearly in the order of their times, or which values are frequent.
    """

    branches: list[str] = field(default_factory=list[str])
    """Conditions. Each branch finds other events."""
    order_by: str = "number"
    time: str = "occurred_at"
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])

    def parameter(self, value: Any) -> str:
        """Add a parameter and return its placeholder."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def numbers(self, order: str = "") -> str:
        """A query for the numbers of the first `:limit` events of each branch."""
        return " UNION ALL ".join(
            f"SELECT number FROM (SELECT number FROM events WHERE {branch} {order} LIMIT :limit) "  # noqa: S608
            f"AS branch{place}"
            for place, branch in enumerate(self.branches)
        )


def _search(
    transaction: Transaction, event_filter: EventFilter, *, newest_first: bool, by_time: bool = False
) -> _Search:
    search = _Search()
    equal = {
        name: f"= {search.parameter(stored_text(value))}"
        for name in ("call_control_id", "conference_id", "queue")
        if (value := getattr(event_filter, name)) is not None
    }
    pages_forward = event_filter.after_number is not None and not newest_first
    is_timed = by_time or event_filter.since is not None or event_filter.until is not None
    index = next((name for name in ("call_control_id", "conference_id") if name in equal), None)
    if index is None and is_timed and not pages_forward:
        index = "occurred_at"
    elif index is None and "queue" in equal:
        index = "queue"

    columns = {name: name if name == index else _without_index(name) for name in (*equal, "occurred_at", "type")}
    number = "number" if index != "occurred_at" else _without_index("number")
    search.order_by, search.time = number, columns["occurred_at"]
    conditions = [f"{columns[name]} {comparison}" for name, comparison in equal.items()]
    conditions += _bounds(search, number, ">", event_filter.after_number, None)
    since, until = (time and microseconds(time) for time in (event_filter.since, event_filter.until))
    conditions += _bounds(search, columns["occurred_at"], ">=", since, until)

    types = None if index or not event_filter.types else _existing_types(transaction, event_filter.types)
    if types is not None and len(types) <= _MAX_BRANCHES:
        search.branches = [
            " AND ".join([f"type = {search.parameter(event_type)}", *conditions]) for event_type in types
        ] or ["1 = 0"]
        return search
    if event_filter.types:
        conditions.append(_is_any_type(search, columns["type"], event_filter.types))
    search.branches = [" AND ".join(conditions) or "1 = 1"]
    return search


def _without_index(column: str) -> str:
    """The column, so that the database cannot use an index on it."""
    return f"coalesce({column}, NULL)"


def _bounds(search: _Search, column: str, lower: str, low: Any, high: Any) -> list[str]:
    """Conditions for a range. None: no bound."""
    bounds = ((lower, low), ("<", high))
    return [f"{column} {comparison} {search.parameter(value)}" for comparison, value in bounds if value is not None]


def _is_any_type(search: _Search, column: str, types: Iterable[str]) -> str:
    conditions = [
        " AND ".join(_bounds(search, column, ">=", *_prefix_range(name[:-1])))
        if name.endswith(".*")
        else f"{column} = {search.parameter(stored_text(name))}"
        for name in sorted(types)
    ]
    return f"({' OR '.join(conditions)})"


def _prefix_range(prefix: str) -> tuple[str, str | None]:
    """The range of the texts that start with a prefix: from the first to before the second. None: no upper bound."""
    prefix = stored_text(prefix)
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return prefix, None
    after = ord(stem[-1]) + 1
    return prefix, stem[:-1] + chr(0xE000 if after == 0xD800 else after)


def _existing_types(transaction: Transaction, types: Iterable[str]) -> list[str]:
    """The types to search for: exact ones, and those that exist under each prefix."""
    existing: set[str] = set()
    for name in types:
        if name.endswith(".*"):
            existing.update(_few_values(transaction, "type", name[:-1], _MAX_BRANCHES + 1))
        else:
            existing.add(stored_text(name))
    return sorted(existing)


def distinct(transaction: Transaction, name: Field, prefix: str, limit: int) -> list[str]:
    """The values of a field that start with `prefix`, the most recently used first."""
    if name in _FIELDS_WITH_FEW_VALUES:
        return _few_values(transaction, name, prefix, limit)
    recent = f"number > (SELECT max(number) FROM events) - {_RECENT_EVENTS}"  # noqa: S608 - constants
    values = _values(transaction, _without_index(name), prefix, limit, recent)
    return values if len(values) == limit else _values(transaction, name, prefix, limit)


def _values(transaction: Transaction, column: str, prefix: str, limit: int, *conditions: str) -> list[str]:
    """See `distinct`. Reads all events that match."""
    search = _Search()
    where = " AND ".join([*_bounds(search, column, ">=", *_prefix_range(prefix)), *conditions])
    rows = transaction.rows(
        f"SELECT {column} FROM events WHERE {where} "  # noqa: S608 - constants
        f"GROUP BY {column} ORDER BY max(number) DESC LIMIT :limit",
        limit=limit,
        **search.parameters,
    )
    return [value for (value,) in rows]


def _few_values(transaction: Transaction, column: str, prefix: str, limit: int) -> list[str]:
    """See `distinct`. Jumps in the index from each value to the next, so it is quick when there are few."""
    search = _Search()
    where = " AND ".join(_bounds(search, column, ">=", *_prefix_range(prefix)))
    rows = transaction.rows(
        f"""
        WITH RECURSIVE found (value) AS (
            SELECT min({column}) FROM events WHERE {where}
            UNION ALL
            SELECT (SELECT min({column}) FROM events WHERE {column} > found.value AND {where})
            FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL
        ORDER BY (SELECT max(number) FROM events WHERE {column} = found.value) DESC LIMIT :limit
        """,  # noqa: S608 - constants
        limit=limit,
        **search.parameters,
    )
    return [value for (value,) in rows]
