"""SQL of reports of returns: one statement, composed of what it groups by and what narrows it.

What was shipped counts by when it was shipped, what was returned by when that was asked for. The formula of
each number is in docs/features/returns.md.

The numbers of a group are never joined to each other by its key, but put one below the other and summed up
once: a plan made for few rows (or before there are statistics) does not turn quadratic with many. Articles
are known by their SKU, which is on every line of a parcel and of a return and never changes. Lines are read
of the parcels and returns of the span, one after the other: OFFSET 0 keeps a plan from reading all there are.
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
              FROM shipments s
             CROSS JOIN LATERAL (SELECT * FROM shipment_lines WHERE shipment_id = s.id OFFSET 0) sl {orders}
             WHERE s.shipped_at >= :since AND s.shipped_at < :until AND s.status <> 'CANCELED' {narrowed}
             GROUP BY 1) sent {joins}
"""
# The unit of a kept return counts as returned, one that was rejected does not: as `domain.returns.claimed`.
_CAME = """
    SELECT {key} AS key, {id} AS id, r.id AS return_id, l.reason, o.currency,
           CASE WHEN r.status IN ('INSPECTED', 'CLOSED') AND NOT r.keeps_items THEN i.accepted
                ELSE l.quantity END AS units,
           l.quantity_received AS received, i.restocked,
           CASE WHEN l.outcome = 'REPAIRED' THEN i.accepted ELSE 0 END AS repaired,
           CASE WHEN r.status = 'CLOSED' AND r.refund_minor > 0
                THEN extract(epoch FROM r.closed_at - r.created_at)::float8 END AS seconds,
           CASE WHEN r.status = 'CLOSED' THEN {refund} ELSE 0 END AS refunded
      FROM returns r
     CROSS JOIN LATERAL (SELECT * FROM return_lines WHERE return_id = r.id OFFSET 0) l
      JOIN orders o ON o.id = r.order_id {joins}
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(quantity) FILTER (
                      WHERE disposition <> 'MISSING' AND grade <> 'NOT_OURS'), 0)::int AS accepted,
                  coalesce(sum(quantity) FILTER (WHERE disposition = 'RESTOCKED'), 0)::int AS restocked
             FROM return_inspections WHERE return_line_id = l.id) i
     WHERE r.created_at >= :since AND r.created_at < :until
       AND r.status NOT IN ('DECLINED', 'CANCELED') {narrowed}
"""
_REPORT = """
    WITH sent AS ({sent}), came AS MATERIALIZED ({came}), per_return AS MATERIALIZED (
        SELECT key, id, max(currency) AS currency, sum(units) AS units, sum(received) AS received,
               sum(restocked) AS restocked, sum(repaired) AS repaired, max(seconds) AS seconds,
               {refunded} AS refunded
          FROM came GROUP BY key, id, return_id
    ), counted (
        key, id, shipped, units, received, restocked, repaired, returns, seconds, reason, currency, part
    ) AS (
        SELECT key, id, units, 0, 0, 0, 0, 0, NULL::float8, NULL, NULL, NULL::bigint FROM sent {of_all}
         UNION ALL
        SELECT key, id, 0, units, received, restocked, repaired, 1, seconds, NULL, NULL, NULL FROM per_return
         UNION ALL
        SELECT key, id, 0, 0, 0, 0, 0, 0, NULL, reason, NULL, sum(units) FROM came GROUP BY key, id, reason
         UNION ALL
        SELECT key, id, 0, 0, 0, 0, 0, 0, NULL, NULL, currency, sum(refunded)
          FROM per_return GROUP BY key, id, currency
    ), report AS (
        SELECT key COLLATE "C" AS key, id, {rank} AS rank, {shipped} AS shipped,
               sum(units)::int AS returned, sum(received)::int AS received, sum(restocked)::int AS restocked,
               sum(repaired)::int AS repaired, sum(returns)::int AS returns, avg(seconds) AS mean,
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
# Nothing is shipped for a reason: each is a share of all that was shipped.
_OF_ALL_SHIPPED = {"shipped": "(SELECT coalesce(sum(units), 0)::int FROM sent)", "of_all": "WHERE false"}
_OF_WHOLE_RETURNS = {"refunded": "max(refunded)"}
# Of its delivery and its fees no line has a part that is written down.
_OF_LINES = {"refunded": "sum(refunded)"}
_ORDERS = "JOIN orders o ON o.id = s.order_id"
# IS TRUE lets it be no join: the supplier's SKUs are hashed once, not looked up for every line.
_BOUGHT_FROM = " AND ({}.sku IN (SELECT sku FROM variants WHERE supplier_id = :supplier_id)) IS TRUE"
# Of what is in no catalogue there is only the name that it was sold under.
_NAME = """
    coalesce(p.name, (SELECT ol.name FROM order_lines ol WHERE ol.sku = page.key AND ol.variant_id IS NULL
                       ORDER BY ol.id DESC LIMIT 1))
