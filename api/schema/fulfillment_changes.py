"""GraphQL inputs and payloads of what is done with fulfillment orders before they are sent."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.errors import UserError
from api.schema.fulfillment import FulfillmentOrder
from api.schema.orders import Order
from api.schema.shipments import FulfillmentOrderLineUnitsInput, units_of


@strawberry.input
class FulfillmentOrderStartInput:
    """A fulfillment order that is worked on from now."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input(
    description="Units that a location will not send; without lines all that are not packed. They are routed "
    "again: to locations that have them, else they wait, for stock if they were lost, for staff if not."
)
class FulfillmentOrderIncompleteInput:
    """Units to take from a fulfillment order, and why."""

    id: strawberry.ID
    reason: str
    idempotency_key: str
    lines: list[FulfillmentOrderLineUnitsInput] | None = None
    lost: bool = strawberry.field(
        default=False, description="They were not found: they are counted out of the location's stock."
    )
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_units(self) -> dict[UUID, int] | None:
        """Return the units by line; raises InvalidInput for a line named twice."""
        return None if self.lines is None else units_of(self.lines)


@strawberry.input
class FulfillmentOrderSplitInput:
    """Units to put into a fulfillment order of their own, at the same location."""

    id: strawberry.ID
    lines: list[FulfillmentOrderLineUnitsInput]
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class FulfillmentOrderMergeInput:
    """Fulfillment orders of one order and location, to be put together into the first."""

    ids: list[strawberry.ID]
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input(
    description="Without lines it is all that is not packed, also what waits for stock. InsufficientStock "
    "where the location lacks units: then nothing changes."
)
class FulfillmentOrderMoveInput:
    """Units that another location shall send."""

    id: strawberry.ID
    location_code: str
    idempotency_key: str
    lines: list[FulfillmentOrderLineUnitsInput] | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_units(self) -> dict[UUID, int] | None:
        """Return the units by line; raises InvalidInput for a line named twice."""
        return None if self.lines is None else units_of(self.lines)


@strawberry.input(
    description="Takes it from its location before anything of it is packed; its units are routed again. "
    "What the customer is no longer to get is taken off by orderEditCommit or orderCancel."
)
class FulfillmentOrderCancelInput:
    """A fulfillment order to take from its location, and why."""

    id: strawberry.ID
    reason: str
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class FulfillmentOrderRescheduleInput:
    """A fulfillment order to put off; without a moment it opens now."""

    id: strawberry.ID
    idempotency_key: str
    scheduled_for: datetime | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.type(
    description="The fulfillment orders that changed or are new, the one asked for (or that has the units "
    "now) first, and their order as it now is; or why nothing was changed."
)
class FulfillmentOrderPayload:
    """What became of it."""

    fulfillment_order: FulfillmentOrder | None = None
    fulfillment_orders: list[FulfillmentOrder] = strawberry.field(default_factory=list)
    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
