"""Olist's orders of 2017 again, from their sellers' sites to their customers' doors, at the file's own times.

Every seller is a location at its postcode's coordinates, which alone has what it sells, by real weight and
size. Day by day, each order is entered and paid (reserved) when it was bought, its parts are sent from the
sellers' sites when the carrier took them, and delivered when the carrier says so: by the product's own
use cases, their clock set to the file's. What the customer was promised is the file's estimated day, which
no rule of the shop makes, so it is written to the fulfillment orders. Each midnight the shop looks for
what is late, as its scheduled job does. At the end every time must equal the file's, what is late in the file
must have been found and told late and nothing else, and stock, books and balances must be explained.

Needs ORDERTIDE_TEST_DATA with olist/ (CC BY-NC-SA 4.0: to measure and test with only); skips without.

    python bench/replay_olist.py [--orders 10000] [--tasks 8]
"""

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import _harness
from bench._olist_data import Sale, Year, load, missing
from bench._olist_shop import CARRIER, CHANNEL, CURRENCY, Clock, each, environment, open_shop, told
from domain.catalog import VariantRef
from domain.kernel.money import Amount
from domain.order_drafts import DraftChanges, WantedLine
from domain.parcels import Carriage, ParcelDraft
from domain.shipments import Shipment, ShipmentStatus
from domain.tracking import is_late
from persistence import order_parts
from persistence.database import Database
from persistence.migrate import migrate
from services import (
    ledger_reports,
    order_drafts,
    shipment_changes,
    stock_ledger,
    stored_values,
    tracking,
)
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.shipment_changes import Fulfillment

_SPARE_CONNECTIONS = 2
_READ_AT_ONCE = 500
_PROMISE = text(
    "UPDATE fulfillment_orders SET promised_until = :until WHERE order_id = :order_id"
    " RETURNING id, location_id"
).bindparams(bindparam("until", type_=DateTime(timezone=True)), bindparam("order_id", type_=Uuid()))
_TOLD_LATE = text("SELECT aggregate_id, count(*) FROM event_outbox WHERE kind = 'ShipmentDelayed' GROUP BY 1")
_UNITS = text("SELECT sum(committed) AS committed, sum(held) AS held FROM stock_levels")
_STATUSES = text("SELECT status, fulfillment_status, payment_status, count(*) FROM orders GROUP BY 1, 2, 3")


@dataclass(slots=True)
class Replay:
    """The shop and its sites by location, and what was played: by sale, and how long steps took (seconds)."""

    shop: Environment
    rate_id: UUID
    site_of: dict[UUID, str]
    orders: dict[str, UUID] = field(default_factory=dict)
    parts: dict[str, list[tuple[UUID, str]]] = field(default_factory=dict)
    """Fulfillment orders, and the sites that send them."""
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def at(self, moment: datetime) -> ServiceContext:
        """Return the context of a use case at a moment."""
        return ServiceContext(replace(self.shop, clock=Clock(moment)), SYSTEM, "replay")

    async def place(self, sale: Sale) -> None:
        """Enter an order at the file's prices, and reserve its money."""
        context = self.at(sale.placed_at)
        lines = [
            WantedLine(VariantRef(sku=line.item.sku), line.quantity, Amount(line.unit_price, CURRENCY))
            for line in sale.lines
        ]
        wanted = DraftChanges(
            lines=lines,
            email=f"{sale.customer}@example.com",
            shipping_address=sale.address,
            delivery_rate_id=self.rate_id,
            shipping_price=Amount(sale.freight, CURRENCY),
            note=sale.id,
        )
        draft = await order_drafts.create(context, CHANNEL, wanted, sale.id)
        placed = await order_drafts.place(context, draft.order.id, "sandbox", "ok", None, sale.id)
        assert placed.order is not None, placed.payment
        async with context.transaction() as transaction:
            found = await transaction.connection.execute(
                _PROMISE, {"until": sale.promised_until, "order_id": draft.order.id}
            )
            parts = [(row.id, self.site_of[row.location_id]) for row in found]
        assert {site for _, site in parts} == sale.sites, "each seller sends what it sells"
        self.orders[sale.id], self.parts[sale.id] = draft.order.id, parts

    async def ship(self, sale: Sale) -> None:
        """Send each part from its site, which the carrier confirms by its first scan."""
        for part_id, site in self.parts[sale.id]:
            number = _number(sale, site)
            parcel = ParcelDraft({}, sale.parcel_of(site), tracking_number=number)
            wanted = Fulfillment(part_id, None, parcel, Carriage("Correios"))
            await shipment_changes.fulfill(self.at(sale.shipped_at), wanted, None, number)
        await self._tell(sale, ShipmentStatus.IN_TRANSIT, sale.shipped_at)

    async def deliver(self, sale: Sale) -> None:
        """Let the carrier tell that each parcel is delivered."""
        await self._tell(sale, ShipmentStatus.DELIVERED, sale.delivered_at)

    async def step(self, name: str, sale: Sale) -> None:
        """Do one step of an order, and keep how long it took."""
        started = time.perf_counter()
        await getattr(self, name)(sale)
        self.times[name].append(time.perf_counter() - started)

    async def midnight(self, day: date) -> None:
        """Look for what is late, as the scheduled job does, when the promises of a day have just passed."""
        context = self.at(datetime.combine(day, time_of_day(0, 0, 1), UTC))
        while await tracking.tell_late(context):
            pass

    async def _tell(self, sale: Sale, status: ShipmentStatus, at: datetime) -> None:
        context = self.at(at)
        for _, site in self.parts[sale.id]:
            await tracking.receive(context, CARRIER, {}, told(_number(sale, site), status, at))
        await tracking.apply_due(context)


