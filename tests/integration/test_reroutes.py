"""Orders that are routed again: a location closes, goods are missing, nobody can send; no unit is lost."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.kernel.ids import new_id
from persistence.database import Database
from services import fulfillment, reroutes
from services.access import SYSTEM
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import Shop, later, levels, make_stocked_shop, order_now, till
from tests.factories import give_stock
from tests.shipping import parts_of, placed_order
from tests.statements import count_statements
from tests.stocked import assert_explained

STORM = 200


def staff(database: Database) -> ServiceContext:
    return till(database, SYSTEM)


async def stop(database: Database, shop: Shop, at: int = 0, *, ships: bool = False) -> None:
    """Let one of the shop's locations send nothing any more, or again."""
    await run_sql(
        database, "UPDATE locations SET ships = :ships WHERE id = :id", id=shop.locations[at].id, ships=ships
    )


async def open_units(database: Database, shop: Shop, order_id: UUID) -> list[tuple[str, int, int]]:
    """Return status, units and short units of an order's parts that are to be sent, by location."""
    found = (await parts_of(database, order_id)).fulfillment_orders
    by_location = {
        part.location_id: (
            part.status.value,
            sum(line.quantity for line in part.lines),
            sum(line.quantity_short for line in part.lines),
        )
        for part in found
        if part.lines
    }
    return [by_location.get(where.id, ("", 0, 0)) for where in shop.locations]


async def kinds(database: Database, order_id: UUID) -> list[str]:
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT kind FROM event_outbox WHERE aggregate_id = :id ORDER BY id"), {"id": order_id}
        )
        return [row.kind for row in rows]


async def listed(database: Database) -> list[tuple[UUID, list[tuple[str, int, str]]]]:
    found = await reroutes.unfillable(staff(database), 100)
    return [(one.order.id, [(why.sku, why.quantity, why.reason) for why in one.reasons]) for one in found]


