"""SQL of reports of returns: one statement, whatever it groups by.

What was shipped counts by when it was shipped, what was returned by when that was asked for. The formula of
each number is in docs/features/returns.md.
"""

from collections.abc import Mapping

from sqlalchemy import DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_reports import ReportRow, ReportSpan, ReturnGrouping
from domain.returns import ReturnReason

_SPANS = {ReturnGrouping.DAY: "day", ReturnGrouping.WEEK: "week", ReturnGrouping.MONTH: "month"}
_ALL = "'all'"
_SENT_LINES = """
          FROM shipments s
          JOIN shipment_lines sl ON sl.shipment_id = s.id
          JOIN orders o ON o.id = s.order_id
          {joins}
         WHERE s.shipped_at >= :since AND s.shipped_at < :until AND s.status <> 'CANCELED'
           AND (:channel_id IS NULL OR o.channel_id = :channel_id)
"""
_SENT = (
    'SELECT {key} AS key, max({label} COLLATE "C") AS label, sum(sl.quantity)::int AS units'
    f"{_SENT_LINES} GROUP BY 1"
)
# Summed up by variant first: so few rows are left to be named.
_SENT_PRODUCTS = f"""
    SELECT coalesce(p.id::text, ol.sku) AS key, max(coalesce(p.name, ol.name) COLLATE "C") AS label,
           sum(ol.units)::int AS units
      FROM (SELECT ol.variant_id, ol.sku, min(ol.name COLLATE "C") AS name, sum(sl.quantity) AS units
            {_SENT_LINES.format(joins="JOIN order_lines ol ON ol.id = sl.order_line_id")}
             GROUP BY ol.variant_id, ol.sku) ol
      LEFT JOIN variants v ON v.id = ol.variant_id LEFT JOIN products p ON p.id = v.product_id
     GROUP BY 1
"""
# The unit of a kept return counts as returned, one that was rejected does not: as `domain.returns.claimed`.
_STATEMENT = """
    WITH sent AS (
        {sent}
    ), came AS MATERIALIZED (
        SELECT {came_key} AS key, {label} AS label, r.id AS return_id, l.reason, o.currency,
               CASE WHEN r.status IN ('INSPECTED', 'CLOSED') AND NOT r.keeps_items THEN i.accepted
                    ELSE l.quantity END AS units,
               l.quantity_received AS received, i.restocked,
               CASE WHEN r.status = 'CLOSED' AND r.refund_minor > 0
                    THEN extract(epoch FROM r.closed_at - r.created_at) END AS seconds,
               CASE WHEN r.status = 'CLOSED' THEN l.refund_minor ELSE 0 END AS share_minor,
               CASE WHEN r.status = 'CLOSED' THEN r.refund_minor ELSE 0 END AS whole_minor
          FROM returns r
          JOIN return_lines l ON l.return_id = r.id
          JOIN orders o ON o.id = r.order_id
          {came_joins}
          CROSS JOIN LATERAL (
                SELECT coalesce(sum(quantity) FILTER (
                           WHERE disposition <> 'MISSING' AND grade <> 'NOT_OURS'), 0)::int AS accepted,
                       coalesce(sum(quantity) FILTER (WHERE disposition = 'RESTOCKED'), 0)::int AS restocked
                  FROM return_inspections WHERE return_line_id = l.id) i
         WHERE r.created_at >= :since AND r.created_at < :until
           AND r.status NOT IN ('DECLINED', 'CANCELED')
           AND (:channel_id IS NULL OR o.channel_id = :channel_id)
    ), units AS (
        SELECT key, max(label COLLATE "C") AS label, sum(units)::int AS units, sum(received)::int AS received,
               sum(restocked)::int AS restocked
          FROM came GROUP BY key
    ), per_return AS (
        SELECT key, return_id, currency, max(seconds) AS seconds, {refunded} AS refunded
          FROM came GROUP BY key, return_id, currency
    ), times AS (
        SELECT key, count(*)::int AS returns, avg(seconds)::float8 AS mean,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds::float8) AS p90
          FROM per_return GROUP BY key
    ), reasons AS (
        SELECT key, jsonb_object_agg(reason, units) AS reasons
          FROM (SELECT key, reason, sum(units)::int AS units FROM came GROUP BY key, reason) by_reason
         WHERE units > 0 GROUP BY key
    ), money AS (
        SELECT key, jsonb_object_agg(currency, refunded) AS refunded
          FROM (SELECT key, currency, sum(refunded)::bigint AS refunded
                  FROM per_return GROUP BY key, currency) by_currency
         WHERE refunded > 0 GROUP BY key
    ), report AS (
        SELECT coalesce(units.key, sent.key) AS key, coalesce(units.label, sent.label) AS label,
               {rank} AS rank, coalesce(sent.units, 0) AS shipped, coalesce(units.units, 0) AS returned,
               coalesce(units.received, 0) AS received, coalesce(units.restocked, 0) AS restocked
          FROM units {with_sent}
    )
    SELECT report.*, coalesce(times.returns, 0) AS returns, times.mean, times.p90, reasons.reasons,
           money.refunded
      FROM report LEFT JOIN times USING (key) LEFT JOIN reasons USING (key) LEFT JOIN money USING (key)
     WHERE :after_key IS NULL OR (report.rank, report.key) > (:after_rank, :after_key)
     ORDER BY report.rank, report.key LIMIT :limit
"""
_MOST_RETURNED_FIRST = "-coalesce(units.units, 0)"
_OF_PRODUCT = """
    JOIN order_lines ol ON ol.id = l.order_line_id
    LEFT JOIN variants v ON v.id = ol.variant_id LEFT JOIN products p ON p.id = v.product_id
"""


