"""GraphQL inputs and payloads of click and collect."""

import strawberry

from api.errors import UserError
from api.schema.fulfillment import FulfillmentOrder
from api.schema.orders import Order


@strawberry.input(
    description="All that the cart holds is held in the store from then on, until cartDeliveryOptionSelect. "
    " contactName: who collects, where neither address of the cart says so."
)
class CartPickupSelectInput:
    """The store to collect a cart at."""

    cart_token: str
    location_code: str
    contact_name: str | None = None


@strawberry.input
class FulfillmentOrderReadyInput:
    """A fulfillment order of which all waits for its customer."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class FulfillmentOrderCollectedInput:
    """A fulfillment order that its customer takes along."""

    id: strawberry.ID
    idempotency_key: str
    code: str | None = strawberry.field(
        default=None,
        description="What the customer shows; left out, staff have seen by other means who it is.",
    )
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class FulfillmentOrderNotCollectedInput:
    """A fulfillment order whose customer is waited for no more, and why."""

    id: strawberry.ID
    reason: str
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.type
class FulfillmentOrderPickupPayload:
    """The fulfillment order and its order as they are now, or why nothing was changed."""

    fulfillment_order: FulfillmentOrder | None = None
    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
