"""Dataloaders: many fields ask, one statement answers. One set a request, one connection a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.dataloader import DataLoader

from domain.backorders import BackorderPolicy
from domain.carts import Cart
from domain.catalog import Product, Variant
from domain.channels import Channel, ChannelSettings
from domain.kernel.money import Money
from domain.labels import LabelFacts
from domain.location_rules import LocationRules
from domain.locations import Location
from domain.manifests import ManifestParcel
from domain.notifications import Notification
from domain.order_reviews import OrderReview
from domain.orders import Order, OrderLine
from domain.payments import Payment, PaymentTransaction
from domain.pickup_changes import Pickup
from domain.pricing import Explanation
from domain.return_lists import ReturnWait
from domain.return_parcels import ReturnParcel
from domain.returns import Return
from domain.routing_decisions import RoutingDecision
from domain.shipping import DeliveryRate
from domain.stored_values import Applied, StoredValue
from domain.suggested_boxes import PackingFacts
from domain.suppliers import Supplier
from domain.tracking import TrackingFact
from persistence import (
    availability,
    backorders,
    carts,
    catalog,
    channels,
    labels,
    location_rules,
    locations,
    manifests,
    notifications,
    order_adjustments,
    order_parts,
    order_reviews,
    orders,
    payment_changes,
    payments,
    pickups,
    return_lists,
    return_parcels,
    return_shipping,
    return_surplus,
    returns,
    routing,
    shipping,
    stored_value_tenders,
    stored_values,
    suggested_boxes,
    suppliers,
    tracking,
)
from persistence.order_parts import OrderParts
from persistence.return_surplus import Unexpected
from persistence.stored_values import Movement
from services.context import ServiceContext

K = TypeVar("K")
V = TypeVar("V")
Batch = Callable[[AsyncConnection, Sequence[K]], Awaitable[Mapping[K, V]]]


class Loaders:
    """The loaders of one request; each is made when first asked for.

    A feature adds a method here over a batch function of `persistence`: keys in, rows by key out.
    """

    def __init__(self, service: ServiceContext) -> None:
        """Bind to the request, whose `read()` lets one statement at a time through."""
        self.service = service
        self._made: dict[object, DataLoader[Any, Any]] = {}
        self._shown: dict[object, Any] = {}

    def over(self, name: object, batch: Batch[K, V]) -> DataLoader[K, V | None]:
        """Return this request's loader `name`; what `batch` does not find loads as None."""
        loader = self._made.get(name)
        if loader is None:

            async def load(keys: list[K]) -> list[V | None]:
                async with self.service.read() as connection:
                    found = await batch(connection, keys)
                return [found.get(key) for key in keys]

            loader = self._made[name] = DataLoader(load_fn=load)
        return loader

    def shown(self, key: object, make: Callable[[], V]) -> V:
        """Return what this request shows under `key`, made when first asked for.

        Many objects may refer to the same one: it is built once, however often it is shown.
        """
        found: V | None = self._shown.get(key)
        if found is None:
            found = self._shown[key] = make()
        return found

    def products(self) -> DataLoader[UUID, Product | None]:
        """Products by id."""
        return self.over("products", catalog.products_by_id)

    def variants(self) -> DataLoader[UUID, Variant | None]:
        """Variants by id."""
        return self.over("variants", catalog.variants_by_id)

    def variants_of(self) -> DataLoader[UUID, list[Variant] | None]:
        """Variants by their product's id."""
        return self.over("variants_of", catalog.variants_of)

    def channel_settings(self) -> DataLoader[UUID, ChannelSettings | None]:
        """Settings of channels by id."""
        return self.over("channel_settings", channels.settings_of)

    def delivery_rates(self) -> DataLoader[UUID, tuple[DeliveryRate, UUID] | None]:
        """Delivery rates in use, with their channels' ids, by id."""
        return self.over("delivery_rates", shipping.by_ids)

    def prices(self, channel_id: UUID) -> DataLoader[UUID, Money | None]:
        """Prices in one channel, by variant id."""

        async def batch(connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Money]:
            return await catalog.prices_of(connection, channel_id, ids)

        return self.over(("prices", channel_id), batch)

    def units(self, channel_id: UUID) -> DataLoader[UUID, int | None]:
        """Units on sale in one channel, by variant id."""

        async def batch(connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, int]:
            return await availability.units(connection, channel_id, ids)

        return self.over(("units", channel_id), batch)

    def backorder_policies(self) -> DataLoader[str, BackorderPolicy | None]:
        """How variants are sold beyond their stock, by SKU."""
        return self.over("backorder_policies", backorders.policies)

    def suppliers_of(self) -> DataLoader[UUID, Supplier | None]:
        """Whom variants are bought from, by variant id."""
        return self.over("suppliers_of", suppliers.of_variants)

    def carts(self) -> DataLoader[UUID, Cart | None]:
        """Carts by id."""
        return self.over("carts", carts.load_by_ids)

    def channels(self) -> DataLoader[UUID, Channel | None]:
        """Channels by id."""
        return self.over("channels", channels.by_ids)

    def locations(self) -> DataLoader[UUID, Location | None]:
        """Locations by id."""
        return self.over("locations", locations.by_ids)

    def location_rules(self) -> DataLoader[UUID, LocationRules | None]:
        """What locations can do, by location."""
        return self.over("location_rules", location_rules.by_locations)

    def routing_decisions(self) -> DataLoader[UUID, RoutingDecision | None]:
        """Why fulfillment orders are sent from where they are, by fulfillment order."""
        return self.over("routing_decisions", routing.by_parts)

    def orders(self) -> DataLoader[UUID, Order | None]:
        """Orders by id."""
        return self.over("orders", orders.by_ids)

    def order_lines(self) -> DataLoader[UUID, list[OrderLine] | None]:
        """Lines by their order's id."""
        return self.over("order_lines", order_parts.lines_of)

    def order_explanations(self) -> DataLoader[UUID, Explanation | None]:
        """Why orders cost what they do, by order id; None: they have no discount and no tax."""
        return self.over("order_explanations", order_adjustments.explanations)

    def order_parts(self) -> DataLoader[UUID, OrderParts | None]:
        """Fulfillment orders, shipments and payments by their order's id."""
        return self.over("order_parts", order_parts.parts_of)

    def packing_facts(self) -> DataLoader[UUID, PackingFacts | None]:
        """What fulfillment orders are packed by, by id."""
        return self.over("packing_facts", suggested_boxes.facts_of)

    def tracking(self) -> DataLoader[UUID, list[TrackingFact] | None]:
        """What was told of parcels, the newest first, by their id."""
        return self.over("tracking", tracking.history)

    def labels(self) -> DataLoader[UUID, LabelFacts | None]:
        """What is known of labels, by their parcel's id."""
        return self.over("labels", labels.facts_of)

    def manifest_parcels(self) -> DataLoader[UUID, tuple[ManifestParcel, ...] | None]:
        """Parcels by their manifest's id."""
        return self.over("manifest_parcels", manifests.parcels_of)

    def order_notifications(self) -> DataLoader[UUID, list[Notification] | None]:
        """What customers were told, by their order's id."""
        return self.over("order_notifications", notifications.of_orders)

    def returns(self) -> DataLoader[UUID, Return | None]:
        """Returns by id."""
        return self.over("returns", returns.by_ids)

    def return_waits(self) -> DataLoader[UUID, ReturnWait | None]:
        """What returns wait for, by id; None: they have ended."""
        return self.over("return_waits", return_lists.waits)

    def order_returns(self) -> DataLoader[UUID, list[Return] | None]:
        """Returns by their order's id, the oldest first."""
        return self.over("order_returns", returns.of_orders)

    def exchanged_returns(self) -> DataLoader[UUID, Return | None]:
        """Returns by the id of the order that replaces what they bring back."""
        return self.over("exchanged_returns", returns.of_exchanges)

    def return_parcels(self) -> DataLoader[UUID, list[ReturnParcel] | None]:
        """Parcels that bring returns back, by their return's id, the shop's own first."""
        return self.over("return_parcels", return_parcels.of_returns)

    def return_surplus(self) -> DataLoader[UUID, list[Unexpected] | None]:
        """What came unexpected, by return."""
        return self.over("return_surplus", return_surplus.of_returns)

    def return_instructions(self) -> DataLoader[UUID, str | None]:
        """What shops say of how returns are sent, by return."""
        return self.over("return_instructions", return_shipping.instructions)

    def transactions(self) -> DataLoader[UUID, PaymentTransaction | None]:
        """Transactions of payments by id."""
        return self.over("transactions", payment_changes.by_ids)

    def order_reviews(self) -> DataLoader[UUID, OrderReview | None]:
        """Reviews by their order's id."""
        return self.over("order_reviews", order_reviews.by_orders)

    def payments(self) -> DataLoader[UUID, Payment | None]:
        """Payments by id."""
        return self.over("payments", payments.by_ids)

    def pickups(self) -> DataLoader[UUID, Pickup | None]:
        """What waits to be collected, by fulfillment order."""
        return self.over("pickups", pickups.of_parts)

    def stored_values(self) -> DataLoader[UUID, StoredValue | None]:
        """Gift cards and store credit by id."""
        return self.over("stored_values", stored_values.by_ids)

    def stored_value_movements(self, most: int) -> DataLoader[UUID, list[Movement] | None]:
        """The newest `most` movements by their stored value's id."""

        async def batch(connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, list[Movement]]:
            return await stored_values.movements_of(connection, ids, most)

        return self.over(("stored_value_movements", most), batch)

    def applied_stored_values(self) -> DataLoader[UUID, list[Applied] | None]:
        """What carts are to be paid with, by cart id."""
        return self.over("applied_stored_values", stored_value_tenders.applied_to)

    def payment_transactions(self) -> DataLoader[UUID, list[PaymentTransaction] | None]:
        """Transactions by their payment's id."""
        return self.over("payment_transactions", payment_changes.transactions_of)
