"""The root field `node`: anything by its global id (Relay Global Object Identification)."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, query
from api.scalars import read_id
from api.schema.carts import Cart
from api.schema.catalog import Product, ProductVariant
from api.schema.channels import Channel
from api.schema.claims import Claim
from api.schema.cycle_counts import CycleCount
from api.schema.fulfillment import FulfillmentOrder
from api.schema.locations import Location
from api.schema.orders import Order
from api.schema.payments import Payment
from api.schema.returns import Return
from api.schema.shipments import Shipment
from api.schema.shipping import DeliveryRate
from api.schema.stored_values import GiftCard, StoreCredit
from api.schema.transfers import Transfer
from api.schema.unlinked_refunds import UnlinkedRefund
from api.schema.values import Node
from domain import catalog as domain
from domain.kernel.errors import InvalidInput
from domain.stored_values import StoredValueKind
from persistence.order_parts import OrderParts
from services import claims, cycle_counts, nodes, orders, returns, transfers, unlinked_refunds
from services.orders import OrderRef


@strawberry.type
class NodesQuery:
    """The query for nodes."""

    @query(PUBLIC)
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        """Anything by its id; null when there is none, or none that the asker may see."""
        parts = read_id(id)
        if parts is None:
            raise InvalidInput("is not an id of this API", "id")
        type_name, row_id = parts
        load = _LOADERS.get(type_name)
        if load is None or not nodes.may_read(info.context.actor, type_name):
            return None
        return await load(info, row_id)


async def _channel(info: Info, row_id: UUID) -> Node | None:
    channel = await info.context.loaders.channels().load(row_id)
    return Channel.of(channel) if channel else None


async def _delivery_rate(info: Info, row_id: UUID) -> Node | None:
    found = await info.context.loaders.delivery_rates().load(row_id)
    if found is None:
        return None
    rate, channel_id = found
    channel = await info.context.loaders.channels().load(channel_id)
    return DeliveryRate.of(rate, channel) if channel else None


async def _product(info: Info, row_id: UUID) -> Node | None:
    product = await info.context.loaders.products().load(row_id)
    return Product.of(product) if product and _shown(info, product) else None


async def _variant(info: Info, row_id: UUID) -> Node | None:
    variant = await info.context.loaders.variants().load(row_id)
    return ProductVariant.of(variant) if variant and _shown(info, variant) else None


def _shown(info: Info, row: domain.Product | domain.Variant) -> bool:
    return not row.archived or nodes.may_read_archived(info.context.actor)


async def _location(info: Info, row_id: UUID) -> Node | None:
    location = await info.context.loaders.locations().load(row_id)
    return Location.of(location) if location else None


async def _cart(info: Info, row_id: UUID) -> Node | None:
    cart = await info.context.loaders.carts().load(row_id)
    return Cart.of(cart) if cart else None


async def _order(info: Info, row_id: UUID) -> Node | None:
    if info.context.actor.customer_id is not None:
        order = await orders.find(info.context.service, OrderRef(id=row_id))
    else:
        order = await info.context.loaders.orders().load(row_id)
    return Order.of(order) if order else None


async def _payment(info: Info, row_id: UUID) -> Node | None:
    payment = await info.context.loaders.payments().load(row_id)
    return Payment.of(payment) if payment else None


async def _fulfillment_order(info: Info, row_id: UUID) -> Node | None:
    parts = (await _parts(info, "FulfillmentOrder", row_id)).fulfillment_orders
    return next((FulfillmentOrder.of(one) for one in parts if one.id == row_id), None)


async def _shipment(info: Info, row_id: UUID) -> Node | None:
    shipments = (await _parts(info, "Shipment", row_id)).shipments
    return next((Shipment.of(one) for one in shipments if one.id == row_id), None)


async def _gift_card(info: Info, row_id: UUID) -> Node | None:
    value = await info.context.loaders.stored_values().load(row_id)
    return GiftCard.of(value) if value and value.kind is StoredValueKind.GIFT_CARD else None


async def _store_credit(info: Info, row_id: UUID) -> Node | None:
    value = await info.context.loaders.stored_values().load(row_id)
    return StoreCredit.of(value) if value and value.kind is StoredValueKind.STORE_CREDIT else None


async def _transfer(info: Info, row_id: UUID) -> Node | None:
    found = await transfers.find(info.context.service, row_id)
    return Transfer.of(found) if found else None


async def _return(info: Info, row_id: UUID) -> Node | None:
    found = await returns.find(info.context.service, row_id)
    return Return.of(found) if found else None


async def _unlinked_refund(info: Info, row_id: UUID) -> Node | None:
    found = await unlinked_refunds.find(info.context.service, row_id)
    return UnlinkedRefund.of(found) if found else None


async def _claim(info: Info, row_id: UUID) -> Node | None:
    found = await claims.find(info.context.service, row_id)
    return Claim.of(found) if found else None


async def _cycle_count(info: Info, row_id: UUID) -> Node | None:
    found = await cycle_counts.find(info.context.service, row_id)
    return CycleCount.of(found) if found else None


async def _parts(info: Info, type_name: str, row_id: UUID) -> OrderParts:
    order_id = await nodes.order_of(info.context.service, type_name, row_id)
    found = await info.context.loaders.order_parts().load(order_id) if order_id else None
    return found or OrderParts()


_LOADERS: Mapping[str, Callable[[Info, UUID], Awaitable[Node | None]]] = {
    "Cart": _cart,
    "Channel": _channel,
    "Claim": _claim,
    "CycleCount": _cycle_count,
    "DeliveryRate": _delivery_rate,
    "FulfillmentOrder": _fulfillment_order,
    "GiftCard": _gift_card,
    "Location": _location,
    "Order": _order,
    "Payment": _payment,
    "Product": _product,
    "ProductVariant": _variant,
    "Shipment": _shipment,
    "StoreCredit": _store_credit,
    "Return": _return,
    "Transfer": _transfer,
    "UnlinkedRefund": _unlinked_refund,
}
