"""Stores that hand out, and orders that are collected there, for tests of click and collect."""

from typing import Any
from uuid import uuid4

import orjson

from domain.addresses import Address
from domain.carts import Cart
from domain.fulfillment import FulfillmentOrder
from domain.orders import Order
from persistence.database import Database
from services import pickup_places, pickups
from services.access import SYSTEM
from services.context import ServiceContext
from services.order_placement import place
from services.shipment_changes import Sent
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, till
from tests.shipping import part_at

STORE_ADDRESS = Address("The Shop", "Marienplatz 1", "München", "DE", "Shop GmbH", postal_code="80331")


async def make_store_shop(database: Database, warehouse: int, store: int, **changes: Any) -> Shop:
    """Create a shop with units in a warehouse (preferred) and in a store that hands out but sends nothing."""
    shop = await make_stocked_shop(database, warehouse, store)
    await make_store(database, shop, 1, **changes)
    return shop


async def make_store(
    database: Database,
    shop: Shop,
    at: int,
    *,
    ships: bool = False,
    point: tuple[float, float] | None = None,
    address: Address = STORE_ADDRESS,
) -> None:
    """Let one of a shop's locations be a store that hands out."""
    await run_sql(
        database,
        "UPDATE locations SET kind = 'STORE', pickup = true, ships = :ships, latitude = :latitude,"
        " longitude = :longitude, address = CAST(:address AS jsonb) WHERE id = :id",
        id=shop.locations[at].id,
        ships=ships,
        latitude=point and point[0],
        longitude=point and point[1],
        address=orjson.dumps(address.to_json()).decode(),
    )


def desk(database: Database) -> ServiceContext:
    """Return the context of staff in a store, with the providers that payments are asked for from."""
    return till(database, SYSTEM)


async def collect_at(database: Database, token: str, shop: Shop, contact: str | None = None) -> Cart:
    """Let a cart be collected at the shop's store."""
    return await pickup_places.select(till(database), token, shop.locations[1].code, contact)


async def collected_order(
    database: Database, shop: Shop | None = None, quantity: int = 2
) -> tuple[Order, FulfillmentOrder]:
    """Place an order that is collected at a shop's store (10 units there); returns it and its part."""
    shop = shop or await make_store_shop(database, 10, 10)
    token = await make_ready_cart(database, shop, quantity)
    await collect_at(database, token, shop)
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    return placed.order, await part_at(database, placed.order.id)


async def make_ready(database: Database, part: FulfillmentOrder) -> Sent:
    """Say that a part waits for its customer."""
    return await pickups.ready(desk(database), part.id, None, str(uuid4()))


async def give_out(database: Database, part: FulfillmentOrder, code: str | None) -> Sent:
    """Give what waits to its customer, who shows a code."""
    return await pickups.collected(desk(database), part.id, code, None, str(uuid4()))


def code_for(database: Database, sent: Sent) -> str:
    """Return the code of what waits."""
    return pickups.code_of(desk(database), sent.shipments[0].id)
