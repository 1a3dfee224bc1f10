"""Root fields of delivery rates."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, mutation, query
from api.scalars import decode_id
from api.schema.shipping import (
    DeliveryRate,
    DeliveryRateArchiveInput,
    DeliveryRateCreateInput,
    DeliveryRatePayload,
    DeliveryRateUpdateInput,
)
from services import shipping
from services.access import Permission


@strawberry.type
class ShippingQuery:
    """Queries of delivery rates."""

    @query(PUBLIC)
    async def delivery_rates(self, info: Info, channel: str) -> list[DeliveryRate]:
        """The rates in use of a channel, in the order they are offered; at most 250."""
        found, rates = await shipping.list_rates(info.context.service, channel)
        return [DeliveryRate.of(rate, found) for rate in rates]


@strawberry.type
class ShippingMutation:
    """Mutations of delivery rates."""

    @mutation(DeliveryRatePayload, Permission.SHIPPING_WRITE)
    async def delivery_rate_create(
        self,
        info: Info,
        input: DeliveryRateCreateInput,  # noqa: A002
    ) -> DeliveryRatePayload | None:
        """Add a rate to a channel's table."""
        channel, rate = await shipping.create(info.context.service, input.channel, input.to_changes())
        return DeliveryRatePayload(delivery_rate=DeliveryRate.of(rate, channel))

    @mutation(DeliveryRatePayload, Permission.SHIPPING_WRITE)
    async def delivery_rate_update(
        self,
        info: Info,
        input: DeliveryRateUpdateInput,  # noqa: A002
    ) -> DeliveryRatePayload | None:
        """Change a rate: carts see it at their next change, orders keep what they were told."""
        rate_id = decode_id("DeliveryRate", input.id, "id")
        channel, rate = await shipping.update(
            info.context.service, rate_id, input.to_changes(), input.expected_version
        )
        return DeliveryRatePayload(delivery_rate=DeliveryRate.of(rate, channel))

    @mutation(DeliveryRatePayload, Permission.SHIPPING_WRITE)
    async def delivery_rate_archive(
        self,
        info: Info,
        input: DeliveryRateArchiveInput,  # noqa: A002
    ) -> DeliveryRatePayload | None:
        """Take a rate out of use."""
        rate_id = decode_id("DeliveryRate", input.id, "id")
        channel, rate = await shipping.archive(info.context.service, rate_id, input.expected_version)
        return DeliveryRatePayload(delivery_rate=DeliveryRate.of(rate, channel))
