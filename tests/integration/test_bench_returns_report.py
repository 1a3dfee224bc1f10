"""The shop that reports of returns are measured in: they tell what counting its rows one by one tells."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from bench import returns_report
from domain.return_reports import ReportSpan, ReturnGrouping
from domain.returns import NOTHING_CLAIMED, Disposition, Return, claimed
from persistence import return_reports, returns
from persistence.database import Database

ORDERS = 600
NOW = datetime.now(UTC)
SPAN = ReportSpan(NOW - timedelta(days=366), NOW)
LINES = """
    SELECT l.id, v.product_id, s.code, c.slug
      FROM order_lines l JOIN orders o ON o.id = l.order_id JOIN channels c ON c.id = o.channel_id
      JOIN variants v ON v.id = l.variant_id LEFT JOIN suppliers s ON s.id = v.supplier_id
"""
SENT = """
    SELECT x.order_line_id, x.quantity, p.shipped_at
      FROM shipments p JOIN shipment_lines x ON x.shipment_id = p.id
"""
Key = Callable[[UUID, datetime], str]


def keys(lines: Mapping[UUID, Any]) -> dict[ReturnGrouping, Key]:
    """Return which group units of an order line are in that were shipped, or asked for, at a moment."""
    return {
        ReturnGrouping.PRODUCT: lambda line, _: str(lines[line].product_id),
        ReturnGrouping.SUPPLIER: lambda line, _: lines[line].code or "",
        ReturnGrouping.CHANNEL: lambda line, _: str(lines[line].slug),
        ReturnGrouping.MONTH: lambda _, at: at.astimezone(UTC).strftime("%Y-%m-01"),
    }


def count(one: Return, into: Mapping[str, Counter[str]], key: Key) -> None:
    units = claimed([one])
    for line in one.lines:
        group = into[key(line.order_line_id, one.created_at)]
        group["returned"] += units[line.order_line_id]
        group["received"] += line.quantity_received
        group["restocked"] += sum(
            look.quantity for look in line.inspections if look.disposition is Disposition.RESTOCKED
        )
    for touched in {key(line.order_line_id, one.created_at) for line in one.lines}:
        into[touched]["returns"] += 1


async def test_reports_of_many_orders_equal_their_rows_counted_one_by_one(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns_report, "_TIMES", 1)
    line = await returns_report.measure(database_url, ORDERS)
    assert (line["orders"], line["pages"]) == (ORDERS, 110)

    async with database.read() as connection:
        lines = {row.id: row for row in await connection.execute(text(LINES))}
        sent = [row for row in await connection.execute(text(SENT)) if SPAN.since <= row.shipped_at < NOW]
        ids = list(await connection.scalars(text("SELECT id FROM returns")))
        found = (await returns.by_ids(connection, ids)).values()
        came = [one for one in found if one.created_at >= SPAN.since and one.status not in NOTHING_CLAIMED]
        assert len(came) > ORDERS / 20
        for grouping, key in keys(lines).items():
            counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
            for parcel in sent:
                counted[key(parcel.order_line_id, parcel.shipped_at)]["shipped"] += parcel.quantity
            for one in came:
                count(one, counted, key)
            told = {
                row.key: Counter(
                    shipped=row.units_shipped,
                    returned=row.units_returned,
                    received=row.units_received,
                    restocked=row.units_restocked,
                    returns=row.returns,
                )
                for row in await return_reports.report(connection, grouping, SPAN, 1_000, None)
            }
            assert told == counted
