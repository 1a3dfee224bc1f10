"""Prebuilt statements sent straight to the driver answer exactly as SQLAlchemy would."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, NoResultFound, SQLAlchemyError
from sqlalchemy.types import DateTime, Integer, Text, Uuid

from api.context import RequestContext
from api.execution import Engine
from persistence.database import Database
from persistence.tables.channels import channels
from persistence.tables.locations import locations
from realtime.operations import OperationRequest
from services.access import ANONYMOUS
from tests.factories import SCHEMA, make_channel, make_context, make_location, make_shop

_ID = UUID("01900000-0000-7000-8000-000000000001")
_TYPED = text(
    "SELECT :id AS id, :at AS at, :many AS many, :words AS words, :number + 1 AS number, NULL AS nothing"
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("at", type_=DateTime(timezone=True)),
    bindparam("many", type_=ARRAY(Uuid)),
    bindparam("words", type_=ARRAY(Text)),
    bindparam("number", type_=Integer),
)
_PARAMETERS = {
    "id": _ID,
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "many": [_ID],
    "words": ["a", None],
    "number": 41,
}
_LOCATION = select(locations.c.code, locations.c.address, locations.c.created_at).where(
    locations.c.code == bindparam("code")
)
_CHANNELS = select(channels.c.slug).where(channels.c.slug.in_(bindparam("slugs", expanding=True)))
_ZERO = text("SELECT 1 / :divisor").bindparams(bindparam("divisor", type_=Integer))
_SLEEP = text("SELECT pg_sleep(30)")
_NAP = text("SELECT pg_sleep(:seconds)").bindparams(bindparam("seconds", type_=Integer))
_PROCESS = text("SELECT pg_backend_pid()")
_KILL = text("SELECT pg_terminate_backend(pg_backend_pid())")
_CHANGE = text("UPDATE locations SET name = :name WHERE code = :code")
_NAME = text("SELECT name FROM locations WHERE code = :code")


async def test_rows_are_the_same_whichever_way_they_came(database: Database) -> None:
    location = await make_location(database)
    async with database.engine.connect() as usual, database.read() as direct:
        for statement, parameters in ((_TYPED, _PARAMETERS), (_LOCATION, {"code": location.code})):
            expected = (await usual.execute(statement, parameters)).one()
            for _ in range(3):  # the first time is SQLAlchemy's
                row = (await direct.execute(statement, parameters)).one()
                assert tuple(row) == tuple(expected)
                assert row._fields == tuple(expected._fields)
                assert [type(value) for value in row] == [type(value) for value in expected]


async def test_results_offer_what_the_product_uses(database: Database) -> None:
    numbers = text("SELECT n FROM generate_series(1, :last) AS n").bindparams(
        bindparam("last", type_=Integer)
    )
    async with database.read() as connection:
        for _ in range(2):
            assert [row.n for row in await connection.execute(numbers, {"last": 3})] == [1, 2, 3]
            assert list((await connection.execute(numbers, {"last": 2})).scalars()) == [1, 2]
            assert (await connection.execute(numbers, {"last": 0})).first() is None
            assert (await connection.execute(numbers, {"last": 1})).scalar_one() == 1
            assert await connection.scalar(numbers, {"last": 0}) is None
            with pytest.raises(NoResultFound):
                (await connection.execute(numbers, {"last": 0})).one()


async def test_statements_that_are_written_anew_for_each_call_still_work(database: Database) -> None:
    slugs = [(await make_channel(database)).slug for _ in range(3)]
    async with database.read() as connection:
        for some in (slugs, slugs[:1], []):
            found = (await connection.execute(_CHANNELS, {"slugs": some})).scalars()
            assert sorted(found) == sorted(some)


async def test_a_missing_parameter_is_an_error(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute(_ZERO, {"divisor": 1})
        for _ in range(2):
            with pytest.raises(SQLAlchemyError, match="value is required"):
                await connection.execute(_ZERO, {})


async def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    code = (await make_location(database)).code

    async def change(name: str, error: BaseException | None) -> None:
        async with database.transaction() as connection:
            await connection.execute(_CHANGE, {"name": name, "code": code})
            if error is not None:
                raise error

    for _ in range(3):
        await change("kept", None)
        with pytest.raises(ZeroDivisionError):
            await change("lost", ZeroDivisionError())
        async with database.read() as connection:
            assert await connection.scalar(_NAME, {"code": code}) == "kept"


async def test_a_refused_statement_rolls_back_and_leaves_the_connection_usable(database: Database) -> None:
    code = (await make_location(database)).code

    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(_CHANGE, {"name": "lost", "code": code})
            await connection.execute(_ZERO, {"divisor": 0})

    for _ in range(3):
        with pytest.raises(DBAPIError, match="division by zero"):
            await fail()
        async with database.read() as connection:
            assert await connection.scalar(_NAME, {"code": code}) != "lost"


async def test_a_cancelled_transaction_leaves_nothing_behind(database: Database) -> None:
    code = (await make_location(database)).code
    busy = asyncio.Event()

    async def sleep() -> None:
        async with database.transaction() as connection:
            await connection.execute(_CHANGE, {"name": "lost", "code": code})
            busy.set()
            await connection.execute(_SLEEP)

    for _ in range(3):
        task = asyncio.create_task(sleep())
        await busy.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The row's lock is free again, or this would wait for it.
        async with asyncio.timeout(5), database.transaction() as connection:
            await connection.execute(_CHANGE, {"name": "kept", "code": code})
        busy.clear()


async def test_a_lost_connection_is_said_so_and_replaced(database: Database) -> None:
    async def die() -> None:
        async with database.transaction() as connection:
            await connection.execute(_KILL)

    for _ in range(3):
        with pytest.raises(DBAPIError) as lost:
            await die()
        assert lost.value.connection_invalidated
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1


@pytest.fixture
async def one_connection(database_url: str) -> AsyncIterator[Database]:
    """A database whose pool has a single connection."""
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def _process_of(database: Database) -> int:
    """Return which process of the server is behind the connection."""
    async with database.read() as connection:
        return int(await connection.scalar(_PROCESS))


async def _give_up(statement: Any, database: Database, **parameters: Any) -> None:
    async def run() -> None:
        async with database.read() as connection:
            await connection.execute(statement, parameters)

    task = asyncio.create_task(run())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_read_that_is_given_up_costs_no_connection(one_connection: Database) -> None:
    for _ in range(2):  # the first time, SQLAlchemy sends it, and throws away what is cancelled
        async with one_connection.read() as connection:
            await connection.execute(_NAP, {"seconds": 0})
    before = await _process_of(one_connection)

    for _ in range(5):
        async with asyncio.timeout(5):
            await _give_up(_NAP, one_connection, seconds=30)
            assert await _process_of(one_connection) == before
            async with one_connection.read() as connection:
                rows = (await connection.execute(_TYPED, _PARAMETERS)).all()
            assert rows[0].number == 42, "no answer is another statement's"


async def test_a_transaction_that_is_given_up_costs_its_connection(one_connection: Database) -> None:
    before = await _process_of(one_connection)

    async def sleep() -> None:
        async with one_connection.transaction() as connection:
            await connection.execute(_SLEEP)

    task = asyncio.create_task(sleep())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await _process_of(one_connection) != before


async def test_a_field_that_fails_costs_its_neighbours_nothing(one_connection: Database) -> None:
    shop = await make_shop(one_connection, stock=1)
    query = """query($channel: String!) { wrong: products(channel: $channel, first: 0) { edges { cursor } }
        right: products(channel: $channel) { edges { node { name } } }
        also: productVariant(channel: $channel, variant: {sku: "x"}) { product { name } } }"""
    engine = Engine(SCHEMA)
    operation = engine.prepare(OperationRequest(query, None, {"channel": shop.channel.slug}), "test")
    before = await _process_of(one_connection)

    for _ in range(5):
        context = RequestContext.of(make_context(one_connection, ANONYMOUS))
        answer = await engine.execute(operation, context)
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}

    assert await _process_of(one_connection) == before
