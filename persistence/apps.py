"""SQL of apps: who holds which token (by its hash) and what it allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.tables.access import apps

_COLUMNS = (apps.c.id, apps.c.name, apps.c.permissions, apps.c.created_at, apps.c.revoked_at, apps.c.owner)
_ALL = select(*_COLUMNS).order_by(apps.c.created_at, apps.c.id)

_OF_SAME_OWNER = text(
    "SELECT b.id FROM apps a JOIN apps b ON lower(b.owner) = lower(a.owner) WHERE a.id = :id"
).bindparams(bindparam("id", type_=Uuid()))


@dataclass(frozen=True, slots=True)
class AppRow:
    """One app as stored, without its token's hash."""

    id: UUID
    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None
    owner: str | None = None


async def create(
    connection: AsyncConnection,
    app_id: UUID,
    name: str,
    token_hash: bytes,
    permissions: Sequence[str],
    now: datetime,
    owner: str | None = None,
) -> None:
    """Insert an app; its token is known by its hash alone."""
    await connection.execute(
        insert(apps).values(
            id=app_id,
            name=name,
            token_hash=token_hash,
            permissions=list(permissions),
            created_at=now,
            owner=owner,
        )
    )


async def by_token_hash(connection: AsyncConnection, token_hash: bytes) -> AppRow | None:
    """Return the app whose token has this hash, unless it was revoked."""
    statement = select(*_COLUMNS).where(apps.c.token_hash == token_hash, apps.c.revoked_at.is_(None))
    row = (await connection.execute(statement)).first()
    return _app(row) if row else None


async def list_all(connection: AsyncConnection) -> list[AppRow]:
    """Return every app, revoked ones too, oldest first."""
    return [_app(row) for row in await connection.execute(_ALL)]


async def owners(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return whose apps are, of those that belong to somebody; revoked ones too."""
    statement = select(apps.c.id, apps.c.owner).where(apps.c.id.in_(ids), apps.c.owner.is_not(None))
    return {row.id: row.owner for row in await connection.execute(statement)}


async def of_same_owner(connection: AsyncConnection, app_id: UUID) -> list[UUID]:
    """Return all apps of the person that an app belongs to, revoked ones too; none of nobody's."""
    return list(await connection.scalars(_OF_SAME_OWNER, {"id": app_id}))


async def revoke(connection: AsyncConnection, app_id: UUID, now: datetime) -> bool:
    """Revoke an app's token for good; False when there is none to revoke."""
    statement = (
        update(apps)
        .where(apps.c.id == app_id, apps.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(apps.c.id)
    )
    return (await connection.execute(statement)).first() is not None


def _app(row: Row[*tuple[Any, ...]]) -> AppRow:
    return AppRow(row.id, row.name, tuple(row.permissions), row.created_at, row.revoked_at, row.owner)
