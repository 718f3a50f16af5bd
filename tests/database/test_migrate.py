"""The tables of a store: made at once where there are none, brought over from an older version where there are."""

from typing import Any

import pytest

from support.older_store import put_back
from telnyx_conferencing.server.database import Dialect, open_database
from telnyx_conferencing.server.database.schema import KNOWN, REVISION

pytestmark = pytest.mark.anyio

Facts = dict[str, list[tuple[Any, ...]]]

_SQLITE = {
    "columns": """
        SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk
        FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.name
    """,
    "kinds of tables": """
        SELECT t.name, t.wr, (SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master AS m WHERE m.name = t.name)
        FROM pragma_table_list AS t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name
    """,
    "indexes": """
        SELECT t.name, CASE i.origin WHEN 'c' THEN i.name END, i."unique", i.partial,
            (SELECT substr(sql, instr(sql, ' WHERE ')) FROM sqlite_master AS m WHERE m.name = i.name AND i.partial),
            (SELECT group_concat(name) FROM pragma_index_info(i.name)) AS columns
        FROM pragma_table_list AS t, pragma_index_list(t.name) AS i
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, columns, i.name
    """,
    "triggers": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "version": "SELECT version_num FROM event_store_version",
}
_POSTGRESQL = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name, character_maximum_length
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name
    """,
    "settings of tables": """
        SELECT relname, reloptions::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
    """,
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
    """,
    "triggers": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    "functions": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    "version": "SELECT version_num FROM event_store_version",
}


async def facts(database: Dialect) -> Facts:
    """All that tells one store's tables from another's, but for the order of columns."""
    queries = _POSTGRESQL if database.engine.dialect.name == "postgresql" else _SQLITE
    return {
        what: await database.look(lambda session, query=query: session.rows(query)) for what, query in queries.items()
    }


async def test_the_migrations_lead_to_the_tables_that_a_new_store_is_made_with(address: str) -> None:
    async with open_database(address) as database:
        made = await facts(database)
    await put_back(address, "base")
    async with open_database(address) as database:
        migrated = await facts(database)
    for what, found in made.items():
        assert migrated[what] == found, what
        assert found
    assert made["version"] == [(REVISION,)]
    assert KNOWN[-1] == REVISION


@pytest.mark.parametrize("revision", ["base", *KNOWN[:-1]])
async def test_a_store_of_any_older_version_is_brought_over(address: str, revision: str) -> None:
    async with open_database(address) as database:
        made = await facts(database)
    await put_back(address, revision)
    async with open_database(address) as database:
        assert await facts(database) == made
