"""Root fields of carriers' services that channels offer."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.delivery_services import (
    SERVICE,
    DeliveryService,
    DeliveryServiceArchiveInput,
    DeliveryServiceCreateInput,
    DeliveryServicePayload,
    DeliveryServiceUpdateInput,
)
from services import delivery_services
from services.access import Permission


@strawberry.type
class DeliveryServicesQuery:
    """Queries of carriers' services."""

    @query(Permission.SHIPPING_WRITE)
    async def delivery_services(self, info: Info, channel: str) -> list[DeliveryService]:
        """The carriers' services that a channel offers, by position; at most 50."""
        found, services = await delivery_services.list_services(info.context.service, channel)
        return [DeliveryService.of(service, found) for service in services]


@strawberry.type
class DeliveryServicesMutation:
    """Mutations of carriers' services."""

    @mutation(DeliveryServicePayload, Permission.SHIPPING_WRITE)
    async def delivery_service_create(
        self,
        info: Info,
        input: DeliveryServiceCreateInput,  # noqa: A002
    ) -> DeliveryServicePayload | None:
        """Let a channel offer a carrier's service."""
        channel, service = await delivery_services.create(
            info.context.service, input.channel, input.provider, input.code, input.to_changes()
        )
        return DeliveryServicePayload(delivery_service=DeliveryService.of(service, channel))

    @mutation(DeliveryServicePayload, Permission.SHIPPING_WRITE)
    async def delivery_service_update(
        self,
        info: Info,
        input: DeliveryServiceUpdateInput,  # noqa: A002
    ) -> DeliveryServicePayload | None:
        """Change how a channel offers a carrier's service."""
        channel, service = await delivery_services.update(
            info.context.service,
            decode_id(SERVICE, input.id, "id"),
            input.to_changes(),
            input.expected_version,
        )
        return DeliveryServicePayload(delivery_service=DeliveryService.of(service, channel))

    @mutation(DeliveryServicePayload, Permission.SHIPPING_WRITE)
    async def delivery_service_archive(
        self,
        info: Info,
        input: DeliveryServiceArchiveInput,  # noqa: A002
    ) -> DeliveryServicePayload | None:
        """Offer a carrier's service no longer."""
        channel, service = await delivery_services.archive(
            info.context.service, decode_id(SERVICE, input.id, "id"), input.expected_version
        )
        return DeliveryServicePayload(delivery_service=DeliveryService.of(service, channel))
