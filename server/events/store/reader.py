"""Reads the store. Loads SQLAlchemy: import it only once a store is being opened."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...database import Dialect, StoreError, moment_of
from ...database.schema import aside, events
from ..event import EventFilter, StoredEvent
from . import query
from .rows import READ, event_of, stored_text

_by_id = select(*(events.c[name] for name in READ))


@dataclass(frozen=True, slots=True)
class Aside:
    """A body that came signed and is not an event."""

    received_at: datetime
    reason: str
    size: int
    """Bytes that came."""
    body: bytes
    """The first of them."""


class EventReader:
    """Each call borrows a connection and sees what is committed. All raise `StoreError`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._dialect.reading() as connection:
                yield connection
        except DBAPIError as error:
            raise self._dialect.explain(error.orig or error) from error
        except SQLAlchemyError as error:
            raise StoreError(f"The store could not be read: {error}") from error

    async def get(self, event_id: str) -> StoredEvent | None:
        """The event with this id."""
        async with self._connection() as connection:
            row = (await connection.execute(_by_id.where(events.c.id == stored_text(event_id)))).first()
        return None if row is None else event_of(row)

    async def find(self, wanted: EventFilter, limit: int, *, newest_first: bool) -> list[StoredEvent]:
        """See `query.find`."""
        async with self._connection() as connection:
            return await query.find(connection, wanted, limit, newest_first=newest_first)

    async def count(self, wanted: EventFilter) -> int:
        """See `query.count`."""
        async with self._connection() as connection:
            return await query.count(connection, wanted)

    async def distinct(self, field: query.Field, prefix: str, limit: int) -> list[str]:
        """See `query.distinct`."""
        async with self._connection() as connection:
            return await query.distinct(connection, field, prefix, limit)

    async def latest_number(self) -> int:
        """The number of the newest event; 0 without any."""
        async with self._connection() as connection:
            return (await connection.execute(select(func.max(events.c.number)))).scalar() or 0

    async def beyond(self, most: int) -> int:
        """The number of the newest event but so many; 0: there are no more. Only if there may be are they counted."""
        number = events.c.number
        async with self._connection() as connection:
            given_out = (await connection.execute(select(func.max(number) - func.min(number) + 1))).scalar() or 0
            if given_out <= most:
                return 0
            beyond = select(number).order_by(number.desc()).offset(most).limit(1)
            return (await connection.execute(beyond)).scalar() or 0

    async def aside(self) -> list[Aside]:
        """What was set aside, newest first."""
        statement = select(aside.c.received_at, aside.c.reason, aside.c.size, aside.c.body)
        async with self._connection() as connection:
            rows = await connection.execute(statement.order_by(aside.c.number.desc()))
        return [Aside(moment_of(received), reason, size, body) for received, reason, size, body in rows]
