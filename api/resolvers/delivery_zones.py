"""Root fields of delivery zones."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.delivery_zones import (
    DeliveryZone,
    DeliveryZoneArchiveInput,
    DeliveryZoneCreateInput,
    DeliveryZonePayload,
    DeliveryZoneUpdateInput,
)
from api.schema.shipping import ZONE
from services import delivery_zones
from services.access import Permission


@strawberry.type
class DeliveryZonesQuery:
    """Queries of delivery zones."""

    @query(Permission.SHIPPING_WRITE)
    async def delivery_zones(self, info: Info, channel: str) -> list[DeliveryZone]:
        """The zones in use of a channel, in the order they are tried; at most 100."""
        found, zones = await delivery_zones.list_zones(info.context.service, channel)
        return [DeliveryZone.of(zone, found) for zone in zones]


@strawberry.type
class DeliveryZonesMutation:
    """Mutations of delivery zones."""

    @mutation(DeliveryZonePayload, Permission.SHIPPING_WRITE)
    async def delivery_zone_create(
        self,
        info: Info,
        input: DeliveryZoneCreateInput,  # noqa: A002
    ) -> DeliveryZonePayload | None:
        """Add a zone to a channel."""
        channel, zone = await delivery_zones.create(info.context.service, input.channel, input.to_changes())
        return DeliveryZonePayload(delivery_zone=DeliveryZone.of(zone, channel))

    @mutation(DeliveryZonePayload, Permission.SHIPPING_WRITE)
    async def delivery_zone_update(
        self,
        info: Info,
        input: DeliveryZoneUpdateInput,  # noqa: A002
    ) -> DeliveryZonePayload | None:
        """Change a zone."""
        channel, zone = await delivery_zones.update(
            info.context.service, decode_id(ZONE, input.id, "id"), input.to_changes(), input.expected_version
        )
        return DeliveryZonePayload(delivery_zone=DeliveryZone.of(zone, channel))

    @mutation(DeliveryZonePayload, Permission.SHIPPING_WRITE)
    async def delivery_zone_archive(
        self,
        info: Info,
        input: DeliveryZoneArchiveInput,  # noqa: A002
    ) -> DeliveryZonePayload | None:
        """Take a zone out of use that has no rates any more."""
        channel, zone = await delivery_zones.archive(
            info.context.service, decode_id(ZONE, input.id, "id"), input.expected_version
        )
        return DeliveryZonePayload(delivery_zone=DeliveryZone.of(zone, channel))
