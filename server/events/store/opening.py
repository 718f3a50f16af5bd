"""Opens the database behind a store. Loads SQLAlchemy, which takes half a second: import it only then."""

import anyio
import anyio.to_thread

from .dialect import Dialect
from .errors import StoreError
from .place import Place
from .reader import Reader
from .sqlite import SqliteDialect
from .versioning import bring_up_to_date

__all__ = ["Reader", "opened"]


async def opened(place: Place) -> Dialect:
    """The database at a place, ready: its tables are what the code expects. Raises `StoreError`."""
    await anyio.to_thread.run_sync(place.prepare)
    dialect = SqliteDialect(place.path)
    try:
        await dialect.start()
        await bring_up_to_date(dialect)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await dialect.close()
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            raise dialect.explain(getattr(error, "orig", None) or error) from error
        raise
    return dialect