def _by(grouping: ReturnGrouping) -> TextClause:
    """Return the statement of one grouping."""
    used = {"came_joins": "", "refunded": "max(whole_minor)", "rank": _MOST_RETURNED_FIRST}
    used["with_sent"] = "FULL JOIN sent ON sent.key = units.key"
    if grouping in _SPANS:
        sent_key, used["came_key"] = (
            f"date_trunc('{_SPANS[grouping]}', {moment} AT TIME ZONE 'UTC')::date::text"
            for moment in ("s.shipped_at", "r.created_at")
        )
        used |= {"label": "NULL::text", "rank": "0"}
        used["sent"] = _SENT.format(key=sent_key, label="NULL::text", joins="")
    elif grouping is ReturnGrouping.CHANNEL:
        joins = "JOIN channels c ON c.id = o.channel_id"
        used |= {"came_key": "c.slug", "label": "c.name", "came_joins": joins}
        used["sent"] = _SENT.format(key="c.slug", label="c.name", joins=joins)
    elif grouping is ReturnGrouping.REASON:
        # Nothing is shipped for a reason: each is a share of all that was shipped.
        used |= {"came_key": "l.reason", "label": "NULL::text", "refunded": "sum(share_minor)"}
        used |= {
            "sent": _SENT.format(key=_ALL, label="NULL::text", joins=""),
            "with_sent": "LEFT JOIN sent ON true",
        }
    else:
        used |= {"came_key": "coalesce(p.id::text, ol.sku)", "label": "coalesce(p.name, ol.name)"}
        used |= {"came_joins": _OF_PRODUCT, "refunded": "sum(share_minor)", "sent": _SENT_PRODUCTS}
    return text(_STATEMENT.format(**used)).bindparams(
        bindparam("since", type_=DateTime(timezone=True)),
        bindparam("until", type_=DateTime(timezone=True)),
        bindparam("channel_id", type_=Uuid()),
        bindparam("after_key", type_=Text()),
    )


_STATEMENTS: Mapping[ReturnGrouping, TextClause] = {one: _by(one) for one in ReturnGrouping}


async def report(
    connection: AsyncConnection,
    grouping: ReturnGrouping,
    span: ReportSpan,
    limit: int,
    after: tuple[int, str] | None,
) -> list[ReportRow]:
    """Return up to `limit` rows of a report; `after` is the rank and the key of the row before the page."""
    after_rank, after_key = after or (0, None)
    values = {
        "since": span.since,
        "until": span.until,
        "channel_id": span.channel_id,
        "after_rank": after_rank,
        "after_key": after_key,
        "limit": limit,
    }
    return [
        ReportRow(
            row.rank,
            row.key,
            row.label or row.key,
            row.shipped,
            row.returned,
            row.received,
            row.restocked,
            row.returns,
            {ReturnReason(reason): units for reason, units in (row.reasons or {}).items()},
            row.mean,
            row.p90,
            row.refunded or {},
        )
        for row in await connection.execute(_STATEMENTS[grouping], values)
    ]