"""

Parts = dict[str, str]
"""What is put into a statement, by the name of its place."""


def _of_spans(unit: str) -> tuple[Parts, Parts, Parts]:
    sent, came = (
        f"date_trunc('{unit}', {moment} AT TIME ZONE 'UTC')" for moment in ("s.shipped_at", "r.created_at")
    )
    return {"by": sent, "key": "sent.one::date::text"}, {"key": f"{came}::date::text"}, {"rank": "0"}


def _of_channels() -> tuple[Parts, Parts, Parts]:
    names = {"key": "c.slug", "id": "c.id"}
    sent = {**names, "by": "o.channel_id", "orders": _ORDERS, "joins": "JOIN channels c ON c.id = sent.one"}
    came = {**names, "joins": "JOIN channels c ON c.id = r.channel_id"}
    return sent, came, {"label": "c.name", "label_joins": "JOIN channels c ON c.id = page.id"}


def _of_articles(key: str, row_id: str, joins: str) -> tuple[Parts, Parts, Parts]:
    """Return the parts of what is found by a SKU; `key` has a place for it."""
    sent, came = (
        {"id": row_id, "key": key.format(sku=sku), "joins": f"LEFT JOIN variants v ON v.sku = {sku} {joins}"}
        for sku in ("sent.one", "l.sku")
    )
    return {**sent, "by": "sl.sku"}, came, {**_OF_LINES}


def _parts(grouping: ReturnGrouping) -> tuple[Parts, Parts, Parts]:
    """Return what one grouping puts into what was sent, into what came back, and around both."""
    if grouping in _SPANS:
        return _of_spans(_SPANS[grouping])
    if grouping is ReturnGrouping.CHANNEL:
        return _of_channels()
    if grouping is ReturnGrouping.REASON:
        return {"by": "NULL::text", "key": "sent.one"}, {"key": "l.reason"}, {**_OF_ALL_SHIPPED, **_OF_LINES}
    if grouping is ReturnGrouping.SUPPLIER:
        sent, came, whole = _of_articles(
            "coalesce(b.code, '')", "b.id", "LEFT JOIN suppliers b ON b.id = v.supplier_id"
        )
        return (
            sent,
            came,
            whole | {"label": "b.name", "label_joins": "LEFT JOIN suppliers b ON b.id = page.id"},
        )
    sent, came, whole = _of_articles("coalesce(v.product_id::text, {sku})", "v.product_id", "")
    return sent, came, whole | {"label": _NAME, "label_joins": "LEFT JOIN products p ON p.id = page.id"}


@lru_cache(maxsize=64)
def _statement(grouping: ReturnGrouping, narrowed: frozenset[str]) -> TextClause:
    """Return the statement of one grouping, of one channel or supplier alone where those are `narrowed`."""
    sent_parts, came_parts, whole_parts = _parts(grouping)
    sent = {"id": "NULL::uuid", "joins": "", "narrowed": "", "orders": "", **sent_parts}
    came = {"id": "NULL::uuid", "joins": "", "narrowed": "", **came_parts}
    whole = {"rank": "-sum(units)::int", "shipped": "sum(shipped)::int", "of_all": "", "label": "NULL"}
    whole |= {"label_joins": "", **_OF_WHOLE_RETURNS, **whole_parts}
    if "channel_id" in narrowed:
        sent |= {"orders": _ORDERS, "narrowed": "AND o.channel_id = :channel_id"}
        came["narrowed"] = "AND r.channel_id = :channel_id"
    if "supplier_id" in narrowed:
        sent["narrowed"] += _BOUGHT_FROM.format("sl")
        came["narrowed"] += _BOUGHT_FROM.format("l")
        whole |= _OF_LINES
    came["refund"] = "l.refund_minor" if whole["refunded"] == _OF_LINES["refunded"] else "r.refund_minor"
    statement = _REPORT.format(sent=_SENT.format(**sent), came=_CAME.format(**came), **whole)
    return text(statement).bindparams(
        bindparam("since", type_=DateTime(timezone=True)),
        bindparam("until", type_=DateTime(timezone=True)),
        *(bindparam(name, type_=Uuid()) for name in narrowed),
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
    only = {"channel_id": span.channel_id, "supplier_id": span.supplier_id}
    only = {name: value for name, value in only.items() if value is not None}
    statement = _statement(grouping, frozenset(only))
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
            row.repaired,
        )
        for row in await connection.execute(statement, {**values, **only})
    ]
