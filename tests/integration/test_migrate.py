"""Migrations on a real server, and the fixtures that every other test stands on."""

import asyncio

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bootstrap import opened_database
from app.config import Settings, load_settings
from persistence.database import Database
from persistence.migrate import _LOCK, is_current, migrate, newest_revision
from persistence.revisions import alembic_config
from persistence.tables import metadata
from tests.outages import Relay
from tests.postgres import Emptier
from tests.server import SECRET_KEY

_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_WAITING = f"SELECT count(*) {_OTHERS} AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
_LOCKS = """
    SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND d.datname = current_database()"""
_CONNECTIONS = f"SELECT count(*) {_OTHERS} AND backend_type = 'client backend'"


async def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(
    database: Database, database_url: str
) -> None:
    assert await is_current(database)
    await migrate(database_url)
    assert await is_current(database)


def test_the_newest_revision_is_the_one_that_alembic_would_upgrade_to() -> None:
    assert newest_revision() == ScriptDirectory.from_config(alembic_config()).get_current_head()


async def test_a_start_migrates_past_the_pooler_with_one_connection_that_waits_for_its_turn(
    fresh_database_url: str,
) -> None:
    other = await asyncpg.connect(fresh_database_url, server_settings={"application_name": "another start"})
    await other.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await other.execute("SELECT pg_advisory_lock($1)", _LOCK)
    async with Relay(fresh_database_url) as pooler:
        pooler.cut()  # whoever goes this way while migrating fails
        settings = load_settings(
            database_url=pooler.url, database_direct_url=fresh_database_url, secret_key=SECRET_KEY
        )
        starting = asyncio.create_task(_start(settings))
        async with asyncio.timeout(20):
            while True:
                if await other.fetchval(_WAITING):
                    break
                await asyncio.sleep(0.02)
        connections = await other.fetchval(_CONNECTIONS)
        assert await other.fetchval("SELECT to_regclass('alembic_version')") is None
        await pooler.heal()
        await other.execute("SELECT pg_advisory_unlock($1)", _LOCK)
        await starting

    assert connections == 1
    assert await other.fetchval("SELECT version_num FROM alembic_version") == newest_revision()
    assert await other.fetchval(_LOCKS) == 0
    await other.close()


async def test_migrations_make_exactly_the_tables_the_code_declares(database: Database) -> None:
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(_differences)

    assert differences == []


async def test_migrations_make_exactly_the_checks_the_code_declares(connection: AsyncConnection) -> None:
    # Alembic compares no CHECK: the declared ones are made in a schema of their own beside the migrated.
    await connection.execute(text("CREATE SCHEMA declared"))
    declaring = await connection.execution_options(schema_translate_map={None: "declared"})
    await declaring.run_sync(metadata.create_all)

    migrated, declared = await checks(connection, "public"), await checks(connection, "declared")

    assert migrated == declared
    assert ("orders", "ck_orders_total") in declared


async def test_a_reset_empties_tables_and_brings_back_what_migrations_put_there(
    database: Database, emptier: Emptier
) -> None:
    async with database.transaction() as connection:
        epoch = await connection.scalar(text("SELECT epoch FROM feed_head"))
        await connection.execute(text("INSERT INTO feed_consumers VALUES ('webhooks', 7, now())"))
        await connection.execute(text("UPDATE feed_head SET sequence = 7"))
        await connection.execute(text("SELECT nextval('order_numbers')"))

    await emptier.empty()

    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM feed_consumers")) == 0
        assert (await connection.execute(text("SELECT epoch, sequence FROM feed_head"))).all() == [(epoch, 0)]
        assert await connection.scalar(text("SELECT nextval('order_numbers')")) == 100001


async def test_a_rolled_back_connection_leaves_nothing(
    connection: AsyncConnection, database: Database
) -> None:
    await connection.execute(text("INSERT INTO feed_consumers VALUES ('webhooks', 7, now())"))

    async with database.read() as other:
        assert await other.scalar(text("SELECT count(*) FROM feed_consumers")) == 0


async def _start(settings: Settings) -> None:
    async with opened_database(settings):
        pass


async def checks(connection: AsyncConnection, schema: str) -> dict[tuple[str, str], str]:
    """Return the definition of each CHECK of a schema, by table and name."""
    rows = await connection.execute(
        text(
            "SELECT t.relname, c.conname, pg_get_constraintdef(c.oid) AS rule"
            "  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
            " WHERE c.contype = 'c' AND t.relnamespace = CAST(:schema AS regnamespace)"
        ),
        {"schema": schema},
    )
    return {(row.relname, row.conname): row.rule for row in rows}


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    found: list[object] = compare_metadata(context, metadata)
    return [one for one in found if not str(one).startswith("('remove_table', Table('alembic_version'")]
