"""SQL of reports of returns: one statement, composed of what it groups by and what narrows it.

What was shipped counts by when it was shipped, what was returned by when that was asked for. The formula of
each number is in docs/features/returns.md.

The numbers of a group are never joined to each other by its key, but put one below the other and summed up
once: a plan made for few rows (or before there are statistics) does not turn quadratic with many. Articles
are known by their SKU, which is on every line of a parcel and of a return and never changes.
"""

from functools import lru_cache

from sqlalchemy import DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_reports import ReportRow, ReportSpan, ReturnGrouping
from domain.returns import ReturnReason

_SPANS = {ReturnGrouping.DAY: "day", ReturnGrouping.WEEK: "week", ReturnGrouping.MONTH: "month"}
# Summed up first, so that few rows are left to be looked up by what they are of.
_SENT = """
    SELECT {key} AS key, {id} AS id, sent.units
      FROM (SELECT {by} AS one, sum(sl.quantity) AS units
              FROM shipments s JOIN shipment_lines sl ON sl.shipment_id = s.id {orders}
             WHERE s.shipped_at >= :since AND s.shipped_at < :until AND s.status <> 'CANCELED' {narrowed}
             GROUP BY 1) sent {joins}
"""
# The unit of a kept return counts as returned, one that was rejected does not: as `domain.returns.claimed`.
_CAME = """
    SELECT {key} AS key, {id} AS id, r.id AS return_id, l.reason, o.currency,
           CASE WHEN r.status IN ('INSPECTED', 'CLOSED') AND NOT r.keeps_items THEN i.accepted
                ELSE l.quantity END AS units,
           l.quantity_received AS received, i.restocked,
           CASE WHEN r.status = 'CLOSED' AND r.refund_minor > 0
                THEN extract(epoch FROM r.closed_at - r.created_at)::float8 END AS seconds,
           CASE WHEN r.status = 'CLOSED' THEN {refund} ELSE 0 END AS refunded
      FROM returns r
      JOIN return_lines l ON l.return_id = r.id
      JOIN orders o ON o.id = r.order_id {joins}
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(quantity) FILTER (
                      WHERE disposition <> 'MISSING' AND grade <> 'NOT_OURS'), 0)::int AS accepted,
                  coalesce(sum(quantity) FILTER (WHERE disposition = 'RESTOCKED'), 0)::int AS restocked
             FROM return_inspections WHERE return_line_id = l.id) i
     WHERE r.created_at >= :since AND r.created_at < :until
       AND r.status NOT IN ('DECLINED', 'CANCELED') {narrowed}
"""
_STATEMENT = """
    WITH sent AS ({sent}), came AS MATERIALIZED ({came}), per_return AS MATERIALIZED (
        SELECT key, id, max(currency) AS currency, sum(units) AS units, sum(received) AS received,
               sum(restocked) AS restocked, max(seconds) AS seconds, {refunded} AS refunded
          FROM came GROUP BY key, id, return_id
    ), counted (key, id, shipped, units, received, restocked, returns, seconds, reason, currency, part) AS (
        SELECT key, id, units, 0, 0, 0, 0, NULL::float8, NULL, NULL, NULL::bigint FROM sent {of_all}
         UNION ALL
        SELECT key, id, 0, units, received, restocked, 1, seconds, NULL, NULL, NULL FROM per_return
         UNION ALL
        SELECT key, id, 0, 0, 0, 0, 0, NULL, reason, NULL, sum(units) FROM came GROUP BY key, id, reason
         UNION ALL
        SELECT key, id, 0, 0, 0, 0, 0, NULL, NULL, currency, sum(refunded)
          FROM per_return GROUP BY key, id, currency
    ), report AS (
        SELECT key COLLATE "C" AS key, id, {rank} AS rank, {shipped} AS shipped,
               sum(units)::int AS returned, sum(received)::int AS received, sum(restocked)::int AS restocked,
               sum(returns)::int AS returns, avg(seconds) AS mean,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
               jsonb_object_agg(reason, part) FILTER (WHERE reason IS NOT NULL AND part > 0) AS reasons,
               jsonb_object_agg(currency, part) FILTER (WHERE currency IS NOT NULL AND part > 0) AS refunded
          FROM counted GROUP BY key COLLATE "C", id
    ), page AS (
        SELECT * FROM report WHERE :after_key IS NULL OR (rank, key) > (:after_rank, :after_key)
         ORDER BY rank, key LIMIT :limit
    )
    SELECT page.*, {label} AS label FROM page {label_joins} ORDER BY rank, key
"""
_SUM_SHIPPED = "sum(shipped)::int"
_ALL_SHIPPED = "(SELECT coalesce(sum(units), 0)::int FROM sent)"
_MOST_RETURNED_FIRST = "-sum(units)::int"
_ORDERS = "JOIN orders o ON o.id = s.order_id"
# Of what is in no catalogue there is only the name that it was sold under.
_NAME = """
    coalesce(p.name, (SELECT ol.name FROM order_lines ol WHERE ol.sku = page.key AND ol.variant_id IS NULL
                       ORDER BY ol.id DESC LIMIT 1))
"""


