"""SQL of returns that need a person, and of those whose customers are to be reminded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_parcels import LATE_AFTER, REMIND_DAYS, ReturnWork
from domain.returns import Return
from domain.tracking import SILENT_AFTER
from persistence import returns

_MOMENT = DateTime(timezone=True)
# One that expired, or was given up, and came all the same waits for a person too.
_CONDITIONS: Mapping[ReturnWork, str] = {
    ReturnWork.TO_RECEIVE: """
        r.status IN ('APPROVED', 'IN_TRANSIT', 'CANCELED') AND r.received_at IS NULL
        AND EXISTS (SELECT FROM return_parcels p WHERE p.return_id = r.id AND p.status = 'DELIVERED')
    """,
    ReturnWork.IN_TROUBLE: """
        r.status IN ('APPROVED', 'IN_TRANSIT')
        AND EXISTS (SELECT FROM return_parcels p
                     WHERE p.return_id = r.id
                       AND (p.status IN ('EXCEPTION', 'FAILED_ATTEMPT', 'RETURN_TO_SENDER')
                            OR (p.status IN ('IN_TRANSIT', 'OUT_FOR_DELIVERY', 'AVAILABLE_FOR_PICKUP')
                                AND p.told_at < :silent_since)))
    """,
    ReturnWork.LABEL_FAILED: """
        r.status = 'APPROVED'
        AND EXISTS (SELECT FROM return_parcels p
                     WHERE p.return_id = r.id AND p.source = 'LABEL'
                       AND (p.label_state = 'FAILED'
                            OR (p.label_state = 'REQUESTED'
                                AND p.created_at <= :late_since)))
    """,
}


def _page(condition: str) -> TextClause:
    return text(
        f"""
        SELECT r.id FROM returns r
         WHERE {condition} AND (:after_id IS NULL OR (r.created_at, r.id) > (:after_at, :after_id))
         ORDER BY r.created_at, r.id LIMIT :limit
        """
    ).bindparams(
        bindparam("after_id", type_=Uuid()),
        *(bindparam(name, type_=_MOMENT) for name in ("after_at", "silent_since", "late_since")),
    )


_PAGES = {
    work: _page(f"{condition} AND :silent_since IS NOT NULL AND :late_since IS NOT NULL")
    for work, condition in _CONDITIONS.items()
}
# Not of what was approved less than that before its deadline: that was told just now. Nor of what still waits
# for its label: that is ours to see to.
_TO_REMIND = text(
    f"""
    SELECT r.id
      FROM returns r
      JOIN orders o ON o.id = r.order_id
      CROSS JOIN LATERAL (
            SELECT make_interval(days => coalesce(
                   (SELECT s.remind_days FROM return_shipping s
                     WHERE s.channel_id IS NULL OR s.channel_id = o.channel_id
                     ORDER BY s.channel_id NULLS LAST LIMIT 1), {REMIND_DAYS})) AS before) d
     WHERE r.status = 'APPROVED' AND NOT r.keeps_items AND r.reminded_at IS NULL AND r.expires_at > :now
       AND r.expires_at <= :now + d.before AND r.decided_at < r.expires_at - d.before
       AND NOT EXISTS (SELECT FROM return_parcels p
                        WHERE p.return_id = r.id AND p.source = 'LABEL'
                          AND p.label_state IN ('REQUESTED', 'FAILED'))
       AND (r.put_off_until IS NULL OR r.put_off_until <= :now)
     ORDER BY r.expires_at, r.id LIMIT :most
    """
).bindparams(bindparam("now", type_=_MOMENT))
_REMINDED = text(
    "UPDATE returns SET reminded_at = :now WHERE id = :id AND reminded_at IS NULL RETURNING id"
).bindparams(bindparam("now", type_=_MOMENT))


async def page(
    connection: AsyncConnection,
    work: ReturnWork,
    limit: int,
    after: tuple[datetime, UUID] | None,
    now: datetime,
) -> list[Return]:
    """Return returns that need a person for one reason, those that were asked for first on top."""
    after_at, after_id = after or (None, None)
    values = {
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
        "silent_since": now - SILENT_AFTER,
        "late_since": now - LATE_AFTER,
    }
    ids: Sequence[UUID] = list(await connection.scalars(_PAGES[work], values))
    found = await returns.by_ids(connection, ids) if ids else {}
    return [found[one] for one in ids]


async def to_remind(connection: AsyncConnection, now: datetime, most: int) -> list[UUID]:
    """Return approved returns that end soon, whose customers were not reminded."""
    return list(await connection.scalars(_TO_REMIND, {"now": now, "most": most}))


async def reminded(connection: AsyncConnection, return_id: UUID, now: datetime) -> bool:
    """Write that the customer of a return whose order is locked was reminded; False: they were before."""
    return (await connection.execute(_REMINDED, {"id": return_id, "now": now})).first() is not None
