"""Finds events: each search walks one index in the order of numbers and stops when it has enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, null, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from ...database import microseconds
from ...database.schema import event_keys, events, zones
from ..event import MAX_COUNT, EventFilter, StoredEvent
from .rows import READ, event_of, stored_text
from .zones import FIELDS, ZONE

Field = Literal["conference_id", "call_control_id", "queue", "type", "id"]

_MANY_TYPES = 64
_RECENT = (2_000, 50_000)

_number = events.c.number
_columns = [events.c[name] for name in READ]
_Condition = ColumnElement[bool]
_Seen = Select[Any, Any]
"""Values, and the number of the latest event with each."""


async def find(
    connection: AsyncConnection, wanted: EventFilter, limit: int, *, newest_first: bool
) -> list[StoredEvent]:
    """The first `limit` events that are wanted, in the order of their numbers."""
    walks = await _walks(connection, wanted)

    def first(statement: Select[Any], *order: ColumnElement[Any]) -> Select[Any]:
        return statement.order_by(*(column.desc() if newest_first else column.asc() for column in order)).limit(limit)

    numbers = [first(walk.numbers, *walk.order) for walk in walks]
    if len(numbers) == 1:
        statement = numbers[0].with_only_columns(*_columns)
    else:
        statement = first(select(*_columns).where(_number.in_(_together(numbers))), _number)
    return [event_of(row) for row in await connection.execute(statement)]


async def count(connection: AsyncConnection, wanted: EventFilter) -> int:
    """How many events are wanted, but at most `COUNT_AT_MOST`."""
    walks = await _walks(connection, wanted)
    some = [walk.numbers.order_by(*walk.order).limit(MAX_COUNT) for walk in walks]
    found = _together(some).limit(MAX_COUNT).subquery()
    return (await connection.execute(select(func.count()).select_from(found))).scalar_one()


def _together(walks: Sequence[Select[Any]]) -> CompoundSelect[Any]:
    return union_all(*(select(walk.subquery()) for walk in walks))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Numbers of events, found along one index without sorting when read in this order."""

    numbers: Select[Any]
    order: tuple[ColumnElement[Any], ...]


_noted = select(func.coalesce(func.max(zones.c.block) + 1, 0) * ZONE).scalar_subquery()
"""The first number of which the keys and the zone are not noted yet."""

_Bound = ColumnElement[int] | int


async def _walks(connection: AsyncConnection, wanted: EventFilter) -> list[_Walk]:
    """Walks of which no two meet the same event, and which together find what is wanted: through what is noted of the
    zones, by the keys that say most or by times, and one through the numbers that came after."""
    # Which types there are is asked before the search, and more may be noted in between: then this is where to part.
    asks_twice = any(name.endswith(".*") for name in wanted.types)
    noted: _Bound = (await connection.execute(select(_noted))).scalar_one() if asks_twice else _noted
    keys = await _keys(connection, wanted)
    timed = wanted.since is not None or wanted.until is not None
    numbers = select(_number).where(*_conditions(wanted, None), *_between(wanted, _number))
    if keys is not None:
        walks = _by_keys(connection, wanted, keys, noted, timed=timed)
    elif timed:
        walks = [_in_zones(connection, wanted, _number, numbers.where(_before(noted, _number)))]
    else:
        return [_Walk(numbers, (_number,))]
    return [*walks, _Walk(numbers.where(_number >= noted), (_number,))]


@dataclass(frozen=True, slots=True)
class _Keys:
    """A field, and the values in it that are wanted."""

    field: str
    values: Sequence[str]

    @property
    def are_few(self) -> bool:
        """Whether a value stands for so few events that each may be looked at."""
        return self.field in ("call_control_id", "conference_id")


async def _keys(connection: AsyncConnection, wanted: EventFilter) -> _Keys | None:
    """The keys to go by; None: the numbers alone."""
    for name in ("call_control_id", "conference_id", "queue"):
        value = getattr(wanted, name)
        if value is not None:
            return _Keys(name, [stored_text(value)])
    if not wanted.types:
        return None
    types = await _existing(connection, wanted.types)
    return _Keys("type", types) if len(types) <= _MANY_TYPES else None


def _by_keys(
    connection: AsyncConnection, wanted: EventFilter, keys: _Keys, noted: _Bound, *, timed: bool
) -> list[_Walk]:
    """The walks through what is noted, one for each key."""
    conditions = _conditions(wanted, keys.field)
    number = event_keys.c.number
    of_field = event_keys.c.field == FIELDS[keys.field]
    keyed = select(number).where(of_field, _before(noted, number), *_between(wanted, number))
    if conditions:
        by_key = _number == func.coalesce(number, null())  # so written, events cannot be where the search begins
        keyed = keyed.select_from(event_keys.join(events, by_key)).where(*conditions)
    each = [keyed.where(event_keys.c.value == value) for value in keys.values]
    if timed and not keys.are_few:
        return [_in_zones(connection, wanted, number, one) for one in each]
    return [_Walk(one, (number,)) for one in each]


def _before(noted: _Bound, number: ColumnElement[int]) -> _Condition:
    """So written, it is no reason to walk all numbers up to there."""
    return func.coalesce(number, null()) < noted


def _conditions(wanted: EventFilter, keyed: str | None) -> list[_Condition]:
    """What events must meet, but for their numbers and for what the keys of a field tell."""
    found = [
        events.c[name] == stored_text(value)
        for name in ("conference_id", "call_control_id", "queue")
        if name != keyed and (value := getattr(wanted, name)) is not None
    ]
    if wanted.types and keyed != "type":
        found.append(_is_any_type(events.c.type, wanted.types))
    if wanted.since is not None:
        found.append(events.c.occurred_at >= microseconds(wanted.since))
    if wanted.until is not None:
        found.append(events.c.occurred_at < microseconds(wanted.until))
    return found


