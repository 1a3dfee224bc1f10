"""Root fields of fulfillment orders."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.fulfillment_changes import (
    FulfillmentOrderCancelInput,
    FulfillmentOrderIncompleteInput,
    FulfillmentOrderMergeInput,
    FulfillmentOrderMoveInput,
    FulfillmentOrderPayload,
    FulfillmentOrderRescheduleInput,
    FulfillmentOrderSplitInput,
    FulfillmentOrderStartInput,
)
from api.schema.fulfillment_lists import KEY, OLDEST, FulfillmentOrderConnection, FulfillmentOrderFilter
from api.schema.orders import Order
from api.schema.shipments import units_of
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import fulfillment, fulfillment_lists
from services.access import Permission
from services.fulfillment import Changed


@strawberry.type
class FulfillmentQuery:
    """Queries of fulfillment orders."""

    @query(Permission.FULFILLMENT_READ)
    async def fulfillment_orders(
        self,
        info: Info,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        filter: FulfillmentOrderFilter | None = None,  # noqa: A002
    ) -> FulfillmentOrderConnection | None:
        """What locations have to send, oldest first."""
        request = page_request(OLDEST, KEY, first, after)
        narrowed = filter or FulfillmentOrderFilter()
        found = await fulfillment_lists.page(
            info.context.service, narrowed.to_domain(), narrowed.location_code, request.size, request.after
        )
        return FulfillmentOrderConnection.of(found, request)


@strawberry.type
class FulfillmentMutation:
    """Mutations of fulfillment orders."""

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_start(
        self,
        info: Info,
        input: FulfillmentOrderStartInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Begin to work on a fulfillment order: edits of its order no longer change it."""
        changed = await fulfillment.start(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_incomplete(
        self,
        info: Info,
        input: FulfillmentOrderIncompleteInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Give up units of a fulfillment order: they are routed again."""
        changed = await fulfillment.incomplete(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.to_units(),
            input.reason,
            input.expected_version,
            input.idempotency_key,
            lost=input.lost,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_split(
        self,
        info: Info,
        input: FulfillmentOrderSplitInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Put units of a fulfillment order into one of their own."""
        changed = await fulfillment.split(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            units_of(input.lines),
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_merge(
        self,
        info: Info,
        input: FulfillmentOrderMergeInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Put fulfillment orders together into the first; the others are CANCELED."""
        changed = await fulfillment.merge(
            info.context.service,
            [decode_id("FulfillmentOrder", one, "ids", str(at)) for at, one in enumerate(input.ids)],
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_move(
        self,
        info: Info,
        input: FulfillmentOrderMoveInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Let another location send units: they are free here and committed there at once."""
        changed = await fulfillment.move(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.location_code,
            input.to_units(),
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_cancel(
        self,
        info: Info,
        input: FulfillmentOrderCancelInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Take a fulfillment order from its location: its units are routed again."""
        changed = await fulfillment.cancel(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(FulfillmentOrderPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_reschedule(
        self,
        info: Info,
        input: FulfillmentOrderRescheduleInput,  # noqa: A002
    ) -> FulfillmentOrderPayload | None:
        """Put a fulfillment order off until a moment, or open it now."""
        changed = await fulfillment.reschedule(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.scheduled_for,
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(changed)


def _payload(changed: Changed) -> FulfillmentOrderPayload:
    parts = [FulfillmentOrder.of(part) for part in changed.parts]
    return FulfillmentOrderPayload(
        fulfillment_order=parts[0] if parts else None,
        fulfillment_orders=parts,
        order=Order.of(changed.order),
    )
