"""Finds events: each search walks one index in the order of numbers and stops when it has enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, CompoundSelect, Select, false, func, null, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from ...database import microseconds
from ...database.schema import events, zones
from ..event import COUNT_AT_MOST, StoredEvent, Wanted
from .rows import READ, event_of, stored_text
from .upkeep import ZONE

Field = Literal["conference_id", "call_control_id", "queue", "type", "id"]

_MANY_TYPES = 64
_RECENT = (2_000, 50_000)

_number = events.c.number
_columns = [events.c[name] for name in READ]
_Condition = ColumnElement[bool]


async def find(connection: AsyncConnection, wanted: Wanted, limit: int, *, newest_first: bool) -> list[StoredEvent]:
    """The first `limit` events that are wanted, in the order of their numbers."""
    search = await _plan(connection, wanted)

    def first(statement: Select[Any], *order: ColumnElement[Any]) -> Select[Any]:
        return statement.order_by(*(column.desc() if newest_first else column.asc() for column in order)).limit(limit)

    walks = [first(walk.numbers, *walk.order) for walk in search.walks()]
    if len(walks) == 1:
        statement = walks[0].with_only_columns(*_columns)
    else:
        statement = first(select(*_columns).where(_number.in_(_together(walks))), _number)
    return [event_of(row) for row in await connection.execute(statement)]


async def count(connection: AsyncConnection, wanted: Wanted) -> int:
    """How many events are wanted, but at most `COUNT_AT_MOST`."""
    search = await _plan(connection, wanted)
    walks = [walk.numbers.order_by(*walk.order).limit(COUNT_AT_MOST) for walk in search.walks()]
    found = _together(walks).limit(COUNT_AT_MOST).subquery()
    return (await connection.execute(select(func.count()).select_from(found))).scalar_one()


def _together(walks: Sequence[Select[Any]]) -> CompoundSelect[Any]:
    return union_all(*(select(walk.subquery()) for walk in walks))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Numbers of events, found along one index without sorting when read in this order."""

    numbers: Select[Any]
    order: tuple[ColumnElement[Any], ...]

    def where(self, *conditions: _Condition) -> "_Walk":
        return _Walk(self.numbers.where(*conditions), self.order)


@dataclass(frozen=True, slots=True)
class _Search:
    """How a search goes: by which index, and what else must hold."""

    wanted: Wanted
    index: str | None
    """The column whose index leads; None for the order of numbers alone."""
    types: Sequence[str] | None = None
    """With the index of types: each type to walk."""
    lateral: bool = False
    """Whether the database has to be told to look into one zone after another, which it can."""

    def walks(self) -> list[_Walk]:
        """Walks of which no two meet the same event, and which together find what is wanted: one for each type, and,
        between two times, one through the zones that may hold it and one through the numbers after them."""
        by_type = [true()] if self.types is None else [events.c.type == name for name in self.types] or [false()]
        conditions = self._conditions()
        timed = self.wanted.since is not None or self.wanted.until is not None
        if not timed or self.index in ("call_control_id", "conference_id"):
            return [_all.where(one, *conditions) for one in by_type]
        in_zones = _in_each_zone if self.lateral else _in_zones
        return [
            walk
            for one in by_type
            for walk in (in_zones(self.wanted, [one, *conditions]), _all.where(_after_zones, one, *conditions))
        ]

    def _conditions(self) -> list[_Condition]:
        """Every condition but `types`. A column whose index must not be chosen is wrapped: a planner without statistics
        may take any of several indexes for the narrowest."""
        wanted = self.wanted
        found = [
            self._column(name) == stored_text(value)
            for name in ("conference_id", "call_control_id", "queue")
            if (value := getattr(wanted, name)) is not None
        ]
        if wanted.types and self.types is None:
            found.append(_is_any_type(self._column("type"), wanted.types))
        if wanted.since is not None:
            found.append(events.c.occurred_at >= microseconds(wanted.since))
        if wanted.until is not None:
            found.append(events.c.occurred_at < microseconds(wanted.until))
        if wanted.after_number is not None:
            found.append(_number > wanted.after_number)
        if wanted.before_number is not None:
            found.append(_number < wanted.before_number)
        return found

    def _column(self, name: str) -> ColumnElement[Any]:
        return events.c[name] if name == self.index else func.coalesce(events.c[name], null())


