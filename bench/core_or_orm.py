"""Why Core: read 1,000 orders with 3 lines each, and write one counter, by Core and by the ORM.

Runs against an embedded PostgreSQL of its own, in a temporary folder. Prints one JSON line with
medians of 15 runs, in milliseconds, both ways turn by turn.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import ForeignKey, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from persistence.database import Database
from persistence.embedded import EmbeddedServer

ORDERS, LINES, RUNS, WRITES = 1_000, 3, 15, 300


class Base(DeclarativeBase):
    """Mapped classes of this benchmark."""


class OrderRow(Base):
    """An order as the ORM sees it."""

    __tablename__ = "bench_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    status: Mapped[str]
    total_minor: Mapped[int]
    lines: Mapped[list["LineRow"]] = relationship(order_by="LineRow.id")


class LineRow(Base):
    """A line as the ORM sees it."""

    __tablename__ = "bench_order_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("bench_orders.id"), index=True)
    sku: Mapped[str]
    quantity: Mapped[int]


@dataclass(frozen=True, slots=True)
class Line:
    """A line as Core's reader makes it."""

    id: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order as Core's reader makes it."""

    id: int
    number: str
    status: str
    total_minor: int
    lines: list[Line]


ORDERS_TABLE, LINES_TABLE = OrderRow.__table__, LineRow.__table__
READ_ORDERS = select(ORDERS_TABLE).order_by(ORDERS_TABLE.c.id)
READ_LINES = select(LINES_TABLE).order_by(LINES_TABLE.c.id)
ADD_ONE = text("UPDATE bench_orders SET total_minor = total_minor + 1 WHERE id = :id RETURNING total_minor")


def main() -> None:
    """Start the database, measure, print."""
    with tempfile.TemporaryDirectory() as home, EmbeddedServer.acquire(Path(home)) as server:
        print(orjson.dumps(asyncio.run(measure(server.url))).decode())


async def measure(url: str) -> dict[str, object]:
    engine = Database(url).engine
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(OrderRow), [order_values(i) for i in range(ORDERS)])
        await connection.execute(insert(LineRow), [line_values(i) for i in range(ORDERS * LINES)])
    try:
        read = await compare(lambda: read_by_core(engine), lambda: read_by_orm(sessions))
        write = await compare(lambda: write_by_core(engine), lambda: write_by_orm(sessions))
    finally:
        await engine.dispose()
    result = {"bench": "core_or_orm", "orders": ORDERS, "lines_each": LINES, "writes": WRITES}
    return {**result, "read": read, "write": write}


def order_values(i: int) -> dict[str, object]:
    return {"id": i, "number": str(100_000 + i), "status": "OPEN", "total_minor": i}


def line_values(i: int) -> dict[str, object]:
    return {"id": i, "order_id": i // LINES, "sku": f"SKU-{i}", "quantity": 1}


async def compare(
    core: Callable[[], Awaitable[None]], orm: Callable[[], Awaitable[None]]
) -> dict[str, float]:
    times: dict[str, list[float]] = {"core_ms": [], "orm_ms": []}
    for _ in range(RUNS):
        for name, run in (("core_ms", core), ("orm_ms", orm)):
            start = time.perf_counter()
            await run()
            times[name].append((time.perf_counter() - start) * 1000)
    medians = {name: round(statistics.median(values), 1) for name, values in times.items()}
    return {**medians, "orm_to_core": round(medians["orm_ms"] / medians["core_ms"], 1)}


async def read_by_core(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        lines: dict[int, list[Line]] = {}
        for row in await connection.execute(READ_LINES):
            lines.setdefault(row.order_id, []).append(Line(row.id, row.sku, row.quantity))
        rows = await connection.execute(READ_ORDERS)
        found = [Order(row.id, row.number, row.status, row.total_minor, lines[row.id]) for row in rows]
    assert len(found) == ORDERS


async def read_by_orm(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        rows = await session.scalars(select(OrderRow).options(selectinload(OrderRow.lines)))
        assert len(rows.all()) == ORDERS


async def write_by_core(engine: AsyncEngine) -> None:
    for i in range(WRITES):
        async with engine.begin() as connection:
            await connection.execute(ADD_ONE, {"id": i})


async def write_by_orm(sessions: async_sessionmaker[AsyncSession]) -> None:
    for i in range(WRITES):
        async with sessions.begin() as session:
            order = await session.get_one(OrderRow, i, with_for_update=True)
            order.total_minor += 1


if __name__ == "__main__":
    main()
