"""Reports and work lists of returns in a shop of two years: how long each takes, and what that is to a count.

A shop is written by sets: 100,000 orders of three lines, a fifth of them returned, a tenth claimed or
refunded without an order. Then `returnsReport` is asked, in the process, for a month and a year by each of
its groupings, and narrowed; and work lists of returns, claims and refunds by each status and everything that
may narrow them. Each is asked several times, the fastest counts. `to_count` is a year's report to a plain sum
of the units that were shipped in that year, in the same run. Prints one JSON line.

    python bench/returns_report.py [--orders 100000]
"""

import argparse
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import text

from bench import _harness, _returns_data
from bench._http import Operation
from bench._recording import InProcess
from domain.claims import ClaimStatus
from domain.return_lists import ReturnWait
from domain.return_reports import ReturnGrouping
from domain.returns import ReturnReason, ReturnStatus
from domain.unlinked_refunds import UnlinkedRefundStatus
from persistence.migrate import migrate
from services.access import SYSTEM

_ORDERS = 100_000
_TIMES = 3
_FIRST = 100

_NODES = "edges { node { %s } } pageInfo { hasNextPage endCursor } }"
REPORT = Operation(
    "returnsReport",
    "query($from: DateTime!, $to: DateTime!, $groupBy: ReturnGrouping!, $channel: String,"
    " $supplier: String) {"
    " returnsReport(from: $from, to: $to, groupBy: $groupBy, channel: $channel, supplier: $supplier,"
    f" first: {_FIRST}) {{ "
    + _NODES
    % "key label unitsShipped unitsReturned returnRate resaleShare reasons { reason units }"
    " refundSecondsMean refundSecondsP90 refunded { amount currency }" + " }",
)
RETURNS = Operation(
    "returns",
    "query($filter: ReturnFilter, $after: String) {"
    f" returns(filter: $filter, first: {_FIRST}, after: $after) {{ "
    + _NODES % "number status waitsFor createdAt"
    + " }",
)
CLAIMS = Operation(
    "claims",
    "query($status: ClaimStatus, $after: String) {"
    f" claims(status: $status, first: {_FIRST}, after: $after) {{ " + _NODES % "number status" + " }",
)
REFUNDS = Operation(
    "unlinkedRefunds",
    "query($status: UnlinkedRefundStatus, $channel: String, $after: String) {"
    f" unlinkedRefunds(status: $status, channel: $channel, first: {_FIRST}, after: $after) {{ "
    + _NODES % "number status"
    + " }",
)
_COUNT = text(
    """
    SELECT sum(l.quantity) FROM shipments s JOIN shipment_lines l ON l.shipment_id = s.id
     WHERE s.shipped_at >= :since AND s.shipped_at < :until
    """
)
_NARROWED: Mapping[str, dict[str, str]] = {
    "": {},
    " of a channel": {"channel": "channel-2"},
    " of a supplier": {"supplier": "SUPPLIER-2"},
}


def filters(now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what a list of returns is narrowed by, each with a name of it."""
    yield "all", {}
    yield from ((f"status {one}", {"status": [one]}) for one in ReturnStatus)
    yield "two statuses", {"status": [ReturnStatus.RECEIVED, ReturnStatus.INSPECTED]}
    yield from ((f"waits for {one}", {"waitsFor": [one]}) for one in ReturnWait)
    yield from ((f"reason {one}", {"reason": [one]}) for one in ReturnReason)
    yield from ((f"late {one}", {"late": one}) for one in (True, False))
    yield "location", {"locationCode": "PLACE2"}
    yield "channel", {"channel": "channel-2"}
    yield "order", {"orderNumber": "100500"}
    yield "old", {"createdBefore": (now - timedelta(days=600)).isoformat()}
    yield "several", {"status": [ReturnStatus.DECLINED], "channel": "channel-2", "locationCode": "PLACE2"}


def lists(now: datetime) -> Iterator[tuple[str, Operation, dict[str, Any]]]:
    """Return every list that is measured: its name, operation and variables."""
    yield from ((f"returns, {name}", RETURNS, {"filter": given}) for name, given in filters(now))
    yield from ((f"claims, {status}", CLAIMS, {"status": status}) for status in (None, *ClaimStatus))
    for channel in (None, "channel-2"):
        for status in (None, *UnlinkedRefundStatus):
            yield f"refunds, {status}, {channel}", REFUNDS, {"status": status, "channel": channel}


async def fastest_ms(ask: Callable[[], Awaitable[object]]) -> float:
    """Return how long the fastest of several answers took."""
    times: list[float] = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - started)
    return min(times) * 1000


async def counting_ms(product: InProcess, since: datetime, until: datetime) -> float:
    """Return how long a plain sum of what was shipped takes."""
    async with product.database.read() as connection:
        return await fastest_ms(lambda: connection.execute(_COUNT, {"since": since, "until": until}))


async def reports_ms(product: InProcess, now: datetime, days: int) -> dict[str, float]:
    """Return how long each report of so many days takes, by what it is grouped and narrowed by."""
    span = {"from": (now - timedelta(days=days)).isoformat(), "to": now.isoformat()}
    found: dict[str, float] = {}
    for grouping in ReturnGrouping:
        for name, narrowed in _NARROWED.items():
            ask = partial(product.call, REPORT, **span, groupBy=grouping, **narrowed)
            found[f"{grouping}{name}"] = await fastest_ms(ask)
    return found


async def lists_ms(product: InProcess, now: datetime) -> dict[str, float]:
    """Return how long the first page of each list takes, and the one after a page far down."""
    deep = {}
    for operation in (RETURNS, CLAIMS, REFUNDS):
        after = None
        for _ in range(5):
            after = (await product.call(operation, after=after))["pageInfo"]["endCursor"] or after
        deep[operation.field] = after
    found: dict[str, float] = {}
    for name, operation, variables in lists(now):
        ask = partial(product.call, operation, **variables)
        found[name] = await fastest_ms(ask)
        found[f"{name}, far down"] = await fastest_ms(partial(ask, after=deep[operation.field]))
    return found


async def measure(url: str, orders: int) -> dict[str, Any]:
    """Fill the database at `url`, and return the line of results."""
    await migrate(url)
    await _returns_data.fill(url, orders)
    product = InProcess(url, SYSTEM)
    try:
        now = datetime.now(UTC)
        month, year = await reports_ms(product, now, 30), await reports_ms(product, now, 365)
        count = await counting_ms(product, now - timedelta(days=365), now)
        pages = await lists_ms(product, now)
    finally:
        await product.database.close()
    slowest = max(pages, key=lambda name: pages[name])
    return {
        "bench": "returns_report",
        "orders": orders,
        "report_ms": {"month": _rounded(month), "year": _rounded(year)},
        "count_ms": round(count, 1),
        "to_count": {name: round(taken / count, 1) for name, taken in year.items()},
        "pages": len(pages),
        "page_ms": {"median": round(sorted(pages.values())[len(pages) // 2], 1)},
        "slowest_page": {slowest: round(pages[slowest], 1)},
    }


def _rounded(times: Mapping[str, float]) -> dict[str, float]:
    return {name: round(taken, 1) for name, taken in times.items()}


async def main(orders: int) -> None:
    """Measure in a PostgreSQL of its own."""
    with _harness.home() as place:
        _harness.report(**await measure(place.database_url, orders))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=_ORDERS)
    _harness.run(main(parser.parse_args().orders))
