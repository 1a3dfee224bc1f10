"""Logs tell what went wrong in the database, and nothing of whom it went wrong for."""

import asyncio
import gc
import logging
import traceback
from collections.abc import Iterator
from io import StringIO
from typing import Any

import orjson
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.logs import configure_logs
from persistence.database import Database
from tests.factories import make_channel

EMAIL = "ada@example.org"
STREET = "12 St James's Square\nHINT:  second line"
INSERT = text(
    """
    INSERT INTO carts (id, channel_id, status, currency, email, shipping_address, created_at, active_at)
    VALUES (gen_random_uuid(), CAST(:channel AS uuid), 'no such status', 'USD', CAST(:email AS text),
            jsonb_build_object('line1', CAST(:street AS text)), now(), now())
    """
)


@pytest.fixture
def logs() -> Iterator[StringIO]:
    """Log as the server does, into memory, until the test ends."""
    root = logging.getLogger()
    before = structlog.get_config(), list(root.handlers), root.level
    configure_logs("info")
    written = StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    structlog.configure(**before[0])
    root.handlers, root.level = before[1], before[2]


def logged(logs: StringIO) -> dict[str, Any]:
    """Return the one line written, which must have nothing of a person in it."""
    (line,) = logs.getvalue().splitlines()
    logs.truncate(0)
    logs.seek(0)
    assert EMAIL not in line
    assert "James" not in line
    assert "second line" not in line
    return dict(orjson.loads(line))


async def fail(database: Database, statement: Any, **values: Any) -> None:
    """Run a statement that the database refuses."""
    async with database.read() as connection:
        await connection.execute(statement, values)


@pytest.mark.parametrize("way", ["through SQLAlchemy", "straight to the driver"])
async def test_a_row_that_is_refused_is_not_logged(database: Database, logs: StringIO, way: str) -> None:
    channel = await make_channel(database)
    values = {"channel": str(channel.id), "email": EMAIL, "street": STREET}
    statement = text(INSERT.text)  # a new one: the first time is SQLAlchemy's, the next the driver's
    if way == "straight to the driver":
        with pytest.raises(DBAPIError):
            await fail(database, statement, **values)

    with pytest.raises(DBAPIError) as caught:
        await fail(database, statement, **values)
    error = caught.value
    structlog.get_logger("test").error("unexpected_error", said=str(error), exc_info=error)

    assert EMAIL in "".join(traceback.format_exception(error)), "there is something to keep out"
    line = logged(logs)
    assert "CheckViolationError" in line["exception"]
    assert "INSERT INTO carts" in line["exception"]
    assert "tests/integration/test_logs.py" in line["exception"], "where it happened"
    assert "violates check constraint" in line["said"]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (text("SELECT CAST(CAST(:email AS text) AS uuid)"), {"email": EMAIL}),
        (text("SELECT CAST(:email AS int)"), {"email": EMAIL}),
        (text("SELECT CAST(:email AS uuid)"), {"email": EMAIL}),
    ],
)
async def test_a_value_that_cannot_be_read_is_not_logged(
    database: Database, logs: StringIO, statement: Any, values: dict[str, Any]
) -> None:
    for _ in range(2):
        with pytest.raises(DBAPIError) as caught:
            await fail(database, statement, **values)
        structlog.get_logger("test").error("unexpected_error", exc_info=caught.value)

        assert "Error: " in logged(logs)["exception"]


async def test_what_a_library_logs_is_no_exception(database: Database, logs: StringIO) -> None:
    channel = await make_channel(database)
    task = asyncio.create_task(fail(database, INSERT, channel=str(channel.id), email=EMAIL, street=STREET))
    await asyncio.wait([task])
    del task
    gc.collect()

    assert "never retrieved" in logged(logs)["event"]
