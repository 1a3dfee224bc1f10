"""Placed orders to be sent, and what is left of their stock and money, for tests of fulfilment."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from domain.fulfillment import FulfillmentOrder
from domain.orders import Order
from domain.parcels import Carriage, ParcelDraft
from persistence import order_parts, orders
from persistence.database import Database
from persistence.order_parts import OrderParts
from services import shipment_changes
from services.context import ServiceContext
from services.shipment_changes import Fulfillment, Sent
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop, order_now

POST = Carriage("Test Post", "Standard")


async def placed_order(database: Database, *stock: int, quantity: int = 2, shop: Shop | None = None) -> Order:
    """Place a paid order of `quantity` units of a shop that has `stock` at its locations (10 at one)."""
    shop = shop or await make_stocked_shop(database, *(stock or (10,)))
    placed = await order_now(database, shop, quantity)
    assert placed.order is not None
    return placed.order


async def parts_of(database: Database, order_id: UUID) -> OrderParts:
    """Return an order's parts as they are."""
    async with database.read() as connection:
        return (await order_parts.parts_of(connection, [order_id]))[order_id]


async def order_of(database: Database, order_id: UUID) -> Order:
    """Return an order as it is."""
    async with database.read() as connection:
        return (await orders.by_ids(connection, [order_id]))[order_id]


async def part_at(database: Database, order_id: UUID, at: int = 0) -> FulfillmentOrder:
    """Return one of an order's parts."""
    return (await parts_of(database, order_id)).fulfillment_orders[at]


async def fulfill(
    context: ServiceContext,
    part: FulfillmentOrder,
    units: int | None = None,
    *,
    key: str | None = None,
    expected_version: int | None = None,
    **parcel: Any,
) -> Sent:
    """Send units of a part's first line (None: all that is open) at once."""
    wanted = Fulfillment(
        part.id, None if units is None else {part.lines[0].id: units}, ParcelDraft({}, **parcel), POST
    )
    return await shipment_changes.fulfill(context, wanted, expected_version, key or str(uuid4()))


async def pack(
    context: ServiceContext, part: FulfillmentOrder, *units: int, carriage: Carriage = POST
) -> Sent:
    """Pack a parcel of a part's first line for each number of units."""
    drafts = [ParcelDraft({part.lines[0].id: one}) for one in units]
    return await shipment_changes.create(context, part.id, drafts, carriage, None, str(uuid4()))


async def hand_over(context: ServiceContext, shipment_id: UUID) -> Sent:
    """Let a parcel leave."""
    return await shipment_changes.hand_over(context, shipment_id, None, str(uuid4()))


async def check_units(database: Database) -> None:
    """Assert that committed stock is what orders have still to send, and that lines equal their parcels.

    What is sent again for a claim, or repaired, leaves twice, and is with the customer once.
    """
    committed = await run_sql(
        database,
        """
        SELECT s.variant_id, s.location_id, s.committed, coalesce(open.units, 0) AS open
          FROM stock_levels s LEFT JOIN (
               SELECT l.variant_id, f.location_id,
                      sum(l.quantity - l.quantity_shipped - l.quantity_short) AS units
                 FROM fulfillment_order_lines l JOIN fulfillment_orders f ON f.id = l.fulfillment_order_id
                WHERE f.status <> 'CANCELED' GROUP BY 1, 2) open
            ON open.variant_id = s.variant_id AND open.location_id = s.location_id
        """,
    )
    assert [row for row in committed if row.committed != row.open] == []
    sent = await run_sql(
        database,
        """
        SELECT o.id, coalesce(sum(p.quantity), 0) AS parcels,
               o.quantity_shipped + (SELECT coalesce(sum(l.quantity), 0)
                                       FROM claim_lines l JOIN claims c ON c.id = l.claim_id
                                      WHERE l.order_line_id = o.id AND c.fulfillment_order_id IS NOT NULL
                                        AND c.status = 'APPROVED')
                   + (SELECT coalesce(sum(i.quantity), 0)
                        FROM return_inspections i JOIN return_lines l ON l.id = i.return_line_id
                       WHERE l.order_line_id = o.id AND l.outcome = 'REPAIRED'
                         AND i.disposition <> 'MISSING' AND i.grade <> 'NOT_OURS')
                   AS left_here,
               (SELECT coalesce(sum(l.quantity_shipped), 0) FROM fulfillment_order_lines l
                 WHERE l.order_line_id = o.id) AS by_parts
          FROM order_lines o
          LEFT JOIN (shipment_lines p JOIN shipments s ON s.id = p.shipment_id
                     AND s.status NOT IN ('LABEL_PENDING', 'LABEL_CREATED', 'CANCELED')
                     AND NOT (s.status = 'AVAILABLE_FOR_PICKUP' AND s.shipped_at IS NULL))
            ON p.order_line_id = o.id
         GROUP BY o.id
        """,
    )
    assert [row for row in sent if not row.left_here == row.parcels == row.by_parts] == []


async def customers_units(database: Database, order_id: UUID) -> Mapping[UUID, int]:
    """Return how many units of an order the stock's ledger says are with the customer, by location."""
    rows = await run_sql(
        database,
        "SELECT location_id, sum(quantity) AS units FROM stock_movements"
        " WHERE to_state = 'customer' AND source_id = :id GROUP BY location_id",
        id=order_id,
    )
    return {row.location_id: row.units for row in rows}


async def shown(database: Database, order_id: UUID, shop: Shop) -> list[tuple[int, str, int, int]]:
    """Return (which of the shop's locations, status, units, units short) of each part, in their order."""
    at = {location.id: index for index, location in enumerate(shop.locations)}
    return [
        (
            at[part.location_id],
            part.status.value,
            sum(line.quantity for line in part.lines),
            sum(line.quantity_short for line in part.lines),
        )
        for part in (await parts_of(database, order_id)).fulfillment_orders
    ]
