"""The counter that other tests rely on counts everything."""

from sqlalchemy import text

from persistence.database import Database
from tests.statements import count_statements


async def test_counts_begin_commit_and_each_statement(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("SELECT :n"), {"n": "warm"})
    with count_statements(database) as statements:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT :n"), {"n": "1"})
            await connection.execute(text("SELECT :n"), {"n": "2"})
    assert [sent.split()[0].rstrip(";") for sent in statements] == ["BEGIN", "SELECT", "SELECT", "COMMIT"]


async def test_a_read_has_no_transaction(database: Database) -> None:
    with count_statements(database) as statements:
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
    assert list(statements) == ["SELECT 1"]


async def test_many_rows_count_once_a_row(database: Database) -> None:
    with count_statements(database) as statements:
        async with database.transaction() as connection:
            await connection.execute(
                text("INSERT INTO feed_consumers (name, sequence, updated_at) VALUES (:name, 0, now())"),
                [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            )
    assert [sent.split()[0].rstrip(";") for sent in statements] == ["BEGIN", *["INSERT"] * 3, "COMMIT"]