async def _plan(connection: AsyncConnection, wanted: Wanted) -> _Search:
    lateral = connection.dialect.name == "postgresql"
    for name in ("call_control_id", "conference_id", "queue"):
        if getattr(wanted, name) is not None:
            return _Search(wanted, name, lateral=lateral)
    if not wanted.types:
        return _Search(wanted, None, lateral=lateral)
    types = await _existing(connection, wanted.types)
    if len(types) <= _MANY_TYPES:
        return _Search(wanted, "type", types, lateral=lateral)
    return _Search(wanted, None, lateral=lateral)


async def _existing(connection: AsyncConnection, wanted: Iterable[str]) -> list[str]:
    """The types to look for: those named, and those that exist under each prefix."""
    found: set[str] = set()
    for name in wanted:
        if name.endswith(".*"):
            found |= set((await connection.execute(_each("type", name[:-1]))).scalars())
        else:
            found.add(stored_text(name))
    return sorted(found)


_all = _Walk(select(_number), (_number,))
_after_zones = _number >= select(func.coalesce(func.max(zones.c.block) + 1, 0) * ZONE).scalar_subquery()


def _in_zones(wanted: Wanted, conditions: Sequence[_Condition]) -> _Walk:
    """The numbers of the events that meet the conditions in the zones in which one of the wanted time may stand."""
    walk = select(_number).select_from(zones.join(events, _inside)).where(*_zones_of(wanted), *conditions)
    return _Walk(walk, (zones.c.block, _number))


def _in_each_zone(wanted: Wanted, conditions: Sequence[_Condition]) -> _Walk:
    """The same for a planner that would rather read the whole table: it knows how many events are of the wanted time,
    and not that they stand together. An offset keeps it from taking the two parts as one."""
    inside = select(_number).where(_inside, *conditions).offset(0).lateral()
    walk = select(inside.c.number).select_from(zones.join(inside, true())).where(*_zones_of(wanted))
    return _Walk(walk, (zones.c.block, inside.c.number))


_inside = (_number >= zones.c.block * ZONE) & (_number < zones.c.block * ZONE + ZONE)


def _zones_of(wanted: Wanted) -> list[_Condition]:
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
        return list((await connection.execute(_each(field, prefix).limit(limit))).scalars())
    found: list[str] = []
    for recent in (*_RECENT, None):
        found = list((await connection.execute(_latest(field, prefix, limit, recent))).scalars())
        if len(found) >= limit:
            break
    return found


def _latest(field: Field, prefix: str, limit: int, recent: int | None) -> Select[Any]:
    """Values by their latest event: of so many of the newest events, or of all, through the field's index."""
    column = events.c[field]
    value: ColumnElement[Any] = column if recent is None else func.coalesce(column, null())
    found = select(value).where(value.is_not(None), _starts_with(value, prefix))
    if recent is not None:
        found = found.where(_number > select(func.max(_number)).scalar_subquery() - recent)
    return found.group_by(value).order_by(func.max(_number).desc()).limit(limit)


def _each(field: Field, prefix: str) -> Select[Any]:
    """The values of a field with few of them, by their latest event: from one to the next by the index, not by row."""
    low, high = _range(prefix)
    value = events.c[field]
    in_range = [value >= low] if high is None else [value >= low, value < high]
    walk = select(func.min(value).label("value")).where(*in_range).cte("walk", recursive=True)
    following = select(func.min(value)).where(value > walk.c.value, *in_range).correlate(walk).scalar_subquery()
    walk = walk.union_all(select(following).where(walk.c.value.is_not(None)))
    last = select(func.max(_number)).where(value == walk.c.value).correlate(walk).scalar_subquery()
    return select(walk.c.value).where(walk.c.value.is_not(None)).order_by(last.desc())
