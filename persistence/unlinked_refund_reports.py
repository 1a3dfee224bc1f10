"""SQL of the report of refunds without an order."""

from sqlalchemy import DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_reports import ReportSpan
from domain.unlinked_refund_reports import UnlinkedReportRow
from domain.unlinked_refunds import UnlinkedRefundMethod, UnlinkedRefundStatus

_REPORT = text(
    """
    SELECT r.channel_id, r.currency, r.status, r.method, p.provider, count(*) AS refunds,
           count(*) FILTER (WHERE r.decided_by = r.created_by) AS decided_alone,
           count(*) FILTER (WHERE l.is_linked) AS linked, sum(l.units)::bigint AS units,
           sum(l.units_accepted)::bigint AS units_accepted, sum(r.total_minor)::bigint AS total_minor,
           sum(r.paid_minor)::bigint AS paid_minor
      FROM unlinked_refunds r
      LEFT JOIN unlinked_refund_payments p ON p.unlinked_refund_id = r.id AND p.status <> 'FAILED'
     CROSS JOIN LATERAL (
           SELECT sum(n.quantity) AS units, sum(n.quantity_accepted) AS units_accepted,
                  bool_or(EXISTS (SELECT FROM unlinked_refund_links k WHERE k.line_id = n.id)) AS is_linked
             FROM unlinked_refund_lines n WHERE n.unlinked_refund_id = r.id) l
     WHERE r.created_at >= :since AND r.created_at < :until
       AND (:channel_id IS NULL OR r.channel_id = :channel_id)
     GROUP BY r.channel_id, r.currency, r.status, r.method, p.provider
     ORDER BY r.channel_id, r.status, r.method, p.provider
    """
).bindparams(
    bindparam("since", type_=DateTime(timezone=True)),
    bindparam("until", type_=DateTime(timezone=True)),
    bindparam("channel_id", type_=Uuid()),
)


async def report(connection: AsyncConnection, span: ReportSpan) -> list[UnlinkedReportRow]:
    """Return what the refunds that were asked for in a span amount to, in one statement."""
    values = {"since": span.since, "until": span.until, "channel_id": span.channel_id}
    return [
        UnlinkedReportRow(
            row.channel_id,
            row.currency,
            UnlinkedRefundStatus(row.status),
            UnlinkedRefundMethod(row.method) if row.method else None,
            row.provider,
            row.refunds,
            row.decided_alone,
            row.linked,
            row.units,
            row.units_accepted,
            row.total_minor,
            row.paid_minor,
        )
        for row in await connection.execute(_REPORT, values)
    ]
