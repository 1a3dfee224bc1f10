"""Root fields of how returns are sent."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, mutation, query
from api.scalars import decode_id
from api.schema.return_changes import ReturnPayload
from api.schema.return_lists import ReturnConnection
from api.schema.return_parcel_changes import (
    ReturnReceiveBlindInput,
    ReturnSurplusRecordInput,
    ReturnTrackingSetInput,
)
from api.schema.return_parcels import (
    ReturnLabelPurchaseInput,
    ReturnShipping,
    ReturnShippingPayload,
    ReturnShippingSetInput,
    ReturnWork,
)
from api.schema.returns import KEY, RETURN, Return
from domain import return_parcels as domain
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from domain.return_arrivals import Surplus
from services import return_arrivals, return_labels, return_shipping, return_tracking, return_work
from services.access import Permission

OLDEST = "RETURNS_OLDEST"
"""The one order of work lists, named in their cursors."""


@strawberry.type
class ReturnParcelsQuery:
    """Queries of how returns are sent."""

    @query(Permission.RETURNS_READ)
    async def return_shipping(self, info: Info) -> list[ReturnShipping] | None:
        """How returns are sent: what is said for every channel first, then what each says itself."""
        return [ReturnShipping.of(one) for one in await return_shipping.said(info.context.service)]

    @query(Permission.RETURNS_READ)
    async def return_work(
        self,
        info: Info,
        kind: ReturnWork,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ReturnConnection | None:
        """Returns that need a person for one reason, those that were asked for first on top."""
        request = page_request(OLDEST, KEY, first, after)
        found = await return_work.page(info.context.service, kind, request.size, request.after)
        return ReturnConnection.of(found, request, OLDEST)


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
            input.expected_version,
        )
        return ReturnShippingPayload(return_shipping=ReturnShipping.of(stored))

    @mutation(ReturnPayload, TOKEN)
    async def return_tracking_set(
        self,
        info: Info,
        input: ReturnTrackingSetInput,  # noqa: A002
    ) -> ReturnPayload | None:
        """Name the parcel by which a customer sends a return themselves: then it is followed."""
        found = await return_tracking.name_parcel(
            info.context.service,
            None if input.ref is None else input.ref.to_domain("ref"),
            decode_id(RETURN, input.id, "id"),
            input.carrier,
            input.tracking_number,
        )
        return ReturnPayload(return_=Return.of(found))

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

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_receive_blind(
        self,
        info: Info,
        input: ReturnReceiveBlindInput,  # noqa: A002
    ) -> ReturnPayload | None:
        """Receive a parcel that nobody asked to send; its money is for staff to decide."""
        found = await return_arrivals.receive_blind(
            info.context.service,
            input.ref.to_domain("ref"),
            input.location_code,
            input.to_lines(),
            input.note,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(found))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_surplus_record(
        self,
        info: Info,
        input: ReturnSurplusRecordInput,  # noqa: A002
    ) -> ReturnPayload | None:
        """Record what else was in a return's parcel; nothing is given back for it by itself."""
        found = await return_arrivals.record_surplus(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.location_code,
            [Surplus(one.sku, one.quantity, None, one.note) for one in input.items],
            [one.not_ours for one in input.items],
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(found))
