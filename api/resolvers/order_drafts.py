"""Root fields of drafts: orders that staff make."""

import strawberry

from api.context import Info
from api.resolvers.orders import keep_placement
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.order_drafts import (
    OrderDraftCreateInput,
    OrderDraftPayload,
    OrderDraftPlaceInput,
    OrderDraftUpdateInput,
)
from api.schema.orders import Order, OrderPlacePayload
from api.schema.payments import Payment
from domain.payment_means import means_in
from services import order_drafts
from services.access import Permission


@strawberry.type
class OrderDraftsMutation:
    """Mutations of drafts."""

    @mutation(OrderDraftPayload, Permission.ORDERS_WRITE)
    async def order_draft_create(
        self,
        info: Info,
        input: OrderDraftCreateInput,  # noqa: A002
    ) -> OrderDraftPayload | None:
        """Make an order for a customer, to be placed by staff or paid for by its link."""
        draft = await order_drafts.create(
            info.context.service, input.channel, input.to_changes(), input.idempotency_key
        )
        return OrderDraftPayload.of(draft)

    @mutation(OrderDraftPayload, Permission.ORDERS_WRITE)
    async def order_draft_update(
        self,
        info: Info,
        input: OrderDraftUpdateInput,  # noqa: A002
    ) -> OrderDraftPayload | None:
        """Change what is named of a draft, while nobody pays for it."""
        draft = await order_drafts.update(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.to_changes(),
            input.expected_version,
            input.idempotency_key,
        )
        return OrderDraftPayload.of(draft)

    @mutation(OrderPlacePayload, Permission.ORDERS_WRITE)
    async def order_draft_place(
        self,
        info: Info,
        input: OrderDraftPlaceInput,  # noqa: A002
    ) -> OrderPlacePayload | None:
        """Place a draft for its customer: as orderPlace, under the id and number it has; once per key."""
        placed = await order_drafts.place(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.payment.provider,
            input.payment.method,
            input.expected_version,
            input.idempotency_key,
            means_in(input.payment.token, input.payment.return_url, input.payment.reference),
        )
        if placed.placement is not None:
            keep_placement(info.context.loaders, placed.placement)
        return OrderPlacePayload(
            order=Order.of(placed.order) if placed.order else None,
            order_token=placed.order_token,
            payment=Payment.of(placed.payment, placed.action),
        )
