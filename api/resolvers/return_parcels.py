"""Root fields of how returns are sent."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.return_changes import ReturnPayload
from api.schema.return_parcels import (
    ReturnLabelPurchaseInput,
    ReturnShipping,
    ReturnShippingPayload,
    ReturnShippingSetInput,
)
from api.schema.returns import RETURN, Return
from domain import return_parcels as domain
from services import return_labels, return_shipping
from services.access import Permission


@strawberry.type
class ReturnParcelsQuery:
    """Queries of how returns are sent."""

    @query(Permission.RETURNS_READ)
    async def return_shipping(self, info: Info) -> list[ReturnShipping] | None:
        """How returns are sent: what is said for every channel first, then what each says itself."""
        return [ReturnShipping.of(one) for one in await return_shipping.said(info.context.service)]


@strawberry.type
class ReturnParcelsMutation:
    """Mutations of how returns are sent."""

    @mutation(ReturnShippingPayload, Permission.RETURNS_WRITE)
    async def return_shipping_set(
        self,
        info: Info,
        input: ReturnShippingSetInput,  # noqa: A002
    ) -> ReturnShippingPayload | None:
        """Set how returns of a channel, or of all others, are sent from now on."""
        stored = await return_shipping.set_for(
            info.context.service,
            input.channel,
            input.location_code,
            domain.ReturnShipping(
                provider=input.provider,
                service_code=input.service_code,
                instructions=input.instructions,
                remind_days=input.remind_days,
            ),
        )
        return ReturnShippingPayload(return_shipping=ReturnShipping.of(stored))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_label_purchase(
        self,
        info: Info,
        input: ReturnLabelPurchaseInput,  # noqa: A002
    ) -> ReturnPayload | None:
        """Buy the label of a return that was refused or not asked for; or do without one."""
        found = await return_labels.purchase(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.provider,
            input.service_code,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(found))
