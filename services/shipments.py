"""Use cases of shipments: whose parcels may be followed."""

from uuid import UUID

from domain.kernel.errors import NotFound
from domain.orders import Order
from persistence import order_parts
from services import orders
from services.context import ServiceContext
from services.orders import OrderRef


async def followed(context: ServiceContext, ref: OrderRef, shipment_id: UUID | None) -> Order:
    """Return the order whose parcels (or one of them) somebody may follow.

    Raises NotFound for an order that they may not see, and for a parcel of another.
    """
    order = await orders.get(context, ref)
    if shipment_id is not None:
        async with context.read() as connection:
            owner = await order_parts.order_of_shipment(connection, shipment_id)
        if owner != order.id:
            raise NotFound("the order has no such shipment", "id")
    return order
