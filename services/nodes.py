"""Who may look something up by its global id: what is not theirs answers like what does not exist."""

from collections.abc import Mapping
from uuid import UUID

from persistence import order_parts
from services.access import Actor, Permission
from services.context import ServiceContext

_ORDERS = frozenset({Permission.ORDERS_READ})

READERS: Mapping[str, frozenset[Permission]] = {
    "Channel": frozenset(),
    "DeliveryRate": frozenset(),
    "Product": frozenset(),
    "ProductVariant": frozenset(),
    "Location": frozenset({Permission.STOCK_READ, Permission.ORDERS_READ, Permission.LOCATIONS_WRITE}),
    "Cart": frozenset({Permission.CARTS_READ}),
    "Order": _ORDERS,
    "Payment": _ORDERS,
    "FulfillmentOrder": _ORDERS,
    "Shipment": _ORDERS,
    "CycleCount": frozenset({Permission.STOCK_READ}),
    "Claim": frozenset({Permission.RETURNS_READ}),
    "Return": frozenset({Permission.RETURNS_READ}),
    "UnlinkedRefund": frozenset({Permission.REFUNDS_UNLINKED, Permission.REFUNDS_APPROVE}),
    "Transfer": frozenset({Permission.STOCK_READ}),
    "GiftCard": frozenset({Permission.STORED_VALUE_READ}),
    "StoreCredit": frozenset({Permission.STORED_VALUE_READ}),
}
"""The permissions any of which suffices to look up a type by id; none: anybody may."""

_ORDER_OF = {
    "FulfillmentOrder": order_parts.order_of_fulfillment_order,
    "Shipment": order_parts.order_of_shipment,
}


def may_read(actor: Actor, type_name: str) -> bool:
    """Say whether the actor may look up nodes of a type by id; unknown types nobody may.

    Customers may look up orders, of which they are shown their own (`services.orders.find`).
    """
    if type_name == "Order" and actor.customer_id is not None:
        return True
    readers = READERS.get(type_name)
    return readers is not None and (not readers or any(actor.may(permission) for permission in readers))


def may_read_archived(actor: Actor) -> bool:
    """Say whether the actor may look up products and variants that are no longer sold."""
    return actor.may(Permission.CATALOG_WRITE)


async def order_of(context: ServiceContext, type_name: str, part_id: UUID) -> UUID | None:
    """Return the order that a fulfillment order or shipment belongs to, if there is one."""
    async with context.read() as connection:
        return await _ORDER_OF[type_name](connection, part_id)