def _between(wanted: EventFilter, number: ColumnElement[int]) -> list[_Condition]:
    found: list[_Condition] = []
    if wanted.after_number is not None:
        found.append(number > wanted.after_number)
    if wanted.before_number is not None:
        found.append(number < wanted.before_number)
    return found


async def _existing(connection: AsyncConnection, wanted: Iterable[str]) -> list[str]:
    """The types to look for among what is noted: those named, and those that exist under each prefix."""
    found: set[str] = set()
    for name in wanted:
        if name.endswith(".*"):
            found |= set((await connection.execute(_each("type", name[:-1]))).scalars())
        else:
            found.add(stored_text(name))
    return sorted(found)


def _in_zones(connection: AsyncConnection, wanted: EventFilter, number: ColumnElement[int], some: Select[Any]) -> _Walk:
    """Of some numbers, those in the zones in which an event of the wanted time may stand.

    PostgreSQL knows how many events are of the wanted time, and not that they stand together: it would rather read the
    whole table. So it is told to look into one zone after another; an offset keeps it from taking the two as one.
    """
    inside = some.where(number >= zones.c.block * ZONE, number < zones.c.block * ZONE + ZONE)
    if connection.dialect.name == "postgresql":
        each = inside.offset(0).lateral()
        walk = select(each.c.number).select_from(zones.join(each, true()))
        return _Walk(walk.where(*_zones_of(wanted)), (zones.c.block, each.c.number))
    return _Walk(inside.where(*_zones_of(wanted)), (zones.c.block, number))


def _zones_of(wanted: EventFilter) -> list[_Condition]:
    """What zones must meet."""
    block = zones.c.block
    conditions: list[_Condition] = []
    if wanted.since is not None:
        conditions.append(zones.c.latest >= microseconds(wanted.since))
    if wanted.until is not None:
        conditions.append(zones.c.earliest < microseconds(wanted.until))
    if wanted.after_number is not None:
        conditions.append(block >= wanted.after_number // ZONE)
    if wanted.before_number is not None:
        conditions.append(block <= wanted.before_number // ZONE)
    return conditions


def _is_any_type(column: ColumnElement[Any], types: Iterable[str]) -> _Condition:
    return or_(
        *(
            _starts_with(column, name[:-1]) if name.endswith(".*") else column == stored_text(name)
            for name in sorted(types)
        )
    )


def _starts_with(column: ColumnElement[Any], prefix: str) -> _Condition:
    low, high = _range(prefix)
    return (column >= low) if high is None else (column >= low) & (column < high)


def _range(prefix: str) -> tuple[str, str | None]:
    """From which text to before which others text starts with this prefix; None when nothing comes after."""
    prefix = stored_text(prefix)
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return prefix, None
    after = ord(stem[-1]) + 1
    return prefix, stem[:-1] + chr(0xE000 if after == 0xD800 else after)


async def distinct(connection: AsyncConnection, field: Field, prefix: str, limit: int) -> list[str]:
    """The values of a field that start with `prefix`, most recently seen first."""
    if field in ("type", "queue"):
        return await _first(connection, limit, _each(field, prefix), _later(field, prefix))
    found: list[str] = []
    for recent in _RECENT:
        found = await _first(connection, limit, _latest(field, prefix, _number > _newest - recent))
        if len(found) >= limit:
            return found
    if field == "id":
        return await _first(connection, limit, _latest(field, prefix))
    return await _first(connection, limit, _noted_of(field, prefix), _later(field, prefix))


_newest = select(func.max(_number)).scalar_subquery()


async def _first(connection: AsyncConnection, limit: int, *parts: _Seen) -> list[str]:
    """Values of which each part says at which number it saw them last, the latest first."""
    seen = union_all(*parts).subquery()
    found = select(seen.c.value).group_by(seen.c.value).order_by(func.max(seen.c.last).desc()).limit(limit)
    return list((await connection.execute(found)).scalars())


def _latest(field: Field, prefix: str, *of: _Condition) -> _Seen:
    """Values by their latest event, of some events or, by the index of ids, of all."""
    column = events.c[field]
    value: ColumnElement[Any] = func.coalesce(column, null()) if of else column
    last = func.max(_number).label("last")
    return (
        select(value.label("value"), last).where(value.is_not(None), _starts_with(value, prefix), *of).group_by(value)
    )


def _later(field: Field, prefix: str) -> _Seen:
    """Values by their latest event, of the events whose keys are not noted yet."""
    return _latest(field, prefix, _number >= _noted)


def _noted_of(field: Field, prefix: str) -> _Seen:
    """Values by their latest event, of all that is noted."""
    value = event_keys.c.value
    noted = select(value, func.max(event_keys.c.number).label("last"))
    return noted.where(event_keys.c.field == FIELDS[field], _starts_with(value, prefix)).group_by(value)


def _each(field: Field, prefix: str) -> _Seen:
    """The same for a field with few values: from one to the next, not from event to event."""
    value, number = event_keys.c.value, event_keys.c.number
    conditions = [event_keys.c.field == FIELDS[field], _starts_with(value, prefix)]
    walk = select(func.min(value).label("value")).where(*conditions).cte("walk", recursive=True)
    following = select(func.min(value)).where(value > walk.c.value, *conditions).correlate(walk).scalar_subquery()
    walk = walk.union_all(select(following).where(walk.c.value.is_not(None)))
    last = select(func.max(number)).where(conditions[0], value == walk.c.value).correlate(walk).scalar_subquery()
    return select(walk.c.value, last.label("last")).where(walk.c.value.is_not(None))
