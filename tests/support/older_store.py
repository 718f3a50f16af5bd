"""Stores as an older version left them."""

from alembic.command import downgrade
from alembic.config import Config
from sqlalchemy import Connection

from telnyx_conferencing.server.database import open_database, schema


async def put_back(address: str, revision: str, *statements: str) -> None:
    """Give a store the tables of an older version, as it would have left them, and then do something to those."""
    config = Config()
    config.set_main_option("script_location", "telnyx_conferencing.server.database:migrations")
    async with open_database(address) as database, database.changing_schema() as connection:

        def downgraded(connection: Connection) -> None:
            config.attributes |= {"connection": connection, "version_table": schema.VERSION_TABLE}
            downgrade(config, revision)
            for statement in statements:
                connection.exec_driver_sql(statement)

        await connection.run_sync(downgraded)
