"""SQL of the audit trail: who changed what, what it was and what it became. Only ever appended to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.json_text import json_text

_INSERT = text(
    """
    INSERT INTO audit_entries (actor, action, target_kind, target_id, before, after, occurred_at)
    SELECT actor, action, target_kind, target_id, before, after, occurred_at
      FROM ROWS FROM (jsonb_to_recordset(CAST(:entries AS jsonb)) AS
           (actor text, action text, target_kind text, target_id uuid, before jsonb, after jsonb,
            occurred_at timestamptz)) WITH ORDINALITY AS e
     ORDER BY ordinality
    """
)


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


async def append(connection: AsyncConnection, entries: Sequence[AuditEntry]) -> None:
    """Append entries in one statement, in the transaction of the changes they tell of."""
    if entries:
        await connection.execute(_INSERT, {"entries": json_text([asdict(entry) for entry in entries])})
