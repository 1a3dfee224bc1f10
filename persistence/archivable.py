"""SQL that tables share whose rows are created, changed under a lock, and archived instead of deleted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, bindparam, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


class ArchivableRows(Generic[T]):
    """The statements of one table, made once; `of` makes a dataclass of a row, `values` a row of it."""

    def __init__(
        self,
        table: Table,
        of: Callable[[Row[*tuple[Any, ...]]], T],
        values: Callable[[T], dict[str, Any]],
        order: Sequence[str],
    ) -> None:
        """Take the table; rows of a channel, where it has that column, are listed by `order`."""
        self._of, self._values = of, values
        self._of_channel = "channel_id" in table.c
        of_channel: ColumnElement[bool] = (
            table.c.channel_id == bindparam("channel_id") if self._of_channel else true()
        )
        used = table.c.archived_at.is_(None)
        self._list = select(table).where(of_channel, used).order_by(*(table.c[name] for name in order))
        self._count = select(func.count()).select_from(table).where(of_channel, used)
        self._lock = (
            select(table).where(table.c.id == bindparam("row_id"), used).with_for_update(key_share=True)
        )
        self._insert = insert(table).on_conflict_do_nothing().returning(table.c.id)
        self._update = update(table).where(table.c.id == bindparam("row_id"))

    async def create(
        self, connection: AsyncConnection, one: T, now: datetime, channel_id: UUID | None = None
    ) -> bool:
        """Insert a row, of a channel where the table's rows are of one; False where one like it is in use."""
        values = {**self._values(one), "created_at": now}
        return (await connection.execute(self._insert, values | self._in(channel_id))).first() is not None

    async def save(self, connection: AsyncConnection, one: T) -> None:
        """Write every field of what was locked before."""
        values = self._values(one)
        await connection.execute(self._update.values(values), {"row_id": values.pop("id")})

    async def archive(self, connection: AsyncConnection, row_id: UUID, version: int, now: datetime) -> None:
        """Take what was locked before out of use."""
        await connection.execute(
            self._update.values({"archived_at": now, "version": version}), {"row_id": row_id}
        )

    async def lock(self, connection: AsyncConnection, row_id: UUID) -> tuple[T, UUID | None] | None:
        """Lock what is in use; returns it and its channel's id."""
        row = (await connection.execute(self._lock, {"row_id": row_id})).first()
        return None if row is None else (self._of(row), row.channel_id if self._of_channel else None)

    async def in_use(self, connection: AsyncConnection, channel_id: UUID | None = None) -> list[T]:
        """Return what is in use, in order; of a channel where the table's rows are of one."""
        return [self._of(row) for row in await connection.execute(self._list, self._in(channel_id))]

    async def count(self, connection: AsyncConnection, channel_id: UUID | None = None) -> int:
        """Return how many are in use."""
        return int(await connection.scalar(self._count, self._in(channel_id)) or 0)

    def _in(self, channel_id: UUID | None) -> dict[str, UUID | None]:
        return {"channel_id": channel_id} if self._of_channel else {}
