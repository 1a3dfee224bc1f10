"""Migrations on a real server, and the fixtures that every other test stands on."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database
from persistence.migrate import is_current, migrate
from persistence.tables import metadata
from tests.postgres import reset


async def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(database: Database) -> None:
    assert await is_current(database)
    await migrate(database)
    assert await is_current(database)


async def test_migrations_make_exactly_the_tables_the_code_declares(database: Database) -> None:
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(_differences)

    assert differences == []


async def test_a_reset_empties_tables_and_brings_back_what_migrations_put_there(
    database: Database, database_url: str
) -> None:
    async with database.transaction() as connection:
        epoch = await connection.scalar(text("SELECT epoch FROM feed_head"))
        await connection.execute(text("INSERT INTO feed_consumers VALUES ('webhooks', 7, now())"))
        await connection.execute(text("UPDATE feed_head SET sequence = 7"))
        await connection.execute(text("SELECT nextval('order_numbers')"))

    await reset(database_url)

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


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    found: list[object] = compare_metadata(context, metadata)
    return [one for one in found if not str(one).startswith("('remove_table', Table('alembic_version'")]
