"""SQL of the audit trail: who changed what, what it was and what it became. Only ever appended to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.tables.access import audit_entries

_INSERT = insert(audit_entries)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change; `before` is None for something new, `after` None for something gone."""

    actor: str
    action: str
    target_kind: str
    target_id: UUID
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    occurred_at: datetime


async def append(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Append an entry, in the transaction of the change it tells of."""
    await connection.execute(
        _INSERT,
        {
            "actor": entry.actor,
            "action": entry.action,
            "target_kind": entry.target_kind,
            "target_id": entry.target_id,
            "before": entry.before,
            "after": entry.after,
            "occurred_at": entry.occurred_at,
        },
    )