async def play(replay: Replay, year: Year, tasks: int) -> float:
    """Play the year, day by day, some orders at once; returns the seconds it took."""
    days: dict[date, dict[str, list[tuple[datetime, str, Sale]]]] = defaultdict(lambda: defaultdict(list))
    for sale in year.sales:
        for moment, name in _steps(sale):
            days[moment.date()][sale.id].append((moment, name, sale))
    started = time.perf_counter()

    async def live(steps: list[tuple[datetime, str, Sale]]) -> None:
        for _, name, sale in steps:  # in the order in which they happened
            await replay.step(name, sale)

    day, done = min(days), 0
    while day <= max(days):
        await replay.midnight(day)
        await each(days.get(day, {}).values(), live, tasks)
        if len(replay.times["deliver"]) >= done + len(year.sales) // 10:
            done = len(replay.times["deliver"])
            print(f"{day}: {len(replay.orders)} placed, {done} delivered", file=sys.stderr, flush=True)
        day += timedelta(days=1)
    return time.perf_counter() - started


async def compare(replay: Replay, year: Year) -> dict[str, Any]:
    """Return what differs from the file, and what the product's own checks find."""
    context = replay.at(max(sale.delivered_at for sale in year.sales) + timedelta(days=1))
    async with context.read() as connection:
        parcels = await _parcels(connection, replay.orders.values())
        told_late = {row[0]: row[1] for row in await connection.execute(_TOLD_LATE)}
        units = (await connection.execute(_UNITS)).one()
        statuses = {tuple(row[:3]): row[3] for row in await connection.execute(_STATUSES)}
    wrong = Counter[str]()
    for sale in year.sales:
        order_id = replay.orders[sale.id]
        of_order = parcels[order_id]
        wrong["parcels"] += len(of_order) != len(sale.sites)
        wrong["shipped_at"] += {one.shipped_at for one in of_order} != {sale.shipped_at}
        wrong["delivered_at"] += {one.delivered_at for one in of_order} != {sale.delivered_at}
        wrong["late"] += {is_late(one, context.now()) for one in of_order} != {sale.late}
        wrong["told_late"] += told_late.get(order_id, 0) != (len(of_order) if sale.late else 0)
    wrong["not_completed"] = len(year.sales) - statuses.get(("COMPLETED", "DELIVERED", "PAID"), 0)
    wrong["units_left_behind"] = units.committed + units.held
    stock, books = await stock_ledger.check(context), await ledger_reports.check(context)
    wrong["stock"] = len(stock.discrepancies)
    wrong["books"] = len(books.unexplained)
    wrong["balances"] = len((await stored_values.check(context)).discrepancies)
    every = [one for of_order in parcels.values() for one in of_order]
    return {
        "parcels": len(every),
        "late_in_file": sum(sale.late for sale in year.sales),
        "late_found": sum(any(is_late(one, context.now()) for one in some) for some in parcels.values()),
        "told_late": len(told_late),
        "stock_movements": stock.movements,
        "ledger_entries": books.entries,
        "wrong": dict(wrong),
    }


async def main(folder: Path, orders: int, tasks: int) -> int:
    """Open the shop, play the year, compare; return the exit status."""
    year = load(folder, orders)
    with _harness.home() as place:
        await migrate(place.database_url)
        database = Database(place.database_url, pool_size=tasks + _SPARE_CONNECTIONS)
        try:
            shop = environment(database)
            started = time.perf_counter()
            rate_id, places = await open_shop(shop, year)
            opened = time.perf_counter() - started
            replay = Replay(shop, rate_id, {place_id: code for code, place_id in places.items()})
            seconds = await play(replay, year, tasks)
            found = await compare(replay, year)
        finally:
            await database.close()
    steps = {name: _harness.percentiles(times) for name, times in replay.times.items()}
    _harness.report(
        bench="replay_olist",
        orders=len(year.sales),
        sites=len(year.sites),
        items=len(year.items),
        tasks=tasks,
        set_up_s=round(opened, 1),
        seconds=round(seconds, 1),
        orders_per_s=round(len(year.sales) / seconds, 1),
        **steps,
        **found,
    )
    return int(any(found["wrong"].values()))


async def _parcels(connection: AsyncConnection, order_ids: Iterable[UUID]) -> dict[UUID, list[Shipment]]:
    ids, found = list(order_ids), dict[UUID, list[Shipment]]()
    for first in range(0, len(ids), _READ_AT_ONCE):
        parts = await order_parts.parts_of(connection, ids[first : first + _READ_AT_ONCE])
        found |= {order_id: list(one.shipments) for order_id, one in parts.items()}
    return found


def _steps(sale: Sale) -> Iterator[tuple[datetime, str]]:
    yield sale.placed_at, "place"
    yield sale.shipped_at, "ship"
    yield sale.delivered_at, "deliver"


def _number(sale: Sale, site: str) -> str:
    return f"{sale.id[:20]}-{site[:12]}"


def _command() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=8, help="how many orders at once")
    given, _ = parser.parse_known_args()
    named = os.environ.get("ORDERTIDE_TEST_DATA")
    lacking = missing(Path(named)) if named else ["olist/, for it is not set"]
    if named is None or lacking:
        reason = f"ORDERTIDE_TEST_DATA has no {', '.join(lacking)}"
        _harness.report(bench="replay_olist", skipped="real orders", reason=reason)
        return 0
    return _harness.run(main(Path(named), given.orders, given.tasks))


if __name__ == "__main__":
    sys.exit(_command())