@lru_cache(maxsize=64)
def _by(grouping: ReturnGrouping, *, by_channel: bool) -> TextClause:
    """Return the statement of one grouping; `by_channel`: of one channel's orders alone."""
    sent, came = (
        {
            "id": "NULL::uuid",
            "joins": "",
            "narrowed": f"AND {of}.channel_id = :channel_id" if by_channel else "",
        }
        for of in ("o", "r")
    )
    sent["orders"] = _ORDERS if by_channel or grouping is ReturnGrouping.CHANNEL else ""
    came["refund"] = "r.refund_minor"
    used = {"refunded": "max(refunded)", "rank": _MOST_RETURNED_FIRST, "shipped": _SUM_SHIPPED}
    used |= {"of_all": "", "label": "NULL", "label_joins": ""}
    if grouping in _SPANS:
        sent["by"], came_span = (
            f"date_trunc('{_SPANS[grouping]}', {moment} AT TIME ZONE 'UTC')"
            for moment in ("s.shipped_at", "r.created_at")
        )
        sent["key"], came["key"] = (f"{span}::date::text" for span in ("sent.one", came_span))
        used["rank"] = "0"
    elif grouping is ReturnGrouping.CHANNEL:
        sent |= {"by": "o.channel_id", "joins": "JOIN channels c ON c.id = sent.one"}
        came["joins"] = "JOIN channels c ON c.id = r.channel_id"
        sent["key"] = came["key"] = "c.slug"
        sent["id"] = came["id"] = "c.id"
        used |= {"label": "c.name", "label_joins": "JOIN channels c ON c.id = page.id"}
    elif grouping is ReturnGrouping.REASON:
        # Nothing is shipped for a reason: each is a share of all that was shipped.
        sent |= {"by": "NULL::text", "key": "sent.one"}
        came |= {"key": "l.reason", "refund": "l.refund_minor"}
        used |= {"refunded": "sum(refunded)", "shipped": _ALL_SHIPPED, "of_all": "WHERE false"}
    else:
        sent |= {"by": "sl.sku", "joins": "LEFT JOIN variants v ON v.sku = sent.one"}
        came |= {"joins": "LEFT JOIN variants v ON v.sku = l.sku", "refund": "l.refund_minor"}
        sent["key"], came["key"] = (f"coalesce(v.product_id::text, {sku})" for sku in ("sent.one", "l.sku"))
        sent["id"] = came["id"] = "v.product_id"
        used |= {"label": _NAME, "label_joins": "LEFT JOIN products p ON p.id = page.id"}
        used["refunded"] = "sum(refunded)"
    statement = _STATEMENT.format(sent=_SENT.format(**sent), came=_CAME.format(**came), **used)
    return text(statement).bindparams(
        bindparam("since", type_=DateTime(timezone=True)),
        bindparam("until", type_=DateTime(timezone=True)),
        *((bindparam("channel_id", type_=Uuid()),) if by_channel else ()),
        bindparam("after_key", type_=Text()),
    )


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
        "after_rank": after_rank,
        "after_key": after_key,
        "limit": limit,
    }
    if span.channel_id is not None:
        values["channel_id"] = span.channel_id
    statement = _by(grouping, by_channel=span.channel_id is not None)
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
        for row in await connection.execute(statement, values)
    ]