async def test_a_location_that_stops_shipping_hands_its_orders_to_others(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    await stop(database, shop)
    assert await reroutes.reroute_due(staff(database)) == 1
    assert await open_units(database, shop, order.id) == [("", 0, 0), ("OPEN", 3, 0)]
    assert await levels(database, shop) == [(5, 0, 0), (2, 0, 3)]
    assert (await kinds(database, order.id))[-1] == "FulfillmentOrderRerouted"
    assert await reroutes.reroute_due(staff(database)) == 0
    assert await listed(database) == []


async def test_what_nobody_can_send_is_held_listed_and_sent_when_somebody_can(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 1)
    order = await placed_order(database, shop=shop, quantity=3)
    await stop(database, shop)
    await reroutes.reroute_due(staff(database))
    assert await open_units(database, shop, order.id) == [("ON_HOLD", 2, 0), ("OPEN", 1, 0)]
    assert await listed(database) == [(order.id, [(shop.variant.sku, 2, "DOES_NOT_SHIP")])]
    assert Counter(await kinds(database, order.id))["OrderUnfillable"] == 1
    assert await reroutes.reroute_due(staff(database)) == 0, "it rests before it is tried again"
    await give_stock(database, shop.variant, shop.locations[1], 4)
    assert await reroutes.reroute_due(later(database, actor=SYSTEM)) == 1
    assert await open_units(database, shop, order.id) == [("", 0, 0), ("OPEN", 3, 0)]
    assert await listed(database) == []
    assert Counter(await kinds(database, order.id))["OrderUnfillable"] == 1
    await assert_explained(database)


async def test_a_location_that_opens_again_sends_what_waited_there(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    await stop(database, shop)
    await reroutes.reroute_due(staff(database))
    assert await open_units(database, shop, order.id) == [("ON_HOLD", 3, 0)]
    await stop(database, shop, ships=True)
    await reroutes.reroute_due(later(database, actor=SYSTEM))
    assert await open_units(database, shop, order.id) == [("OPEN", 3, 0)]
    async with database.read() as connection:
        assert (
            await connection.scalar(text("SELECT count(*) FROM order_holds WHERE released_at IS NULL")) == 0
        )


async def test_units_that_were_lost_are_sent_from_elsewhere(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    part = (await parts_of(database, order.id)).fulfillment_orders[0]
    changed = await fulfillment.incomplete(
        staff(database), part.id, {part.lines[0].id: 2}, "not on the shelf", None, "key", lost=True
    )
    assert changed.order.id == order.id
    assert await open_units(database, shop, order.id) == [("OPEN", 1, 0), ("OPEN", 2, 0)]
    assert await levels(database, shop) == [(2, 0, 1), (3, 0, 2)]
    await assert_explained(database)


async def test_a_part_that_is_worked_on_stays(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    part = (await parts_of(database, order.id)).fulfillment_orders[0]
    await fulfillment.start(staff(database), part.id, None, "key")
    await stop(database, shop)
    assert await reroutes.reroute_due(staff(database)) == 0
    again = await reroutes.order(staff(database), order.id, None, "other key")
    assert again.parts == ()
    assert await open_units(database, shop, order.id) == [("IN_PROGRESS", 3, 0), ("", 0, 0)]


async def test_routing_again_by_hand_happens_once_a_key(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    await stop(database, shop)
    with count_statements(database) as statements:
        first = await reroutes.order(staff(database), order.id, None, "key")
    assert len(statements) == 10, statements
    second = await reroutes.order(staff(database), order.id, None, "key")
    assert len(first.parts) == 2
    assert (second.parts, second.order.version) == ((), first.order.version)


async def test_two_hundred_orders_survive_the_closing_of_their_location(database: Database) -> None:
    shop = await make_stocked_shop(database, 2 * STORM, 150, 50)
    orders = await many_orders(database, shop)
    await stop(database, shop)
    while await reroutes.reroute_due(staff(database)):
        pass
    unfillable = dict(await all_listed(database))
    sent: Counter[UUID] = Counter()
    for order_id in orders:
        parts = (await parts_of(database, order_id)).fulfillment_orders
        units = {part.location_id: sum(line.quantity for line in part.lines) for part in parts if part.lines}
        assert sum(units.values()) == 2
        stuck = units.get(shop.locations[0].id, 0)
        assert unfillable.get(order_id, 0) == stuck
        sent.update(units)
    assert [sent[where.id] for where in shop.locations] == [2 * STORM - 200, 150, 50]
    assert await levels(database, shop) == [(200, 0, 200), (0, 0, 150), (0, 0, 50)]
    await assert_explained(database)


async def all_listed(database: Database) -> list[tuple[UUID, int]]:
    found: list[Any] = []
    while page := await reroutes.unfillable(
        staff(database), 100, (found[-1].since, found[-1].order.id) if found else None
    ):
        found += page
    return [(one.order.id, sum(why.quantity for why in one.reasons)) for one in found]


async def many_orders(database: Database, shop: Shop) -> list[UUID]:
    """Place one order, and write STORM - 1 like it, their units committed as if each had been placed."""
    first = await order_now(database, shop, 2)
    assert first.order is not None
    ids = [new_id() for _ in range(STORM - 1)]
    async with database.transaction() as connection:
        values = {"ids": ids, "model": first.order.id, "prefix": uuid4().hex[:8]}
        for statement in _LIKE_IT:
            await connection.execute(text(statement), values)
        await connection.execute(
            text(
                """
                SELECT stock_move(array_agg(l.variant_id), array_agg(f.location_id),
                                  array_agg('available'::text), array_agg('committed'::text),
                                  array_agg(l.quantity), array_agg('ORDER_PLACED'::text), 'order', NULL,
                                  'test', now())
                  FROM fulfillment_orders f JOIN fulfillment_order_lines l ON l.fulfillment_order_id = f.id
                 WHERE f.order_id = ANY (CAST(:ids AS uuid[]))
                """
            ),
            {"ids": ids},
        )
    return [first.order.id, *ids]


_LIKE_IT = (
    """
    INSERT INTO orders (id, number, channel_id, status, payment_status, fulfillment_status, email, currency,
           shipping_address, subtotal_minor, shipping_minor, tax_minor, discount_minor, total_minor,
           placed_at)
    SELECT u.id, :prefix || u.position, o.channel_id, o.status, o.payment_status, o.fulfillment_status,
           o.email, o.currency, o.shipping_address, o.subtotal_minor, o.shipping_minor, o.tax_minor,
           o.discount_minor, o.total_minor, o.placed_at
      FROM orders o, unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS u (id, position) WHERE o.id = :model
    """,
    """
    INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor, total_minor,
           position)
    SELECT gen_random_uuid(), u.id, l.variant_id, l.sku, l.name, l.quantity, l.unit_price_minor,
           l.total_minor, l.position
      FROM order_lines l, unnest(CAST(:ids AS uuid[])) AS u (id) WHERE l.order_id = :model
    """,
    """
    INSERT INTO fulfillment_orders (id, order_id, location_id, status, created_at)
    SELECT gen_random_uuid(), u.id, f.location_id, f.status, f.created_at
      FROM fulfillment_orders f, unnest(CAST(:ids AS uuid[])) AS u (id) WHERE f.order_id = :model
    """,
    """
    INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku, quantity)
    SELECT gen_random_uuid(), f.id, l.id, l.variant_id, l.sku, l.quantity
      FROM fulfillment_orders f JOIN order_lines l ON l.order_id = f.order_id
     WHERE f.order_id = ANY (CAST(:ids AS uuid[])) AND CAST(:model AS uuid) IS NOT NULL
    """,
)
