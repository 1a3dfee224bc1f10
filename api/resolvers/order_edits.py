"""Root fields of edits of orders."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.schema.order_edits import (
    OrderEdit,
    OrderEditCommitInput,
    OrderEditCommitPayload,
    OrderEditPreviewInput,
    OrderEditPreviewPayload,
)
from api.schema.orders import Order
from services import order_edits
from services.access import Permission


@strawberry.type
class OrderEditsMutation:
    """Mutations of edits of orders."""

    @mutation(OrderEditPreviewPayload, Permission.ORDERS_WRITE)
    async def order_edit_preview(
        self,
        info: Info,
        input: OrderEditPreviewInput,  # noqa: A002
    ) -> OrderEditPreviewPayload | None:
        """Say what an edit would make of an open order; nothing is changed."""
        edited = await order_edits.preview(info.context.service, input.to_domain())
        return OrderEditPreviewPayload(edit=OrderEdit.of(edited))

    @mutation(OrderEditCommitPayload, Permission.ORDERS_WRITE)
    async def order_edit_commit(
        self,
        info: Info,
        input: OrderEditCommitInput,  # noqa: A002
    ) -> OrderEditCommitPayload | None:
        """Change quantities of an open order and add goods; what was captured too much is refunded."""
        order = await order_edits.commit(
            info.context.service,
            input.to_domain(),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        return OrderEditCommitPayload(order=Order.of(order))
